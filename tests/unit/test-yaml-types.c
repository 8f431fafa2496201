/* The bounded YAML reader and the types of YAML 1.1. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "discovery/base/keyset.h"
#include "discovery/yaml/types.h"

static void check_types(enum yaml_type type, const char *const *texts)
{
    for (; *texts; texts++)
        if (yaml_plain_type(*texts, strlen(*texts)) != type)
            fail_msg("%s is not %s", *texts, yaml_type_words(type));
}

static void types_are_those_of_pyyaml(void **state)
{
    (void)state;
    check_types(YAML_TYPE_NULL, (const char *const[]){"", "~", "null", "Null", "NULL", NULL});
    check_types(YAML_TYPE_BOOL, (const char *const[]){"on", "Off", "YES", "no", "True", NULL});
    check_types(YAML_TYPE_INT, (const char *const[]){"0", "-12", "0x1f", "1_000", "12:30", "017",
                                                     "0b1", "+1", "1:2:3", "0_", NULL});
    check_types(YAML_TYPE_FLOAT, (const char *const[]){"1.0", ".5", "-.inf", ".NaN", "1.", "1.5e+3",
                                                       "1:30.5", NULL});
    check_types(YAML_TYPE_TIME, (const char *const[]){"2024-01-01", "2024-1-1 1:02:03",
                                                      "2024-01-01T01:02:03.4 +1:30", NULL});
    check_types(YAML_TYPE_STRING,
                (const char *const[]){"a1",    "1e5",      "1.5e3", "-.5", "y",
                                      "n",     "oN",       "nULL",  "08",  "12:60",
                                      "0o7",   "2024-1-1", "-.nan", "<<<", "0x",
                                      "1.2.3", "_1",       "+",     "-",   "2024-01-01 1:2:3",
                                      NULL});
    check_types(YAML_TYPE_MERGE, (const char *const[]){"<<", NULL});
    check_types(YAML_TYPE_VALUE, (const char *const[]){"=", NULL});
}

static void check_key(enum yaml_type type, const char *text, const char *expected)
{
    CLEANUP_TEXT struct text key = TEXT_INIT;

    yaml_add_key(&key, type, text, strlen(text));
    assert_string_equal(text_str(&key), expected);
}

static void equal_keys_of_python_are_equal(void **state)
{
    (void)state;
    check_key(YAML_TYPE_INT, "1", "n1");
    check_key(YAML_TYPE_INT, "0x1", "n1");
    check_key(YAML_TYPE_FLOAT, "1.0", "n1");
    check_key(YAML_TYPE_BOOL, "on", "n1");
    check_key(YAML_TYPE_BOOL, "No", "n0");
    check_key(YAML_TYPE_INT, "-0", "n0");
    check_key(YAML_TYPE_INT, "-1:30", "n-90");
    check_key(YAML_TYPE_FLOAT, "1:30.0", "n90");
    check_key(YAML_TYPE_INT, "0b1_1", "n3");
    check_key(YAML_TYPE_INT, "010", "n8");
    check_key(YAML_TYPE_FLOAT, "-.inf", "f-inf");
    check_key(YAML_TYPE_STRING, "1", "s1");
    check_key(YAML_TYPE_NULL, "~", "0");
}

/* Writes the items as letters, up to the end or the first error. */
static int trace(const char *text, size_t size, struct text *ret, struct error *err)
{
    static const char letters[] = {
        [YAML_KIND_END] = '.',  [YAML_KIND_SCALAR] = 's', [YAML_KIND_ALIAS] = '*',
        [YAML_KIND_LIST] = '[', [YAML_KIND_MAP] = '{',    [YAML_KIND_CLOSE] = ')'};
    CLEANUP_YAML_READER struct yaml_reader *y = NULL;
    struct yaml_item item;
    int r = yaml_reader_open_memory(&y, "f", text, size, err);

    do {
        r = r < 0 ? r : yaml_reader_next(y, &item, err);
        if (r == 0)
            text_addc(ret, letters[item.kind]);
    } while (r == 0 && item.kind != YAML_KIND_END);
    return r;
}

static void check_trace(const char *text, const char *expected)
{
    CLEANUP_TEXT struct text items = TEXT_INIT;
    struct error err = {0};

    assert_int_equal(trace(text, strlen(text), &items, &err), 0);
    assert_string_equal(text_str(&items), expected);
}

static void check_error(const char *text, const char *expected)
{
    CLEANUP_TEXT struct text items = TEXT_INIT;
    struct error err = {0};

    assert_true(trace(text, strlen(text), &items, &err) < 0);
    assert_string_equal(err.text, expected);
}

static void items_come_in_order(void **state)
{
    (void)state;
    check_trace("", ".");
    check_trace("# nothing\n", ".");
    check_trace("a: [b, &x c]\nd: *x\n", "{s[ss)s*).");
    check_trace("\xef\xbb\xbf"
                "a: 1\r\nb: 2\r\n",
                "{ssss).");
    check_trace("\"q\tq\": 'a\tb' # c\td\nx: |\n  a\tb\n", "{ssss).");
}

static void errors_say_where(void **state)
{
    (void)state;
    check_error("a:\t1\n",
                "f:1:3: a tab, which YAML allows in quotes and comments only; use spaces");
    check_error("a: 1\nb: 2\t\n",
                "f:2:5: a tab, which YAML allows in quotes and comments only; use spaces");
    check_error("a: b#c\td\n",
                "f:1:7: a tab, which YAML allows in quotes and comments only; use spaces");
    check_error("a: |\t\n  x\n",
                "f:1:5: a tab, which YAML allows in quotes and comments only; use spaces");
    check_error("a: [b?c]\n", "f:1:5: a text with \"?\" inside [ ] or { } needs quotes");
    check_error("a: \x01\n", "f:1:4: the character U+0001 is not allowed in YAML");
    check_error("ab\n\xc3\xa9\xff\n", "f:2:2: the byte 0xff is not UTF-8; save the file as UTF-8");
    check_error("a: \xc3", "f:1:4: the file ends inside a UTF-8 character; save it as UTF-8");
    check_error("a: \xed\xa0\x80", "f:1:4: the byte 0xed is not UTF-8; save the file as UTF-8");
    check_error("a: 1\n---\nb: 2\n", "f:2:1: a second document begins here; only one is allowed");
    check_error("a: 'b\n", "f:2:1: the text in quotes is not closed before the file ends (while "
                           "scanning a quoted scalar, which begins at f:1:4)");
    check_error("a: [b\n", "f:2:1: a \",\" or \"]\" was expected (while parsing a flow sequence, "
                           "which begins at f:1:4)");
    check_error("a: b: c\n", "f:1:5: unexpected \": \": is the line above complete, and "
                             "is it indented right?");
    check_error("a: @b\n", "f:1:4: a text cannot begin with this character (@, ` or %): put "
                           "it in quotes");
    check_error("{a:{}}\n", "f:1:3: a \":\" must be followed by a space here");
}

static void tabs_for_indentation_are_named(void **state)
{
    static const char words[] = "a tab, which YAML does not allow for indentation; use spaces";
    static const struct {
        const char *text, *place, *context;
    } cases[] = {
        {"a:\n\tb: 1\n", "f:2:1", ""},
        {"-\ta\n", "f:1:2", ""},
        {"a: b\n\tc\n", "f:2:1", " (while scanning a plain scalar, which begins at f:1:4)"},
        {"a: |\n\tb\n", "f:2:1", " (while scanning a block scalar, which begins at f:1:4)"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP_TEXT struct text expected = TEXT_INIT;

        text_addf(&expected, "%s: %s%s", cases[i].place, words, cases[i].context);
        check_error(cases[i].text, text_str(&expected));
    }
    check_error("- &x\t'a'\n",
                "f:1:5: a tab, which YAML allows in quotes and comments only; use spaces");
    check_error("- !!str\n  |\t\n   a\n",
                "f:2:4: a tab, which YAML allows in quotes and comments only; use spaces");
}

static void check_bytes(const char *bytes, size_t size, const char *expected)
{
    CLEANUP_TEXT struct text items = TEXT_INIT;
    struct error err = {0};

    assert_true(trace(bytes, size, &items, &err) < 0);
    assert_string_equal(err.text, expected);
}

static void utf_16_is_named(void **state)
{
    (void)state;
    check_bytes("\xff\xfe"
                "a\0",
                4, "f:1:1: this file is in UTF-16; save it as UTF-8");
    check_bytes("\xfe\xff\0a", 4, "f:1:1: this file is in UTF-16; save it as UTF-8");
    check_bytes("a\0:\0", 4, "f:1:1: this file is in UTF-16; save it as UTF-8");
    check_bytes("\0a\0:", 4, "f:1:1: this file is in UTF-16; save it as UTF-8");
    check_bytes("ab\0", 3, "f:1:3: the character U+0000 is not allowed in YAML");
    check_bytes("a\xff", 2, "f:1:2: the byte 0xff is not UTF-8; save the file as UTF-8");
}

static void tags_end_before_commas(void **state)
{
    (void)state;
    check_error("[!!str, a]\n", "f:1:7: a space is needed between a tag and \",\"");
    check_error("{a: !, b: c}\n", "f:1:6: a space is needed between a tag and \",\"");
    check_error("[&x !<y>, a]\n", "f:1:9: a space is needed between a tag and \",\"");
    check_trace("[!!str , !!str &x, &y , !!str a, ! b]\n", "[sssss).");
}

/* libyaml's queue of tokens has room for 16 and begins again then. */
static void tags_are_found_anywhere_in_the_queue(void **state)
{
    (void)state;
    for (size_t before = 0; before < 40; before++) {
        CLEANUP_TEXT struct text bad = TEXT_INIT, good = TEXT_INIT, found = TEXT_INIT;
        struct error err = {0};

        text_adds(&bad, "{");
        for (size_t i = 0; i < before; i++)
            text_adds(&bad, i % 3 ? "a, " : "a: b, ");
        text_add(&good, bad.data, bad.size);
        text_adds(&bad, "k: &x !!str, b}\n");
        text_adds(&good, "k: !!str &x, b}\n");
        assert_true(trace(bad.data, bad.size, &found, &err) < 0);
        assert_non_null(strstr(err.text, "a space is needed between a tag and \",\""));
        text_reset(&found);
        assert_int_equal(trace(good.data, good.size, &found, &err), 0);
    }
}

static void block_headers_end_before_comments(void **state)
{
    (void)state;
    check_error("a: |# b\n  c\n", "f:1:5: a space is needed before \"#\"");
    check_error("a: >2-# b\n  c\n", "f:1:7: a space is needed before \"#\"");
    check_error("- &x !!str\n  |-# b\n  c\n", "f:2:5: a space is needed before \"#\"");
    check_trace("a: | # |# b\n  |# c\n  |1# d\nb: \"|#\" # |#\nc: x |#\n", "{ssssss).");
}

/* The "#" is looked for while the text is read in pieces. */
static void block_headers_may_span_pieces(void **state)
{
    (void)state;
    for (size_t size = YAML_INPUT_CHUNK - 8; size < YAML_INPUT_CHUNK + 2; size++) {
        CLEANUP_TEXT struct text t = TEXT_INIT, items = TEXT_INIT;
        struct error err = {0};

        while (t.size < size)
            text_addc(&t, '\n');
        text_adds(&t, "- |-2# b\n");
        assert_true(trace(t.data, t.size, &items, &err) < 0);
        assert_non_null(strstr(err.text, ":6: a space is needed before \"#\""));
    }
}

static void keys_in_lists_are_not_empty(void **state)
{
    (void)state;
    check_error("a: [?]]\n", "f:1:7: a key is needed behind \"?\" inside [ ]");
    check_error("[a, ? : : b]\n", "f:1:8: a key is needed behind \"?\" inside [ ]");
    check_trace("[? a : b, ? '', {? : c}]\n", "[{ss){ss){ss)).");
}

static void directives_are_pyyamls(void **state)
{
    static const char version[] = "this line must be \"%YAML 1.1\"; a comment behind it needs a "
                                  "space before its \"#\"";
    static const char *const wrong[] = {"%YAML 1.1#\n---\n",  "%YAML 2.0\n---\n",
                                        "%YAML 1\n---\n",     "%YAML 1.1 x\n---\n",
                                        "%YAML 1.1\t\n---\n", "%YAML"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        CLEANUP_TEXT struct text expected = TEXT_INIT;

        text_addf(&expected, "f:1:1: %s", version);
        check_error(wrong[i], text_str(&expected));
    }
    check_trace("%YAML 1.12345 # c\n--- a\n", "s.");
    check_trace("# c\n\n  # d\n%FOO \xc3\xa9 \tb\r\n%YAML  01.1\xc2\x85--- a\n", "s.");
    check_trace("\xef\xbb\xbf%FOO\n%TAG !e! tag:yaml.org,2002:\n%B\n---\n!e!str a\n", "s.");
    check_trace("--- |\n %FOO\n", "s.");
    check_error("\n%YAML 1.1\n%YAML 1.1\n---\n", "f:3:1: a second %YAML line; remove it");
    check_error("%FOO\tb\n---\n", "f:1:1: a line that begins with \"%\" is a directive, and its "
                                  "name is not valid; remove the line");
    check_error("%FOO\na: b\n",
                "f:1:1: a line \"---\" is needed between this directive and the document");
    check_error("a: b\n%FOO\n", "f:2:5: a line that begins with \"%\" is a directive, which "
                                "must be above the document; indent or quote a text");
}

static void depth_is_bounded(void **state)
{
    CLEANUP_TEXT struct text deep = TEXT_INIT;
    struct error err = {0};

    (void)state;
    for (size_t i = 0; i < 100000; i++)
        text_addc(&deep, '[');
    check_error(text_str(&deep), "f:1:65: more than 64 levels deep");
    text_reset(&deep);
    for (size_t i = 0; i < 100000; i++)
        text_adds(&deep, "- ");
    check_error(text_str(&deep), "f:1:129: more than 64 levels deep");
    text_reset(&deep);
    for (size_t i = 0; i < 64; i++)
        text_addc(&deep, '[');
    for (size_t i = 0; i < 64; i++)
        text_addc(&deep, ']');
    {
        CLEANUP_TEXT struct text items = TEXT_INIT;

        assert_int_equal(trace(deep.data, deep.size, &items, &err), 0);
    }
}

static void large_texts_are_refused(void **state)
{
    CLEANUP_TEXT struct text large = TEXT_INIT;
    CLEANUP_TEXT struct text items = TEXT_INIT;
    struct error err = {0};

    (void)state;
    text_adds(&large, "a: |\n");
    while (large.size < YAML_ITEM_MAX + 100000)
        text_adds(&large, "  a line of a text that never ends\n");
    assert_true(trace(large.data, large.size, &items, &err) < 0);
    assert_non_null(strstr(err.text, ": more than 16 MiB in one text or comment"));
}

static void keyset_keeps_apart(void **state)
{
    CLEANUP_KEYSET struct keyset s = {0};
    char keys[1000][8];

    (void)state;
    assert_null(keyset_find(&s, "a", 1));
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        void **slot;

        (void)snprintf(keys[i], sizeof(keys[i]), "k%zu", i);
        slot = keyset_slot(&s, keys[i], strlen(keys[i]));
        assert_non_null(slot);
        assert_null(*slot);
        *slot = keys[i];
    }
    assert_int_equal(s.count, ARRAY_SIZE(keys));
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        assert_ptr_equal(keyset_find(&s, keys[i], strlen(keys[i])), keys[i]);
    assert_null(keyset_find(&s, "k1000", 5));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_are_those_of_pyyaml),
        cmocka_unit_test(equal_keys_of_python_are_equal),
        cmocka_unit_test(items_come_in_order),
        cmocka_unit_test(errors_say_where),
        cmocka_unit_test(tabs_for_indentation_are_named),
        cmocka_unit_test(utf_16_is_named),
        cmocka_unit_test(tags_end_before_commas),
        cmocka_unit_test(tags_are_found_anywhere_in_the_queue),
        cmocka_unit_test(block_headers_end_before_comments),
        cmocka_unit_test(block_headers_may_span_pieces),
        cmocka_unit_test(keys_in_lists_are_not_empty),
        cmocka_unit_test(directives_are_pyyamls),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(large_texts_are_refused),
        cmocka_unit_test(keyset_keeps_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
