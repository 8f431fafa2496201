/* Which networks the agents' units allow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deployer/target/fleet-networks.h"

#define TEXT(s) ((char *)(uintptr_t)(s))

static const struct links links = {
    .networks = {{.address = {.family = AF_INET, .bytes = {192, 0, 2, 77}}, .prefix = 24},
                 {.address = {.family = AF_INET, .bytes = {10, 9, 9, 9}}, .prefix = 8},
                 {.address = {.family = AF_INET, .bytes = {10, 7, 7, 7}}, .prefix = 16}},
    .n_networks = 3,
};

static void assert_networks(const struct target *const *targets, size_t n,
                            const struct state_machines *known, const char *expected)
{
    struct text t = TEXT_INIT;

    assert_int_equal(fleet_networks(targets, n, known, &links, &t), 0);
    assert_string_equal(text_str(&t), expected);
    text_clear(&t);
}

static void test_links(void **state)
{
    struct address a = {.family = AF_INET, .bytes = {192, 0, 2, 1}};
    struct address b = {.family = AF_INET, .bytes = {192, 0, 2, 2}};
    struct address c = {.family = AF_INET, .bytes = {198, 51, 100, 3}};
    struct address six = {.family = AF_INET6, .bytes = {0x20, 1}};
    struct address self = {.family = AF_INET, .bytes = {127, 0, 0, 1}};
    struct target near = {.addresses = &a, .n_addresses = 1, .advertised = true};
    struct target other = {.addresses = &b, .n_addresses = 1, .advertised = true};
    struct target written = {.addresses = &c, .n_addresses = 1};
    struct target record = {.addresses = &c, .n_addresses = 1, .advertised = true};
    struct target behind = {
        .addresses = &self, .n_addresses = 1, .agent_address = TEXT("203.0.113.5")};
    struct target modern = {.addresses = &six, .n_addresses = 1};
    const struct target *all[] = {&near, &other, &written, &record, &behind, &modern};
    const struct state_machines none = {0};

    (void)state;
    assert_networks(all, 2, &none, "192.0.2.0/24"); /* not that of 10.9.9.9: nobody is there */
    assert_networks(all, 3, &none, "192.0.2.0/24,198.51.100.3/32");
    assert_networks(all + 3, 1, &none, ""); /* a record opens nothing */
    assert_networks(all + 4, 2, &none, "203.0.113.5/32");
}

static void test_known(void **state)
{
    struct target t = {.advertised = true};
    const struct target *all[] = {&t};
    struct state_machine machines[] = {
        {.address = TEXT("198.51.100.3"), .accepted = true},
        {.address = TEXT("198.51.100.4"), .accepted = true, .fleet = TEXT("lab")},
        {.address = NULL, .accepted = true},
        {.address = TEXT("192.0.2.9"), .accepted = true},
        {.address = TEXT("2001:db8::1"), .agents_address = TEXT("198.51.100.7"), .accepted = true},
        {.address = TEXT("198.51.100.9")}, /* its key was retired */
    };
    const struct state_machines known = {machines, ARRAY_SIZE(machines)};

    (void)state;
    assert_networks(all, 1, &known, "192.0.2.0/24,198.51.100.3/32,198.51.100.7/32");
    t.fleet = TEXT("lab");
    assert_networks(all, 1, &known, "198.51.100.4/32");
}

/* One machine gets what all get: nothing about the others is taken from a run's targets. */
static void test_limited(void **state)
{
    struct address a[] = {{.family = AF_INET, .bytes = {198, 51, 100, 4}},
                          {.family = AF_INET, .bytes = {203, 0, 113, 9}}};
    struct address b = {.family = AF_INET, .bytes = {198, 51, 100, 3}};
    struct target one = {.addresses = a, .n_addresses = 2},
                  two = {.addresses = &b, .n_addresses = 1};
    const struct target *all[] = {&one, &two, &one};
    struct state_machine machines[] = {
        {.address = TEXT("198.51.100.4"), .agents_address = TEXT("10.7.0.1"), .accepted = true},
        {.address = TEXT("198.51.100.3"), .agents_address = TEXT("10.200.0.1"), .accepted = true},
    };
    const struct state_machines known = {machines, ARRAY_SIZE(machines)};

    (void)state;
    /* 10.7.0.0/16 is within 10.0.0.0/8. */
    assert_networks(all, 2, &known, "10.0.0.0/8,198.51.100.3/32,198.51.100.4/32");
    assert_networks(all + 1, 2, &known, "10.0.0.0/8,198.51.100.3/32,198.51.100.4/32");
    assert_networks(all, 1, &known, "10.0.0.0/8,198.51.100.3/32,198.51.100.4/32");
    assert_networks(all + 1, 1, &known, "10.0.0.0/8,198.51.100.3/32,198.51.100.4/32");
    machines[1].agents_address = NULL; /* the smallest network of this computer */
    assert_networks(all, 1, &known, "10.7.0.0/16,198.51.100.3/32,198.51.100.4/32");
}

/* More machines than fit: their networks. */
static void test_many(void **state)
{
    enum { COUNT = 2000 };
    struct address *addresses = calloc(COUNT, sizeof(*addresses));
    struct target t = {.addresses = addresses, .n_addresses = COUNT};
    const struct target *all[] = {&t};
    struct text text = TEXT_INIT;
    const struct state_machines none = {0};

    (void)state;
    for (unsigned i = 0; i < COUNT; i++)
        addresses[i] = (struct address){
            .family = AF_INET, .bytes = {198, 51, (uint8_t)(i / 250), (uint8_t)(1 + i % 250)}};
    assert_int_equal(fleet_networks(all, 1, &none, &links, &text), 0);
    assert_string_equal(text_str(&text), "198.51.0.0/24,198.51.1.0/24,198.51.2.0/24,198.51.3.0/24,"
                                         "198.51.4.0/24,198.51.5.0/24,198.51.6.0/24,198.51.7.0/24");
    text_clear(&text);
    free(addresses);
}

static void test_have(void **state)
{
    (void)state;
    assert_true(fleet_networks_have("localhost 203.0.113.1 192.0.2.7/24", "192.0.2.200"));
    assert_true(fleet_networks_have("192.0.2.0/24,198.51.100.3/32", "198.51.100.3"));
    assert_true(fleet_networks_have("203.0.113.1", "203.0.113.1"));
    assert_false(fleet_networks_have("203.0.113.1 192.0.2.7/24", "192.0.3.1"));
    assert_false(fleet_networks_have("", "192.0.3.1"));
    assert_false(fleet_networks_have("any /0 x/8 192.0.2.1/99", "192.0.2.1"));
    assert_false(fleet_networks_have("192.0.2.0/24", "no address"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_links), cmocka_unit_test(test_known), cmocka_unit_test(test_limited),
        cmocka_unit_test(test_many),  cmocka_unit_test(test_have),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
