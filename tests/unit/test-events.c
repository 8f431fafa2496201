/* The ring of events, and who comes back to it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <inttypes.h>
#include <stdlib.h>

#include "deployer/controller/http/events.h"

static void test_frame(void **state)
{
    CLEANUP(events_free_p) struct events *e = events_new("abc");

    (void)state;
    assert_int_equal(events_last(e), 0);
    assert_int_equal(events_add(e, "machine", "{\"a\":1}", EVENT_FOR_ALL), 0);
    assert_string_equal(events_find(e, 1)->frame, "id: abc-1\nevent: machine\ndata: {\"a\":1}\n\n");
    assert_null(events_find(e, 0));
    assert_null(events_find(e, 2));
}

static void test_keeps_the_newest(void **state)
{
    CLEANUP(events_free_p) struct events *e = events_new("abc");
    uint64_t n = 0;

    (void)state;
    for (int i = 0; i < 3 * EVENTS_KEPT; i++)
        assert_int_equal(events_add(e, "x", "{}", EVENT_FOR_ALL), 0);
    assert_int_equal(events_last(e), 3 * EVENTS_KEPT);
    assert_null(events_find(e, 2 * EVENTS_KEPT));
    assert_non_null(events_find(e, 2 * EVENTS_KEPT + 1));
    for (uint64_t i = 2 * EVENTS_KEPT + 1; i <= events_last(e); i++)
        assert_int_equal(events_find(e, i)->number, i);
    assert_int_equal(events_resume(e, "abc-2048", &n), 0); /* all after it are there */
    assert_int_equal(n, 2 * EVENTS_KEPT);
    assert_int_equal(events_resume(e, "abc-2047", &n), -ENOENT);
}

static void test_bytes(void **state)
{
    CLEANUP(events_free_p) struct events *e = events_new("abc");
    char *large = calloc(1, 100001);
    size_t kept = 0;

    (void)state;
    memset(large, 'x', 100000);
    for (int i = 0; i < 100; i++)
        assert_int_equal(events_add(e, "x", large, EVENT_FOR_ALL), 0);
    free(large);
    for (uint64_t i = 1; i <= 100; i++)
        kept += events_find(e, i) ? events_find(e, i)->size : 0;
    assert_true(kept <= EVENTS_BYTES_MAX);
    assert_true(kept > EVENTS_BYTES_MAX / 2);
    assert_non_null(events_find(e, 100));
}

static void test_resume(void **state)
{
    static const char *const bad[] = {
        "",
        "abc",
        "abc-",
        "abc--1",
        "abd-1",
        "ab-1",
        "abc-4",
        "abc-1x",
        "abc-1 ",
        "abc- 1",
        "abc-99999999999999999999999",
        "1",
    };
    CLEANUP(events_free_p) struct events *e = events_new("abc");
    uint64_t n = 77;

    (void)state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(events_add(e, "x", "{}", EVENT_FOR_ALL), 0);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(events_resume(e, bad[i], &n), -ENOENT);
    assert_int_equal(n, 77);
    assert_int_equal(events_resume(e, "abc-0", &n), 0);
    assert_int_equal(n, 0);
    assert_int_equal(events_resume(e, "abc-3", &n), 0);
    assert_int_equal(n, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frame),
        cmocka_unit_test(test_keeps_the_newest),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_resume),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
