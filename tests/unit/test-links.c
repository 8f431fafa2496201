/* The rule for addresses in adverts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "discovery/network/links.h"

/* This host is 10.0.0.1/24, 10.9.0.4/31 and fe80::1 on interface 2. */
static bool is_refused(const char *text, bool own)
{
    struct links l = {.n_networks = 3};
    struct address a;

    assert_int_equal(address_parse("10.0.0.1", &l.networks[0].address), 0);
    l.networks[0].prefix = 24;
    assert_int_equal(address_parse("10.9.0.4", &l.networks[1].address), 0);
    l.networks[1].prefix = 31;
    assert_int_equal(address_parse("fe80::1", &l.networks[2].address), 0);
    l.networks[2].prefix = 64;
    l.networks[2].address.interface = 2;
    assert_int_equal(address_parse(text, &a), 0);
    if (address_is_link_local(&a) && a.family == AF_INET6)
        a.interface = 2;
    return links_refuse(&l, &a, own) != NULL;
}

static void test_nobodys(void **state)
{
    static const char *const all[] = {
        "0.0.0.0",          "0.1.2.3",     "127.0.0.1",
        "127.9.9.9",        "224.0.0.251", "240.0.0.1",
        "255.255.255.255",  "::",          "::1",
        "ff02::fb",         "ff0e::1",     "::ffff:10.0.0.7",
        "::ffff:127.0.0.1", "10.0.0.255",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
        assert_true(is_refused(all[i], false));
        assert_true(is_refused(all[i], true));
    }
}

static void test_machines(void **state)
{
    static const char *const all[] = {"10.0.0.7", "192.0.2.255",  "10.9.0.5",    "169.254.3.4",
                                      "fe80::2",  "2001:db8::ff", "fd00::ffff:1"};

    (void)state;
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
        assert_false(is_refused(all[i], false));
}

/* This host may be an agent, too. */
static void test_own(void **state)
{
    (void)state;
    assert_true(is_refused("10.0.0.1", false));
    assert_true(is_refused("fe80::1", false));
    assert_false(is_refused("10.0.0.1", true));
    assert_false(is_refused("fe80::1", true));
}

/* What one interface of this host sends, another one of it may hear. */
static void test_own_elsewhere(void **state)
{
    struct links l = {.n_networks = 1};
    struct address a;

    (void)state;
    assert_int_equal(address_parse("fe80::1", &l.networks[0].address), 0);
    l.networks[0].address.interface = 2;
    a = l.networks[0].address;
    assert_true(links_is_own(&l, &a));
    assert_true(links_is_own_anywhere(&l, &a));
    a.interface = 3;
    assert_false(links_is_own(&l, &a));
    assert_true(links_is_own_anywhere(&l, &a));
    a.bytes[15] = 2;
    assert_false(links_is_own_anywhere(&l, &a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nobodys),
        cmocka_unit_test(test_machines),
        cmocka_unit_test(test_own),
        cmocka_unit_test(test_own_elsewhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
