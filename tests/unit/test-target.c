/* From a match to the machines that are deployed to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "deployer/target/target.h"

static struct address addresses[] = {
    {.family = AF_INET, .bytes = {192, 0, 2, 1}},
    {.family = AF_INET6, .bytes = {0xfe, 0x80}, .interface = 2},
};

static char names[][4] = {"a1", "a2", "a3", "b1"};
static char *of_first[] = {names[1], names[0], names[3]}, *of_second[] = {names[2]};

/* Three names, one of which the problem does not have; two addresses. */
static struct machine first = {
    .advert = {.id = "0123456789abcdef",
               .agents = {.items = of_first, .count = 3},
               .hostkey = (char *)"SHA256:x"},
    .host = (char *)"rpi-1.local",
    .addresses = addresses,
    .n_addresses = 2,
    .port = 2222,
};
static struct machine second = {
    .advert = {.id = "fedcba9876543210",
               .agents = {.items = of_second, .count = 1},
               .user = (char *)"pi"},
    .port = 22,
};

static void test_machine(void **state)
{
    CLEANUP(target_clear) struct target t = {0};

    (void)state;
    assert_int_equal(target_from_machine(&first, &t), 0);
    assert_string_equal(t.id, "0123456789abcdef");
    assert_string_equal(t.host, "rpi-1");
    assert_string_equal(t.hostkey, "SHA256:x");
    assert_null(t.user);
    assert_int_equal(t.agents.count, 0);
    assert_int_equal(t.port, 2222);
    assert_int_equal(t.n_addresses, 2);
    assert_true(address_equal(&t.addresses[1], &addresses[1]));
    assert_ptr_not_equal(t.addresses, addresses);
    target_clear(&t);
    assert_int_equal(target_from_machine(&second, &t), 0);
    assert_string_equal(t.user, "pi");
    assert_null(t.hostkey);
    assert_non_null(t.host); /* something, though it told no name */
    assert_int_equal(t.n_addresses, 0);
}

/* Each machine once, in the match's order; its agents in its own. */
static void test_match(void **state)
{
    struct match_pair pairs[] = {{"a3", &second}, {"a1", &first}, {"a2", &first}};
    const struct match match = {.matched = pairs, .n_matched = 3};
    CLEANUP(targets_clear) struct targets t = {0};

    (void)state;
    assert_int_equal(targets_from_match(&match, &t), 0);
    assert_int_equal(t.count, 2);
    assert_string_equal(t.items[0].id, second.advert.id);
    assert_int_equal(t.items[0].agents.count, 1);
    assert_string_equal(t.items[0].agents.items[0], "a3");
    assert_string_equal(t.items[1].id, first.advert.id);
    assert_int_equal(t.items[1].agents.count, 2);
    assert_string_equal(t.items[1].agents.items[0], "a2");
    assert_string_equal(t.items[1].agents.items[1], "a1");
}

/* A name that several machines have is none of theirs to take. */
static void test_others_name(void **state)
{
    struct match_pair pairs[] = {{"a2", &first}, {"a1", &second}};
    const struct match match = {.matched = pairs, .n_matched = 2};
    CLEANUP(targets_clear) struct targets t = {0};

    (void)state;
    assert_int_equal(targets_from_match(&match, &t), 0);
    assert_int_equal(t.count, 2);
    assert_int_equal(t.items[0].agents.count, 1);
    assert_string_equal(t.items[0].agents.items[0], "a2");
    assert_int_equal(t.items[1].agents.count, 0); /* its record does not say a1 */
}

/* Those that are there and are no mere claims. */
static void test_machines(void **state)
{
    struct machine here = second, claim = second, away = second, bare = second;
    const struct machine *const all[] = {&claim, &here, &away, &bare};
    CLEANUP(targets_clear) struct targets t = {0};

    (void)state;
    here.beacon = here.online = here.in_doubt = true;
    claim.beacon = claim.online = claim.untrusted = true;
    away.beacon = true;
    bare.online = true;
    here.port = 23;
    assert_int_equal(targets_from_machines(all, 4, &t), 0);
    assert_int_equal(t.count, 1);
    assert_int_equal(t.items[0].port, 23);
    assert_true(t.items[0].in_doubt);
    assert_string_equal(t.items[0].agents.items[0], "a3");
}

/* Two of one address (NAT, VMs behind forwarded ports) are two; and what was met before
 * its id was known is the same machine afterwards. */
static void test_keys(void **state)
{
    struct target near = {.host = (char *)"nat.example", .port = SSH_PORT}, far = near;
    char key[TARGET_KEY_MAX], other[TARGET_KEY_MAX];

    (void)state;
    far.port = 2222;
    assert_string_equal(target_key(&near, key), "nat.example");
    assert_string_equal(target_key(&far, other), "[nat.example]:2222");
    assert_false(target_has_key(&near, other));
    assert_true(target_has_key(&far, other));
    far.id = (char *)"0123456789abcdef";
    assert_true(target_has_key(&far, other));
    assert_true(target_has_key(&far, target_key(&far, key)));
    assert_string_equal(key, far.id);
    assert_false(target_has_key(&near, key));
}

static void test_none(void **state)
{
    const struct match match = MATCH_INIT;
    CLEANUP(targets_clear) struct targets t = {0};

    (void)state;
    assert_int_equal(targets_from_match(&match, &t), 0);
    assert_int_equal(t.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_machine),     cmocka_unit_test(test_match),
        cmocka_unit_test(test_others_name), cmocka_unit_test(test_machines),
        cmocka_unit_test(test_keys),        cmocka_unit_test(test_none),
    };

    return cmocka_run_group_tests_name("target", tests, NULL, NULL);
}
