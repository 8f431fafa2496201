/* Hostile text, written to a terminal and to a line protocol and back. */
#include <errno.h>
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "discovery/base/text.h"

static void test_printable(void **state)
{
    static const struct {
        const char *given, *shown;
    } rows[] = {
        {"", ""},
        {"plain ~", "plain ~"},
        {"Küche 日本 🤖", "Küche 日本 🤖"},
        {"\033[2J\a\r\n\t", "\\x1b[2J\\x07\\x0d\\x0a\\x09"},
        {"\x7f", "\\x7f"},
        {"\xc2\x9b" /* CSI, as one character */ "2J", "\\u{9b}2J"},
        {"a\xe2\x80\xae" /* U+202E, right to left from here */ "b", "a\\u{202e}b"},
        {"\xe2\x81\xa6\xe2\x80\x8b\xef\xbb\xbf", "\\u{2066}\\u{200b}\\u{feff}"},
        {"\xf3\xa0\x81\x81" /* a tag character */, "\\u{e0041}"},
        {"\xff\xc3", "\\xff\\xc3"},
        {"\xed\xa0\x80" /* a surrogate */, "\\xed\\xa0\\x80"},
        {"\xc0\xaf" /* an overlong slash */, "\\xc0\\xaf"},
        {"\xe2\x82", "\\xe2\\x82"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP_TEXT struct text t = TEXT_INIT;

        text_add_printable(&t, rows[i].given);
        assert_string_equal(text_str(&t), rows[i].shown);
        assert_int_equal(text_error(&t), 0);
    }
}

/* Each byte but NUL comes back, and only bytes that a line can hold are sent. */
static void test_percent_round_trip(void **state)
{
    CLEANUP_TEXT struct text t = TEXT_INIT;
    char bytes[256];

    (void)state;
    for (int i = 1; i < 256; i++)
        bytes[i - 1] = (char)i;
    bytes[255] = '\0';
    text_add_percent(&t, bytes);
    for (const char *c = text_str(&t); *c; c++)
        assert_true(*c > ' ' && *c < 0x7f);
    assert_int_equal(percent_decode(t.data), 0);
    assert_string_equal(text_str(&t), bytes);
}

static void test_percent_broken(void **state)
{
    static const char *const broken[] = {"%", "%4", "%zz", "a%4g", "%00", "x%%41", "%-1"};
    char good[] = "%41%2f%2F%c3%A9";

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
        char copy[16];

        strcpy(copy, broken[i]);
        assert_int_equal(percent_decode(copy), -EBADMSG);
    }
    assert_int_equal(percent_decode(good), 0);
    assert_string_equal(good, "A//é");
}

static void test_utf8(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
        uint32_t c; /* 0 and a size: not UTF-8 */
    } rows[] = {
        {"a", 1, 'a'},
        {"\x7f", 1, 0x7f},
        {"\xc2\x80", 2, 0x80},
        {"\xdf\xbf", 2, 0x7ff},
        {"\xe0\xa0\x80", 3, 0x800},
        {"\xed\x9f\xbf", 3, 0xd7ff},
        {"\xee\x80\x80", 3, 0xe000},
        {"\xef\xbf\xbf", 3, 0xffff},
        {"\xf0\x90\x80\x80", 4, 0x10000},
        {"\xf4\x8f\xbf\xbf", 4, 0x10ffff},
        {"\x80", 1, 0}, /* a second byte alone */
        {"\xbf", 1, 0},
        {"\xc2", 1, 0}, /* cut short */
        {"\xe1\x80", 2, 0},
        {"\xf1\x80\x80", 3, 0},
        {"\xc2\x41", 2, 0}, /* followed by something else */
        {"\xe1\x80\xc0", 3, 0},
        {"\xc0\x80", 2, 0}, /* longer than needed */
        {"\xc1\xbf", 2, 0},
        {"\xe0\x9f\xbf", 3, 0},
        {"\xf0\x8f\xbf\xbf", 4, 0},
        {"\xed\xa0\x80", 3, 0}, /* surrogates */
        {"\xed\xbf\xbf", 3, 0},
        {"\xf4\x90\x80\x80", 4, 0},     /* beyond Unicode */
        {"\xf8\x88\x80\x80\x80", 5, 0}, /* five bytes */
        {"\xff", 1, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        /* In its own memory, so that a sanitizer sees a read past the end. */
        CLEANUP_FREE char *bytes = malloc(rows[i].size);
        uint32_t c = 0;

        assert_non_null(bytes);
        memcpy(bytes, rows[i].bytes, rows[i].size);
        assert_int_equal(utf8_decode(bytes, rows[i].size, &c), rows[i].c ? rows[i].size : 0);
        assert_int_equal(c, rows[i].c);
        assert_int_equal(utf8_valid(bytes, rows[i].size), rows[i].c != 0);
    }
    assert_true(utf8_valid("", 0));
    assert_true(utf8_valid("a\0b", 3));
    assert_false(utf8_valid("good\xc3", 5));
}

static void test_growing(void **state)
{
    CLEANUP_TEXT struct text t = TEXT_INIT;
    CLEANUP_FREE char *taken = NULL;

    (void)state;
    assert_string_equal(text_str(&t), "");
    for (int i = 0; i < 1000; i++)
        text_addf(&t, "%d,", i);
    assert_int_equal(t.size, 10 * 2 + 90 * 3 + 900 * 4);
    assert_memory_equal(t.data, "0,1,2,", 6);
    text_add(&t, "\0x", 2);
    assert_int_equal(t.data[t.size], '\0');
    taken = text_take(&t);
    assert_memory_equal(taken + strlen(taken), "\0x", 3);
    assert_string_equal(text_str(&t), "");
    /* Missing memory is reported at the end, and nothing is half written. */
    text_adds(&t, "kept");
    text_add(&t, "", SIZE_MAX - 2);
    text_adds(&t, "not");
    assert_int_equal(text_error(&t), -ENOMEM);
    assert_string_equal(text_str(&t), "kept");
    assert_null(text_take(&t));
    assert_int_equal(text_error(&t), 0);
}

static void test_strings(void **state)
{
    CLEANUP_STRINGS struct strings a = {0};
    CLEANUP_STRINGS struct strings b = {0};
    char name[16];

    (void)state;
    for (int i = 0; i < 100; i++) {
        (void)snprintf(name, sizeof(name), "a%d", i);
        assert_int_equal(strings_add(&a, name), 0);
    }
    assert_int_equal(strings_add(&b, "old"), 0);
    assert_int_equal(strings_copy(&b, &a), 0);
    assert_true(strings_equal(&a, &b));
    assert_true(strings_has(&b, "a99"));
    assert_false(strings_has(&b, "old"));
    b.items[99][0] = 'b';
    assert_false(strings_equal(&a, &b));
    assert_int_equal(strings_addn(&b, "cut here", 3), 0);
    assert_true(strings_has(&b, "cut"));
    assert_int_equal(strings_copy(&b, &b), 0);
    assert_int_equal(b.count, 101);
}

static void test_width(void **state)
{
    (void)state;
    if (!setlocale(LC_CTYPE, "C.UTF-8"))
        skip();
    assert_int_equal(text_width(""), 0);
    assert_int_equal(text_width("Küche"), 5);
    assert_int_equal(text_width("日本"), 4);
    assert_int_equal(text_width("e\xcc\x81"), 1); /* an accent of its own */
    assert_int_equal(text_width("\xff\x1b"), 2);
}

static void test_shown(void **state)
{
    CLEANUP_TEXT struct text t = TEXT_INIT;
    char given[90];

    (void)state;
    memset(given, 'x', sizeof(given));
    given[80] = '\0';
    text_add_shown(&t, given);
    assert_string_equal(text_str(&t), given);
    text_reset(&t);
    memcpy(given + 79, "\xc3\xa9", 3); /* a character on both sides of the bound */
    text_add_shown(&t, given);
    assert_int_equal(t.size, 79 + strlen("…"));
    assert_string_equal(text_str(&t) + 79, "…");
}

static void test_ends_with(void **state)
{
    (void)state;
    assert_true(string_ends_with("a.whl", ".whl"));
    assert_false(string_ends_with(".whl", ".whl"));
    assert_false(string_ends_with("whl", ".whl"));
    assert_false(string_ends_with("a.whl.gz", ".whl"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_printable),      cmocka_unit_test(test_shown),
        cmocka_unit_test(test_ends_with),      cmocka_unit_test(test_percent_round_trip),
        cmocka_unit_test(test_percent_broken), cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_growing),        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_width),
    };

    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
