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
    check_error("ab\n\xc3\xa9\xff\n", "f:2:2: the byte 0xff is not UTF-8");
    check_error("a: \xc3", "f:1:4: the file ends inside a UTF-8 character");
    check_error("a: \xed\xa0\x80", "f:1:4: the byte 0xed is not UTF-8");
    check_error("a: 1\n---\nb: 2\n", "f:2:1: a second document begins here; only one is allowed");
    check_error("a: 'b\n", "f:2:1: the text in quotes is not closed before the file ends (while "
                           "scanning a quoted scalar, which begins at f:1:4)");
    check_error("a: [b\n", "f:2:1: a \",\" or \"]\" was expected (while parsing a flow sequence, "
                           "which begins at f:1:4)");
    check_error("a: b: c\n", "f:1:5: unexpected \": \": is the line above complete, and "
                             "is it indented right?");
    check_error("a: @b\n", "f:1:4: a text cannot begin with this character (a tab, @, ` or %): put "
                           "it in quotes");
    check_error("{a:{}}\n", "f:1:3: a \":\" must be followed by a space here");
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
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(large_texts_are_refused),
        cmocka_unit_test(keyset_keeps_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
