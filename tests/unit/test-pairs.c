/* Which machines cannot connect to each other, from what each says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "deployer/doctor/pairs.h"

enum { MACHINES = 4 };

static struct targets four(void)
{
    struct targets t = {.items = calloc(MACHINES, sizeof(*t.items)), .count = MACHINES};

    assert_non_null(t.items);
    for (size_t i = 0; i < MACHINES; i++) {
        char text[32];

        (void)snprintf(text, sizeof(text), "10.0.0.%zu", i + 1);
        t.items[i].addresses = calloc(2, sizeof(struct address));
        assert_int_equal(address_parse("fe80::1", &t.items[i].addresses[0]), 0);
        assert_int_equal(address_parse(text, &t.items[i].addresses[1]), 0);
        t.items[i].n_addresses = 2;
        (void)snprintf(text, sizeof(text), "rpi-%zu", i + 1);
        t.items[i].host = strdup(text);
        (void)snprintf(text, sizeof(text), "a%zu", i + 1);
        assert_int_equal(strings_add(&t.items[i].agents, text), 0);
    }
    return t;
}

/* What a machine says: where its agents are, and what it cannot connect to. */
static void hear(struct pairs *p, size_t machine, const char *at, const char *const *unreached,
                 bool reached)
{
    struct strings keys = {0}, values = {0};

    assert_int_equal(strings_add(&keys, "unit") | strings_add(&values, "active"), 0);
    if (at)
        assert_int_equal(strings_add(&keys, "at") | strings_add(&values, at), 0);
    for (; unreached && *unreached; unreached++)
        assert_int_equal(strings_add(&keys, "unreached") | strings_add(&values, *unreached), 0);
    assert_int_equal(pairs_hear(p, machine, &keys, &values, reached), 0);
    strings_clear(&keys);
    strings_clear(&values);
}

static void note(size_t machine, const char *wrong, const char *proof, const char *advice,
                 void *arg)
{
    assert_true(*advice);
    text_addf(arg, "%zu: %s (%s)\n", machine, wrong, proof);
}

static void expect(const struct pairs *p, unsigned port, const char *wanted)
{
    struct text got = TEXT_INIT;

    assert_int_equal(pairs_judge(p, port, note, &got), 0);
    assert_string_equal(text_str(&got), wanted);
    text_clear(&got);
}

static void all_are_well(struct pairs *p)
{
    static const char *const at[] = {"10.0.0.1 9001 1", "10.0.0.2 9001 1", "10.0.0.3 9001 1",
                                     "10.0.0.4 9001 1"};

    for (size_t i = 0; i < MACHINES; i++)
        hear(p, i, at[i], NULL, true);
}

static void test_settings(void **state)
{
    struct targets targets = four();
    struct pairs p;
    struct text t = TEXT_INIT;

    (void)state;
    assert_int_equal(strings_add(&targets.items[1].agents, "b"), 0);
    targets.items[2].agent_address = strdup("10.9.9.9");
    targets.items[3].n_addresses = 1; /* of IPv6 only */
    assert_int_equal(pairs_init(&p, &targets), 0);
    pairs_settings(&p, 0, &t);
    assert_string_equal(text_str(&t), "peers 10.0.0.1:1,10.0.0.2:2,10.9.9.9:1,\n");
    text_reset(&t);
    pairs_settings(&p, 9101, &t);
    assert_non_null(strstr(text_str(&t), "\norchestrator_listens 9101\n"));
    text_clear(&t);
    pairs_clear(&p);
    targets_clear(&targets);
}

static void test_apart(void **state)
{
    static const char *const two[] = {"10.0.0.2 9001 no answer", NULL};
    static const char *const here[] = {"10.0.0.2 9001 no answer",
                                       "10.0.0.254 9000 Connection refused", NULL};
    static const char *const bad[] = {
        "10.0.0.2", "x 9001 y", "10.0.0.2 9001", "10.0.0.77 9001 z", "10.0.0.2000000000000 9001 y",
        "",         NULL};
    struct targets targets = four();
    struct pairs p;

    (void)state;
    assert_int_equal(pairs_init(&p, &targets), 0);
    expect(&p, 9000, "");
    all_are_well(&p);
    expect(&p, 9000, "");
    hear(&p, 0, "10.0.0.1 9001 1", two, true);
    expect(&p, 9000,
           "0: it cannot connect to the agents of a2 on rpi-2 (10.0.0.2 port 9001: no answer)\n");
    hear(&p, 2, "10.0.0.3 9001 1", here, true);
    expect(&p, 9000,
           "2: it cannot connect to the orchestrator on this computer (10.0.0.254 port 9000: "
           "Connection refused)\n"
           "0: it cannot connect to the agents of a2 on rpi-2 (10.0.0.2 port 9001: no answer)\n"
           "2: it cannot connect to the agents of a2 on rpi-2 (10.0.0.2 port 9001: no answer)\n");
    hear(&p, 3, "10.0.0.4 9001 1", two, true);
    expect(&p, 0,
           "1: a1 on rpi-1, a3 on rpi-3 and 1 more cannot connect to its agents (10.0.0.2 port "
           "9001: no answer)\n");
    hear(&p, 1, "10.0.0.2 9001 1", NULL, false); /* which this computer has said already */
    expect(&p, 0, "");
    hear(&p, 1, NULL, NULL, true); /* its agents do not listen */
    expect(&p, 0, "");
    all_are_well(&p);
    hear(&p, 0, NULL, two, true);
    hear(&p, 2, "10.0.0.3 9001 1", bad, true);
    expect(&p, 9000, "");
    pairs_clear(&p);
    targets_clear(&targets);
}

static void test_moved(void **state)
{
    static const char *const old[] = {"10.0.0.2 9001 no answer", NULL};
    struct targets targets = four();
    struct text t = TEXT_INIT;
    struct pairs p;

    (void)state;
    assert_int_equal(pairs_init(&p, &targets), 0);
    all_are_well(&p);
    assert_false(pairs_have_moved(&p));
    hear(&p, 0, "10.0.0.1 9001 1", old, true);
    hear(&p, 1, "10.7.0.2 9001 1", NULL, true);
    expect(&p, 0, ""); /* nobody has tried where it is */
    assert_true(pairs_have_moved(&p));
    assert_false(pairs_have_moved(&p));
    pairs_settings(&p, 0, &t);
    assert_string_equal(text_str(&t), "peers 10.0.0.1:1,10.7.0.2:1,10.0.0.3:1,10.0.0.4:1,\n");
    text_clear(&t);
    pairs_clear(&p);
    targets_clear(&targets);
}

/* What a machine says of itself is not where the others are sent. */
static void test_foreign(void **state)
{
    static const char *const wrong[] = {
        "1.2.3.4.5 9001 1", "999.1.1.1 9001 1", "127.0.0.1 9001 1",   "224.0.0.1 9001 1",
        "10.0.0.2x 9001 1", "0.0.0.0 9001 1",   "10.0.0.20000 9001 1"};
    struct targets targets = four();
    struct pairs p;

    (void)state;
    assert_int_equal(strings_add(&targets.items[1].relay, "ssh"), 0);
    assert_int_equal(pairs_init(&p, &targets), 0);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        hear(&p, 0, wrong[i], NULL, true);
        assert_false(pairs_have_moved(&p));
    }
    hear(&p, 0, "8.8.8.8 9001 1", NULL, false); /* where this computer does not reach it */
    assert_false(pairs_have_moved(&p));
    hear(&p, 1, "8.8.8.8 9001 1", NULL, true); /* behind another one, where nobody has looked */
    assert_false(pairs_have_moved(&p));
    hear(&p, 1, "172.31.0.2 9001 1", NULL, true);
    assert_true(pairs_have_moved(&p));
    pairs_clear(&p);
    targets_clear(&targets);
}

/* Its unit drops what comes from there. */
static void test_bounded(void **state)
{
    static const char *const two[] = {"10.0.0.2 9001 no answer", NULL};
    struct targets targets = four();
    struct strings keys = {0}, values = {0};
    struct pairs p;

    (void)state;
    assert_int_equal(pairs_init(&p, &targets), 0);
    all_are_well(&p);
    hear(&p, 0, "10.0.0.1 9001 1", two, true);
    assert_int_equal(strings_add(&keys, "at") | strings_add(&values, "10.0.0.2 9001 1"), 0);
    assert_int_equal(strings_add(&keys, "reaches") | strings_add(&values, "localhost 10.0.0.2/31"),
                     0);
    assert_int_equal(pairs_hear(&p, 1, &keys, &values, true), 0);
    expect(&p, 0, "");
    hear(&p, 2, "10.0.0.3 9001 1", two, true);
    expect(&p, 0,
           "2: it cannot connect to the agents of a2 on rpi-2 (10.0.0.2 port 9001: no answer)\n");
    strings_clear(&keys);
    strings_clear(&values);
    pairs_clear(&p);
    targets_clear(&targets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_settings), cmocka_unit_test(test_apart),
        cmocka_unit_test(test_moved),    cmocka_unit_test(test_foreign),
        cmocka_unit_test(test_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
