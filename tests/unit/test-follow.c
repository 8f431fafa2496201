/* The end of a log, and where its readers are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "deployer/controller/follow.h"

static void test_newest_are_kept(void **state)
{
    CLEANUP(backlog_clear) struct backlog b = {0};
    char line[32];

    (void)state;
    assert_null(backlog_line(&b, 1));
    for (unsigned i = 1; i <= BACKLOG_LINES + 7; i++) {
        (void)snprintf(line, sizeof(line), "line %u", i);
        assert_int_equal(backlog_add(&b, line), 0);
    }
    assert_int_equal(b.first, 7);
    assert_int_equal(b.last, BACKLOG_LINES + 7);
    assert_null(backlog_line(&b, 7));
    assert_string_equal(backlog_line(&b, 8), "line 8");
    assert_string_equal(backlog_line(&b, b.last), "line 507");
    assert_null(backlog_line(&b, b.last + 1));
}

static void test_bytes_are_bounded(void **state)
{
    CLEANUP(backlog_clear) struct backlog b = {0};
    char line[BACKLOG_LINE_MAX * 3];
    size_t size;

    (void)state;
    memset(line, 'a', sizeof(line));
    line[sizeof(line) - 1] = '\0';
    for (int i = 0; i < 1000; i++)
        assert_int_equal(backlog_add(&b, line), 0);
    assert_in_range(b.bytes, BACKLOG_BYTES_MAX - BACKLOG_LINE_MAX, BACKLOG_BYTES_MAX);
    size = strlen(backlog_line(&b, b.last));
    assert_int_equal(size, BACKLOG_LINE_MAX);
    assert_string_equal(backlog_line(&b, b.last) + size - 3, "…");
}

static void test_lines_are_harmless(void **state)
{
    CLEANUP(backlog_clear) struct backlog b = {0};
    char line[BACKLOG_LINE_MAX + 40] = "";

    (void)state;
    assert_int_equal(backlog_add(&b, "\033[2J\xff ä"), 0);
    assert_string_equal(backlog_line(&b, 1), "\\x1b[2J\\xff ä");
    /* Cut between two characters, not within one. */
    memset(line, 'a', BACKLOG_LINE_MAX - 4);
    strcat(line, "äääää");
    assert_int_equal(backlog_add(&b, line), 0);
    assert_true(utf8_valid(backlog_line(&b, 2), strlen(backlog_line(&b, 2))));
    assert_int_equal(strlen(backlog_line(&b, 2)), BACKLOG_LINE_MAX - 4 + 3);
}

static void test_cursors(void **state)
{
    CLEANUP(backlog_clear) struct backlog b = {0};
    struct follow f = {.backlog = &b, .number = 77}, other = {.backlog = &b, .number = 78};
    static const char *const bad[] = {"",
                                      "77",
                                      "77-",
                                      "-1",
                                      "77-5",
                                      "77-1x",
                                      "x-1",
                                      "77-0",
                                      "77--1",
                                      " 77-1",
                                      "77-99999999999999999999",
                                      "99999999999999999999999-1"};
    char cursor[FOLLOW_CURSOR_MAX];

    (void)state;
    assert_int_equal(follow_after(&f, NULL), 0);
    assert_int_equal(backlog_add(&b, "one"), 0);
    assert_int_equal(backlog_add(&b, "two"), 0);
    follow_cursor(&f, cursor);
    assert_string_equal(cursor, "77-2");
    assert_int_equal(follow_after(&f, cursor), 2);
    assert_int_equal(follow_after(&other, cursor), 0); /* begun anew meanwhile */
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(follow_after(&f, bad[i]), 0);
    for (int i = 0; i < BACKLOG_LINES; i++)
        assert_int_equal(backlog_add(&b, "more"), 0);
    assert_int_equal(follow_after(&f, "77-2"), 2); /* all since are there */
    assert_int_equal(backlog_add(&b, "more"), 0);
    assert_int_equal(follow_after(&f, "77-2"), 0); /* a line was lost */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_newest_are_kept),
        cmocka_unit_test(test_bytes_are_bounded),
        cmocka_unit_test(test_lines_are_harmless),
        cmocka_unit_test(test_cursors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
