#include "deployer/job/reach.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_parse(void **state)
{
    static const char *const bad[] = {
        "",
        "10.0.0.1",
        "10.0.0.1 9001",
        "10.0.0.1 9001 1 x",
        "10.0.0.1 22 1",
        "10.0.0.1 9001 0",
        "10.0.0.1 9001 65",
        "10.0.0.1 9001 99999999999",
        "10.0.0.300 9001 1",
        "fd00::1 9001 1",
        "10.0.0.1.2.3.4.5.6 9001 1",
        "10.0.0.1 -9001 1",
    };
    struct reach r = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        if (reach_parse(bad[i], &r) != -EINVAL)
            fail_msg("accepted: %s", bad[i]);
    assert_int_equal(r.count, 0);
    assert_int_equal(reach_parse("10.0.0.1 9001 3", &r), 0);
    assert_int_equal(r.port, 9001);
    assert_int_equal(r.count, 3);
}

/* What is at `said`, for a machine that SSH reached at 10.1.0.5, seen from 10.0.0.1/24. */
static int check(const char *said, const char *given)
{
    struct links links = {.n_networks = 1};
    struct reach r = {.port = 9001, .count = 1};
    struct address peer;
    struct error err = {0};
    int q;

    assert_int_equal(address_parse("10.0.0.1", &links.networks[0].address), 0);
    links.networks[0].prefix = 24;
    assert_int_equal(address_parse("10.1.0.5", &peer), 0);
    assert_int_equal(address_parse(said, &r.address), 0);
    q = reach_check(&r, &peer, given, &links, &err);
    if (q < 0)
        assert_non_null(strstr(err.text, "agt_address"));
    if (q < 0 && given)
        assert_non_null(strstr(err.text, given));
    return q;
}

/* A machine that says any address makes nobody connect there. */
static void test_check(void **state)
{
    (void)state;
    assert_int_equal(check("10.1.0.5", NULL), 0);
    assert_int_equal(check("10.0.0.9", NULL), 0);
    assert_int_equal(check("192.0.2.7", "192.0.2.7"), 0);
    assert_int_equal(check("192.0.2.7", NULL), -EREMOTEIO);
    assert_int_equal(check("192.0.2.8", "192.0.2.7"), -EREMOTEIO);
    assert_int_equal(check("10.1.0.6", NULL), -EREMOTEIO);
    assert_int_equal(check("127.0.0.1", NULL), -EREMOTEIO);
    assert_int_equal(check("10.0.0.1", NULL), -EREMOTEIO);   /* this computer */
    assert_int_equal(check("10.0.0.255", NULL), -EREMOTEIO); /* all of the link */
    assert_int_equal(check("224.0.0.251", NULL), -EREMOTEIO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_parse), cmocka_unit_test(test_check)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
