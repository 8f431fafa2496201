#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "discovery/base/table.h"

static const struct table_column columns[] = {
    {"NAME", true}, {"NOTE", false}, {"OTHER", false}, {0}};

static void check(size_t width, bool color, const char *const *cells, const char *wanted)
{
    CLEANUP(table_clear) struct table t;
    CLEANUP_TEXT struct text out = TEXT_INIT;

    table_init(&t, columns);
    for (; *cells; cells++)
        table_add(&t, *cells, color ? TABLE_BAD : TABLE_PLAIN);
    assert_int_equal(table_write(&t, width, color, &out), 0);
    assert_string_equal(text_str(&out), wanted);
}

static void test_columns(void **state)
{
    static const char *const cells[] = {"a1", "x", "y", "agent10", "", "", NULL};

    (void)state;
    check(0, false, cells,
          "NAME     NOTE  OTHER\n"
          "a1       x     y\n"
          "agent10\n");
    check(0, false, (const char *const[]){"a", "", "o", NULL}, "NAME  OTHER\na     o\n");
    check(0, false, (const char *const[]){NULL}, "");
    check(0, true, (const char *const[]){"a", "", "", NULL}, "NAME\n\033[31ma\033[0m\n");
}

static void test_fits(void **state)
{
    static const char *const cells[] = {"a-long-agent-name", "1234567890123456", "123456", NULL};

    (void)state;
    check(80, false, cells,
          "NAME               NOTE              OTHER\n"
          "a-long-agent-name  1234567890123456  123456\n");
    check(40, false, cells,
          "NAME               NOTE           OTHER\n"
          "a-long-agent-name  123456789012…  123456\n");
    check(30, false, cells,
          "NAME            NOTE    OTHER\n"
          "a-long-agent-…  12345…  123456\n");
}

static void test_wide_and_hostile(void **state)
{
    static const char *const wide[] = {"代理人", "x", "", NULL};
    static const char *const hostile[] = {"\033[2Jx\n", "\u202e", "\xff", NULL};

    (void)state;
    check(0, false, wide, "NAME    NOTE\n代理人  x\n");
    check(0, false, hostile,
          "NAME          NOTE      OTHER\n"
          "\\x1b[2Jx\\x0a  \\u{202e}  \\xff\n");
}

static void test_cut(void **state)
{
    CLEANUP_TEXT struct text t = TEXT_INIT;

    (void)state;
    assert_int_equal(text_add_cut(&t, "代理人", 4), 3);
    assert_string_equal(text_str(&t), "代…");
    text_reset(&t);
    assert_int_equal(text_add_cut(&t, "abc", 0), 0);
    assert_int_equal(t.size, 0);
    assert_int_equal(text_add_cut(&t, "abc", 3), 3);
    assert_string_equal(text_str(&t), "abc");
}

/* One long name must not push all else aside. */
static void test_long_name(void **state)
{
    static const char *const cells[] = {
        "llllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllll", "note-with-words",
        "other", NULL};

    (void)state;
    check(40, false, cells,
          "NAME                  NOTE         OTHER\n"
          "lllllllllllllllllll…  note-with-…  other\n");
}

static void test_notes(void **state)
{
    CLEANUP(table_clear) struct table t;
    CLEANUP_TEXT struct text out = TEXT_INIT;
    size_t rows;

    (void)state;
    table_init(&t, columns);
    t.spare = 2;
    for (const char *const *c = (const char *const[]){"a1", "0123456789", "abcdefghijklmno", NULL};
         *c; c++)
        table_add(&t, *c, TABLE_PLAIN);
    table_note(&t, "one \033 two three four five", TABLE_BAD);
    for (int i = 0; i < 3; i++)
        table_add(&t, "b", TABLE_PLAIN);
    assert_int_equal(table_write(&t, 28, true, &out), 0);
    assert_string_equal(text_str(&out), "NAME  NOTE        OTHER\n"
                                        "a1    0123456789  abcdefghi…\n"
                                        "    \033[31mone \\x1b two three four\n"
                                        "    five\033[0m\n"
                                        "b     b           b\n");
    text_reset(&out);
    assert_int_equal(table_write(&t, 20, false, &out), 0);
    assert_string_equal(text_str(&out), "NAME  NOTE\n"
                                        "a1    0123456789\n"
                                        "    one \\x1b two\n"
                                        "    three four five\n"
                                        "b     b\n");
    text_reset(&out);
    assert_int_equal(table_write_within(&t, 20, 4, false, &out, &rows), 0);
    assert_int_equal(rows, 1);
    assert_string_equal(text_str(&out), "NAME  NOTE\n"
                                        "a1    0123456789\n"
                                        "    one \\x1b two\n"
                                        "    three four five\n");
    text_reset(&out);
    assert_int_equal(table_write_within(&t, 20, 3, false, &out, &rows), 0);
    assert_int_equal(rows, 0);
}

static void wraps(const char *string, size_t width, size_t at, size_t indent, const char *wanted)
{
    CLEANUP_TEXT struct text t = TEXT_INIT;

    text_add_wrapped(&t, string, width, at, indent);
    assert_string_equal(text_str(&t), wanted);
}

static void test_wrapped(void **state)
{
    (void)state;
    wraps("one two  three", 0, 0, 2, "one two  three");
    wraps("one two  three", 14, 0, 2, "one two  three");
    wraps("one two  three", 13, 0, 2, "one two\n  three");
    wraps("one two", 8, 4, 4, "one\n    two");
    wraps("0123456789ab", 6, 0, 2, "012345\n  6789\n  ab");
    wraps("代理人代", 5, 0, 1, "代理\n 人代");
    wraps("", 5, 0, 1, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_columns),          cmocka_unit_test(test_fits),
        cmocka_unit_test(test_wide_and_hostile), cmocka_unit_test(test_cut),
        cmocka_unit_test(test_long_name),        cmocka_unit_test(test_notes),
        cmocka_unit_test(test_wrapped),
    };

    if (!setlocale(LC_CTYPE, "C.UTF-8"))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
