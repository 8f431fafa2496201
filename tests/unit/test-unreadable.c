#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "discovery/network/unreadable.h"

static void add(struct unreadable *u, const char *instance, const char *host, const char *reason)
{
    const struct address address = {.family = AF_INET, .bytes = {10, 0, 0, 1}};
    const struct sighting s = {.key = {1, SIGHTING_DIRECT, instance, "local"},
                               .host = host,
                               .addresses = &address,
                               .n_addresses = 1};

    unreadable_add(u, &s, reason);
}

static void test_lines(void **state)
{
    CLEANUP(unreadable_clear) struct unreadable u = {0};
    const struct strings *lines = unreadable_lines(&u);

    (void)state;
    assert_int_equal(lines->count, 0);
    add(&u, "x", "x.local", "no id");
    add(&u, "y", NULL, "its port is 0");
    assert_int_equal(lines->count, 2);
    assert_string_equal(lines->items[0], "x.local (10.0.0.1): no id");
    assert_string_equal(lines->items[1], "y (10.0.0.1): its port is 0");
    /* The newest of an instance, over whatever protocol. */
    add(&u, "x", "x.local", "its port is 0");
    assert_int_equal(lines->count, 2);
    assert_string_equal(lines->items[0], "x.local (10.0.0.1): its port is 0");
    unreadable_remove(&u, "x");
    unreadable_remove(&u, "z");
    assert_int_equal(lines->count, 1);
    assert_string_equal(lines->items[0], "y (10.0.0.1): its port is 0");
    unreadable_remove(&u, "y");
    assert_int_equal(lines->count, 0);
}

static void test_bound(void **state)
{
    CLEANUP(unreadable_clear) struct unreadable u = {0};
    char name[16];

    (void)state;
    for (unsigned i = 0; i < 2 * UNREADABLE_MAX; i++) {
        (void)snprintf(name, sizeof(name), "m%u", i);
        add(&u, name, NULL, "no id");
    }
    assert_int_equal(unreadable_lines(&u)->count, UNREADABLE_MAX);
    add(&u, "m0", NULL, "again"); /* one that is there has its place */
    assert_string_equal(unreadable_lines(&u)->items[0], "m0 (10.0.0.1): again");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_bound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
