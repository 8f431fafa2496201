/* Whose clock is right: the step's check, run by sh here without setting any clock, and
 * what the fleet says of this computer's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "deployer/cli/clocks.h"
#include "discovery/base/text.h"

#define DAY "86400"

/* The check of a machine that is `ahead` of the controller, its status and words. */
static void check(const char *ahead, const char *synchronised, const char *may_set,
                  const char *settings, const char *words)
{
    char command[1024], said[512] = "";
    FILE *out;

    assert_true(snprintf(command, sizeof(command),
                         "B=deployer/steps; . $B/lib.sh; . $B/steps/10-clock; want_time=1700000000 "
                         "want_set_clock=; start_uptime=0; read_uptime() { uptime=5; }; "
                         "date() { echo $((1700000005 + %s)); }; event() { echo \"$@\"; }; "
                         "clock_is_synchronised() { %s; }; clock_can_be_set() { %s; }; %s; "
                         "detail=; r=0; check || r=$?; echo $r $detail",
                         ahead, synchronised, may_set, settings) < (int)sizeof(command));
    out = popen(command, "r");
    assert_non_null(out);
    said[fread(said, 1, sizeof(said) - 1, out)] = '\0';
    assert_int_equal(0, pclose(out));
    if (!strstr(said, words))
        fail_msg("'%s' is not in '%s'", words, said);
}

static void test_right(void **state)
{
    (void)state;
    check("0", "false", "true", ":", "0\n");
    check("60", "false", "true", ":", "0\n");
    check("-60", "false", "true", ":", "0\n");
}

static void test_behind(void **state)
{
    (void)state;
    check("-61", "false", "true", ":", "10 the clock is 61 s behind the controller's");
    check("-61", "false", "false", ":", "0 the clock is 61 s behind the controller's and cannot");
    check("-2*" DAY, "false", "false", ":", "1 the clock is 48 h behind the controller's");
}

static void test_ahead(void **state)
{
    (void)state;
    check("2*" DAY, "false", "true", ":",
          "0 the clock is 48 h ahead of the controller's and stays");
    check("2*" DAY, "false", "true", "want_set_clock=yes", "10 the clock is 48 h ahead");
    check("2*" DAY, "false", "false", ":", "0 the clock is 48 h ahead");
}

static void test_synchronised(void **state)
{
    (void)state;
    check("-9*" DAY, "true", "true", "want_set_clock=yes",
          "fact clock_synchronised yes\n0 the clock is 9 days behind");
    check("9*" DAY, "true", "true", ":",
          "0 the clock is 9 days ahead of the controller's and sync");
}

static void doubt(bool wanted, int64_t ahead, const struct clock_vote *votes, size_t n)
{
    int64_t is = 0;

    assert_int_equal(wanted, clocks_doubt_ours(votes, n, &is));
    if (wanted)
        assert_int_equal(ahead, is);
}
#define DOUBT(wanted, ahead, ...)                                                                  \
    doubt(wanted, ahead, (const struct clock_vote[]){__VA_ARGS__},                                 \
          sizeof((const struct clock_vote[]){__VA_ARGS__}) / sizeof(struct clock_vote))

static void test_fleet(void **state)
{
    (void)state;
    doubt(false, 0, NULL, 0);
    DOUBT(false, 0, {true, false, 0}, {true, false, 500}, {true, false, 0});
    DOUBT(true, 500, {true, false, 500}, {true, false, 501}, {true, false, 0});
    DOUBT(false, 0, {true, false, 500}); /* one word against another */
    DOUBT(false, 0, {true, false, 500}, {false, false, 500});
    DOUBT(false, 0, {true, false, -500}, {true, false, -501}); /* boards without a battery */
    DOUBT(true, -700, {true, true, -700}, {true, false, 0}, {true, false, 0});
    DOUBT(false, 0, {true, true, 0}, {true, false, 900}, {true, false, 900});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_right), cmocka_unit_test(test_behind),
        cmocka_unit_test(test_ahead), cmocka_unit_test(test_synchronised),
        cmocka_unit_test(test_fleet),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
