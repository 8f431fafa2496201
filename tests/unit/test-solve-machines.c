/* Which machines can take part in a run, and what the others are told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "deployer/verbs/outside.h"
#include "deployer/verbs/solve-machines.h"

#define DIGEST "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void add(struct machine_facts *m, const char *key, const char *value)
{
    assert_int_equal(strings_add(&m->keys, key), 0);
    assert_int_equal(strings_add(&m->values, value), 0);
}

/* A machine that is ready, except that `key` has another value; NULL: the key is missing. */
static void check(const char *key, const char *value, bool ready, const char *says)
{
    static const char *const facts[][2] = {
        {"hash", DIGEST "-bbbb-py3.11"},
        {"pydcop", "0.1.1"},
        {"unit", "active"},
        {"deployed", "a1"},
        {"deployed", "a 2"},
        {"orchestrator", "127.0.0.1:9000"},
    };
    struct machine_facts m = {.host = (char *)(uintptr_t) "rpi-1",
                              .agents = (char *)(uintptr_t) "a1 a 2",
                              .ended = true,
                              .outcome = JOB_OK};
    struct strings wanted = {0};
    struct text why = TEXT_INIT;

    for (size_t i = 0; i < sizeof(facts) / sizeof(*facts); i++)
        if (!key || strcmp(facts[i][0], key) != 0)
            add(&m, facts[i][0], facts[i][1]);
    if (key && value)
        add(&m, key, value);
    assert_int_equal(strings_add(&wanted, "a1"), 0);
    assert_int_equal(strings_add(&wanted, "a 2"), 0);
    assert_int_equal(
        solve_machine_is_ready(&(struct facts){&m, 1}, 0, &wanted, DIGEST, 9000, NULL, &why),
        ready);
    if (ready)
        assert_int_equal(why.size, 0);
    else if (!strstr(text_str(&why), says) || !strstr(text_str(&why), "rpi-1"))
        fail_msg("'%s' is not in '%s'", says, text_str(&why));
    strings_clear(&wanted);
    strings_clear(&m.keys);
    strings_clear(&m.values);
    text_clear(&why);
}

static void test_ready(void **state)
{
    (void)state;
    check(NULL, NULL, true, NULL);
    check("hash", DIGEST "-pip-py3.13", true, NULL);
    check("orchestrator", "127.0.0.1", true, NULL); /* port 9000 */
    check("orchestrator", NULL, true, NULL);
}

static void test_not_ready(void **state)
{
    (void)state;
    check("hash", NULL, false, "nothing is deployed");
    check("hash", "bbbb-py3.11", false, "another pyDCOP");
    check("hash", DIGEST "a-py3.11", false, "another pyDCOP");
    check("unit", "failed", false, "do not run (failed)");
    check("work", "a1", false, "at work in another run");
    check("deployed", "a1", false, "does not run the agent a 2");
    check("orchestrator", "192.0.2.1:9000", false, "at 192.0.2.1:9000");
    check("orchestrator", "127.0.0.1:9001", false, "on port 9000");
    check("orchestrator", "\033[2J", false, "\\x1b");
}

static void test_unreachable(void **state)
{
    struct machine_facts m = {.id = (char *)(uintptr_t) "0123456789abcdef",
                              .agents = (char *)(uintptr_t) "a1",
                              .ended = true,
                              .outcome = JOB_UNREACHABLE,
                              .why = (char *)(uintptr_t) "no route to host"};
    struct strings wanted = {0};
    struct text why = TEXT_INIT;

    (void)state;
    assert_false(
        solve_machine_is_ready(&(struct facts){&m, 1}, 0, &wanted, DIGEST, 9000, NULL, &why));
    assert_string_equal(text_str(&why), "a1 on 0123456789abcdef: no route to host\n");
    text_clear(&why);
}

static void test_address_by_hand(void **state)
{
    struct machine_facts m = {.agents = (char *)(uintptr_t) "a1", .ended = true, .outcome = JOB_OK};
    struct strings wanted = {0};
    struct text why = TEXT_INIT;

    (void)state;
    add(&m, "hash", DIGEST);
    add(&m, "unit", "active");
    add(&m, "orchestrator", "192.0.2.1:9000");
    assert_true(solve_machine_is_ready(&(struct facts){&m, 1}, 0, &wanted, DIGEST, 9000,
                                       "192.0.2.1", &why));
    assert_false(solve_machine_is_ready(&(struct facts){&m, 1}, 0, &wanted, DIGEST, 9000,
                                        "192.0.2.2", &why));
    strings_clear(&m.keys);
    strings_clear(&m.values);
    text_clear(&why);
}

/* Two machines in one network, and a third one that was deployed after them. */
static void test_outside(void **state)
{
    struct machine_facts m[3] = {{.agents = (char *)(uintptr_t) "a1"},
                                 {.agents = (char *)(uintptr_t) "a2"},
                                 {.agents = (char *)(uintptr_t) "a3"}};
    static const char *const addresses[] = {"192.0.2.1", "192.0.2.2", "198.51.100.3"};
    const struct facts f = {m, 3};
    struct text why = TEXT_INIT;

    (void)state;
    for (size_t i = 0; i < 3; i++)
        add(&m[i], "address", addresses[i]);
    add(&m[0], "deployed", "a1");
    add(&m[1], "deployed", "a2");
    add(&m[0], "reaches", "203.0.113.9 192.0.2.1/24");
    add(&m[1], "reaches", "203.0.113.9 192.0.2.2/24 198.51.100.3/32");
    assert_true(outside_none(&f, 0, &why)); /* nothing runs on the third one */
    add(&m[2], "deployed", "a3");
    assert_false(outside_none(&f, 0, &why));
    assert_non_null(strstr(text_str(&why), "198.51.100.3 (a3)"));
    assert_true(outside_none(&f, 1, &why));
    assert_true(outside_none(&f, 2, &why)); /* of an older version, it reaches all */
    for (size_t i = 0; i < 3; i++) {
        strings_clear(&m[i].keys);
        strings_clear(&m[i].values);
    }
    text_clear(&why);
}

/* Agents of other names stand in for those of the problem. */
static void test_receipt(void **state)
{
    struct machine_facts fact = {.host = (char *)(uintptr_t) "rpi-1"};
    struct target target = {0};
    const struct targets targets = {.items = &target, .count = 1};
    const struct solve_machines m = {.facts = {&fact, 1}};
    struct strings players = {0};
    json_t *all, *machine;

    (void)state;
    assert_int_equal(strings_add(&target.agents, "a1"), 0);
    assert_int_equal(strings_add(&players, "b7"), 0);
    all = solve_machines_json(&targets, &players, &m);
    machine = json_array_get(all, 0);
    assert_string_equal(json_string_value(json_array_get(json_object_get(machine, "agents"), 0)),
                        "a1");
    assert_string_equal(json_string_value(json_array_get(json_object_get(machine, "players"), 0)),
                        "b7");
    json_decref(all);
    all = solve_machines_json(&targets, NULL, &m);
    assert_int_equal(json_array_size(all), 1);
    assert_null(json_object_get(json_array_get(all, 0), "players"));
    json_decref(all);
    strings_clear(&target.agents);
    strings_clear(&players);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ready),       cmocka_unit_test(test_not_ready),
        cmocka_unit_test(test_unreachable), cmocka_unit_test(test_address_by_hand),
        cmocka_unit_test(test_outside),     cmocka_unit_test(test_receipt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
