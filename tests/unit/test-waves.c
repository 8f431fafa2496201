/* The waves of --canary. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "deployer/options/waves.h"
#include "discovery/base/cleanup.h"

static void sizes_add_up(void **state)
{
    static const struct {
        const char *text;
        size_t total, sum, count, sizes[4];
    } table[] = {
        {"1", 20, 1, 1, {1}},           {"1,5,25%", 20, 11, 3, {1, 5, 5}},
        {"10%,50%", 15, 10, 2, {2, 8}}, /* rounded up */
        {"1%", 3, 1, 1, {1}},           {"1,5,25%", 4, 4, 2, {1, 3}},
        {"100%,1", 7, 7, 1, {7}},       {"3", 0, 0, 0, {0}},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        size_t sizes[WAVES_MAX], count;
        struct waves w;

        assert_int_equal(waves_parse(table[i].text, &w, NULL), 0);
        assert_int_equal(waves_sizes(&w, table[i].total, sizes, &count), table[i].sum);
        assert_int_equal(count, table[i].count);
        assert_memory_equal(sizes, table[i].sizes, count * sizeof(*sizes));
    }
}

static void others_are_refused(void **state)
{
    static const char *const bad[] = {"",
                                      "0",
                                      "1,",
                                      "1,,2",
                                      "-1",
                                      "+1",
                                      "1 ",
                                      "101%",
                                      "1%%",
                                      "%",
                                      "1.5",
                                      "all",
                                      ",1",
                                      "0%",
                                      "100001",
                                      "1, 2",
                                      "1,0",
                                      "1,1,1,1,1,1,1,1,1",
                                      "99999999999999999999999"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct error err = {0};
        struct waves w;

        assert_int_equal(waves_parse(bad[i], &w, &err), -EINVAL);
        assert_non_null(strstr(err.text, "1,5,25%"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_add_up),
        cmocka_unit_test(others_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
