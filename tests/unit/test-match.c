#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "discovery/match/addresses.h"
#include "discovery/match/match.h"
#include "discovery/roster/machine.h"

enum { MACHINES = 8 };

/* A classroom: machines that are online and unassigned until told otherwise. */
struct room {
    struct machine machines[MACHINES];
    const struct machine *pointers[MACHINES];
    struct problem problem;
    struct match match;
};

static void room_init(struct room *r)
{
    memset(r, 0, sizeof(*r));
    for (size_t i = 0; i < MACHINES; i++) {
        struct machine *m = &r->machines[i];

        (void)snprintf(m->advert.id, sizeof(m->advert.id), "%016zx", i);
        assert_true(asprintf(&m->host, "rpi-%zu.local", i) > 0);
        m->beacon = m->online = true;
        r->pointers[i] = m;
    }
}

static void room_clear(struct room *r)
{
    for (size_t i = 0; i < MACHINES; i++)
        machine_clear(&r->machines[i]);
    problem_clear(&r->problem);
    match_clear(&r->match);
}

static void name(struct room *r, size_t machine, const char *agent)
{
    assert_int_equal(strings_add(&r->machines[machine].advert.agents, agent), 0);
}

static void want(struct room *r, const char *agent)
{
    assert_int_equal(strings_add(&r->problem.agents, agent), 0);
    r->problem.variables++;
}

/* Matches the first `n` machines. */
static struct match *match(struct room *r, size_t n)
{
    match_clear(&r->match);
    assert_int_equal(match_make(r->pointers, n, &r->problem, NULL, &r->match), 0);
    assert_int_equal(match_explain(&r->match, r->pointers, n), 0);
    return &r->match;
}

static void test_all_there(void **state)
{
    CLEANUP(room_clear) struct room r;
    struct match *m;

    (void)state;
    room_init(&r);
    want(&r, "a1");
    want(&r, "a2");
    want(&r, "a3");
    name(&r, 1, "a1");
    name(&r, 0, "a2");
    name(&r, 0, "a3");
    m = match(&r, 2);
    assert_int_equal(m->n_matched, 3);
    assert_string_equal(m->matched[0].agent, "a1");
    assert_ptr_equal(m->matched[0].machine, &r.machines[1]);
    assert_ptr_equal(m->matched[2].machine, &r.machines[0]);
    assert_int_equal(m->n_missing + m->n_duplicates + m->n_offline, 0);
    assert_int_equal(m->n_unexpected + m->n_unassigned + m->warnings.count, 0);
    assert_true(match_ok(m, false));
    assert_true(match_ok(m, true));
}

/* Holds are "rpi-N" of the bits. */
static bool holds(const struct machine *m, const char *agent, void *arg)
{
    unsigned long id = strtoul(m->advert.id, NULL, 16);

    assert_string_equal(agent, "a1");
    return *(unsigned *)arg & 1U << id;
}

static void test_claims(void **state)
{
    CLEANUP(room_clear) struct room r;
    unsigned holders = 1U << 1;
    const struct match_holders known = {holds, &holders};
    CLEANUP(match_clear) struct match m = MATCH_INIT;

    (void)state;
    room_init(&r);
    want(&r, "a1");
    want(&r, "a2");
    want(&r, "a3");
    name(&r, 0, "a1");
    name(&r, 1, "a1");
    name(&r, 2, "a1");
    name(&r, 2, "a2");
    name(&r, 3, "a3");
    assert_int_equal(match_make(r.pointers, 4, &r.problem, &known, &m), 0);
    assert_true(match_ok(&m, false));
    assert_false(match_ok(&m, true));
    assert_int_equal(m.n_duplicates, 0);
    assert_int_equal(m.n_matched, 3); /* in the problem's order */
    assert_string_equal(m.matched[0].agent, "a1");
    assert_ptr_equal(m.matched[0].machine, &r.machines[1]);
    assert_string_equal(m.matched[1].agent, "a2");
    assert_int_equal(m.n_claims, 2);
    assert_ptr_equal(m.claims[0].machine, &r.machines[0]);
    assert_ptr_equal(m.claims[1].machine, &r.machines[2]);
    assert_ptr_equal(m.claims[1].holder, &r.machines[1]);
    match_clear(&m);
    for (holders = 0; holders < 4; holders += 3) { /* nobody, or several */
        assert_int_equal(match_make(r.pointers, 4, &r.problem, &known, &m), 0);
        assert_int_equal(m.n_claims, 0);
        assert_int_equal(m.n_duplicates, 1);
        assert_int_equal(m.duplicates[0].count, 3);
        assert_int_equal(m.n_matched, 2);
        match_clear(&m);
    }
    /* The holder is off: whoever says the name is the only one. */
    holders = 1U << 1;
    r.machines[1].online = false;
    r.machines[2].online = false;
    assert_int_equal(match_make(r.pointers, 4, &r.problem, &known, &m), 0);
    assert_int_equal(m.n_claims, 0);
    assert_ptr_equal(m.matched[0].machine, &r.machines[0]);
}

static void test_missing(void **state)
{
    CLEANUP(room_clear) struct room r;
    struct match *m;

    (void)state;
    room_init(&r);
    want(&r, "a1");
    want(&r, "a2");
    name(&r, 0, "a1");
    m = match(&r, 1);
    assert_int_equal(m->n_missing, 1);
    assert_string_equal(m->missing[0], "a2");
    assert_false(match_ok(m, false));
    m = match(&r, 0);
    assert_int_equal(m->n_missing, 2);
    assert_false(match_ok(m, false));
}

static void test_duplicate(void **state)
{
    CLEANUP(room_clear) struct room r;
    struct match *m;

    (void)state;
    room_init(&r);
    want(&r, "a1");
    name(&r, 0, "a1");
    name(&r, 1, "a1");
    name(&r, 2, "a1");
    r.machines[1].online = false;
    m = match(&r, 3);
    assert_int_equal(m->n_duplicates, 1);
    assert_int_equal(m->n_matched, 0);
    assert_int_equal(m->duplicates[0].count, 2);
    assert_ptr_equal(m->duplicates[0].machines[0], &r.machines[0]);
    assert_ptr_equal(m->duplicates[0].machines[1], &r.machines[2]);
    assert_false(match_ok(m, false));
    r.machines[2].online = false;
    m = match(&r, 3);
    assert_int_equal(m->n_matched, 1); /* the others do not count while they are off */
    assert_true(match_ok(m, true));
}

static void test_offline(void **state)
{
    CLEANUP(room_clear) struct room r;
    struct match *m;

    (void)state;
    room_init(&r);
    want(&r, "a1");
    name(&r, 0, "a1");
    name(&r, 1, "b1"); /* off: neither unexpected … */
    r.machines[0].online = r.machines[1].online = r.machines[2].online = false;
    m = match(&r, 3);
    assert_int_equal(m->n_offline, 1);
    assert_ptr_equal(m->offline[0].machine, &r.machines[0]);
    assert_int_equal(m->n_missing, 0);
    assert_int_equal(m->n_unexpected, 0);
    assert_int_equal(m->n_unassigned, 0); /* … nor unassigned */
    assert_false(match_ok(m, false));
}

static void test_strict(void **state)
{
    CLEANUP(room_clear) struct room r;
    struct match *m;

    (void)state;
    room_init(&r);
    want(&r, "a1");
    name(&r, 0, "a1");
    m = match(&r, 2);
    assert_int_equal(m->n_unassigned, 1);
    assert_ptr_equal(m->unassigned[0], &r.machines[1]);
    assert_true(match_ok(m, false));
    assert_false(match_ok(m, true));
    r.machines[1].beacon = false; /* any computer of the network */
    assert_true(match_ok(match(&r, 2), true));
    r.machines[1].beacon = true;
    name(&r, 1, "zz");
    m = match(&r, 2);
    assert_int_equal(m->n_unexpected, 1);
    assert_true(match_ok(m, false));
    assert_false(match_ok(m, true));
}

static void test_suggestions(void **state)
{
    CLEANUP(room_clear) struct room r;
    struct match *m;

    (void)state;
    room_init(&r);
    want(&r, "a1");
    want(&r, "a2");
    want(&r, "a3");
    want(&r, "worker");
    want(&r, "planner");
    name(&r, 0, "a1");     /* it is there, so it is not suggested for others */
    name(&r, 1, "A01");    /* … so none */
    name(&r, 2, "wrokre"); /* two swaps */
    name(&r, 3, "wroker"); /* one: nearer, though later */
    name(&r, 4, "a 2");
    name(&r, 5, "A2"); /* a2 is taken */
    name(&r, 6, "a9"); /* one edit of two characters is another name */
    name(&r, 7, "plaNner0");
    m = match(&r, 8);
    assert_int_equal(m->n_unexpected, 7);
    assert_null(m->unexpected[0].suggestion);
    assert_null(m->unexpected[1].suggestion);
    assert_string_equal(m->unexpected[2].suggestion, "worker");
    assert_string_equal(m->unexpected[3].suggestion, "a2");
    assert_null(m->unexpected[4].suggestion);
    assert_null(m->unexpected[5].suggestion);
    assert_string_equal(m->unexpected[6].suggestion, "planner");
}

static void test_suggests_offline(void **state)
{
    CLEANUP(room_clear) struct room r;
    struct match *m;

    (void)state;
    room_init(&r);
    want(&r, "a1");
    name(&r, 0, "a1");
    r.machines[0].online = false;
    name(&r, 1, "A1");
    m = match(&r, 2);
    assert_string_equal(m->unexpected[0].suggestion, "a1");
}

static void test_warnings(void **state)
{
    CLEANUP(room_clear) struct room r;
    struct match *m;

    (void)state;
    room_init(&r);
    want(&r, "a1");
    r.problem.variables = 3;
    name(&r, 0, "a1");
    r.machines[0].in_doubt = true;
    r.machines[0].advert.error = strdup("no names fit");
    m = match(&r, 1);
    assert_int_equal(m->warnings.count, 3);
    assert_non_null(strstr(m->warnings.items[0], "1 agent for 3 computations"));
    assert_non_null(
        strstr(m->warnings.items[1], "is in doubt: another machine has this id and a different"));
    assert_string_equal(m->warnings.items[2], "rpi-0 says: no names fit");
    assert_true(match_ok(m, true));
    r.problem.variables = 1;
    r.machines[0].online = false;
    assert_int_equal(match(&r, 1)->warnings.count, 0);
}

static void test_agents_that_do_not_run(void **state)
{
    CLEANUP(room_clear) struct room r;
    struct match *m;

    (void)state;
    room_init(&r);
    want(&r, "a1");
    want(&r, "a2");
    want(&r, "a3");
    name(&r, 0, "a1");
    name(&r, 0, "a2");
    name(&r, 1, "a3");
    r.machines[0].advert.state = ADVERT_STATE_STOPPED;
    r.machines[1].advert.state = ADVERT_STATE_FAILED;
    m = match(&r, 2);
    assert_true(match_ok(m, true));
    assert_int_equal(m->warnings.count, 2);
    assert_string_equal(m->warnings.items[0],
                        "2 agents are stopped: a1, a2; dcop-deploy -p PROBLEM start");
    assert_string_equal(m->warnings.items[1],
                        "1 agent has failed: a3; see why: dcop-deploy -p PROBLEM logs");
    r.machines[0].advert.state = ADVERT_STATE_NEW;
    r.machines[1].advert.state = ADVERT_STATE_RUNNING;
    assert_int_equal(match(&r, 2)->warnings.count, 0);
}

/* Hostile: thousands of names that do not match must not take seconds. */
static void test_bounded(void **state)
{
    enum { NAMES = 20000 };
    CLEANUP(room_clear) struct room r;
    struct timespec from, to;
    struct match *m;

    (void)state;
    room_init(&r);
    for (int i = 0; i < NAMES; i++) {
        char text[64];

        (void)snprintf(text, sizeof(text), "agent-with-a-long-name-%d-x", i);
        want(&r, text);
        (void)snprintf(text, sizeof(text), "agent-with-a-long-nmae-%d-yy", i + NAMES);
        name(&r, 0, text);
    }
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
    m = match(&r, 1);
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
    assert_int_equal(m->n_unexpected, NAMES);
    print_message("%d names: %ld ms\n", NAMES,
                  (long)(to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000);
    assert_true(to.tv_sec - from.tv_sec < 10); /* sanitizers included */
}

static void give(struct room *r, size_t machine, const char *address)
{
    struct address a;

    assert_int_equal(address_parse(address, &a), 0);
    assert_true(machine_set_addresses(&r->machines[machine], &a, 1) > 0);
}

static void test_addresses(void **state)
{
    CLEANUP(room_clear) struct room r;
    struct match *m;

    (void)state;
    room_init(&r);
    want(&r, "a1");
    want(&r, "a2");
    name(&r, 1, "a1");
    name(&r, 2, "a2");
    give(&r, 1, "10.0.0.1");
    give(&r, 2, "10.0.0.1");
    m = match(&r, 3);
    assert_int_equal(m->n_shared, 1);
    assert_true(match_ok(m, false));
    assert_int_equal(m->warnings.count, 1);
    assert_string_equal(m->warnings.items[0],
                        "rpi-1 and rpi-2 have the same IPv4 address, 10.0.0.1: only one of them "
                        "can be reached there; give one of them another");
    give(&r, 2, "10.0.0.2");
    m = match(&r, 2);
    assert_int_equal(m->n_shared, 0);
    give(&r, 2, "fd00::2");
    m = match(&r, 3);
    assert_int_equal(m->n_without_ipv4, 1);
    assert_false(match_ok(m, false));
    assert_non_null(strstr(m->warnings.items[0], "rpi-2 (a2) has no IPv4 address"));
}

/* The list says it in the same words; about machines that are there, and not too often. */
static void test_addresses_of_a_list(void **state)
{
    CLEANUP(room_clear) struct room r;
    CLEANUP_STRINGS struct strings said = {0};
    const struct machine *many[ADDRESSES_SAID_MAX + 3];

    (void)state;
    room_init(&r);
    give(&r, 1, "10.0.0.1");
    give(&r, 2, "10.0.0.1");
    give(&r, 3, "fd00::3");
    give(&r, 4, "10.0.0.1");
    r.machines[4].online = false;
    give(&r, 5, "fd00::5");
    r.machines[5].untrusted = true;
    assert_int_equal(addresses_explain(r.pointers, MACHINES, &said), 0);
    assert_int_equal(said.count, 2);
    assert_string_equal(said.items[0],
                        "rpi-1 and rpi-2 have the same IPv4 address, 10.0.0.1: only one of them "
                        "can be reached there; give one of them another");
    assert_string_equal(said.items[1], "rpi-3 has no IPv4 address, and pyDCOP supports only IPv4; "
                                       "give it one (DHCP, or a fixed address)");
    strings_clear(&said);
    for (size_t i = 0; i < ARRAY_SIZE(many); i++)
        many[i] = r.pointers[3];
    assert_int_equal(addresses_explain(many, ARRAY_SIZE(many), &said), 0);
    assert_int_equal(said.count, ADDRESSES_SAID_MAX + 1);
    assert_string_equal(said.items[ADDRESSES_SAID_MAX], "3 more have no IPv4 address");
}

/* What only Avahi's cache has is no match. */
static void test_not_heard(void **state)
{
    CLEANUP(room_clear) struct room r;
    struct match *m;

    (void)state;
    room_init(&r);
    want(&r, "a1");
    name(&r, 1, "a1");
    r.machines[1].unheard = true;
    m = match(&r, 2);
    assert_int_equal(m->n_offline, 1);
    assert_false(match_ok(m, false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_there),
        cmocka_unit_test(test_claims),
        cmocka_unit_test(test_missing),
        cmocka_unit_test(test_duplicate),
        cmocka_unit_test(test_offline),
        cmocka_unit_test(test_strict),
        cmocka_unit_test(test_suggestions),
        cmocka_unit_test(test_suggests_offline),
        cmocka_unit_test(test_warnings),
        cmocka_unit_test(test_agents_that_do_not_run),
        cmocka_unit_test(test_bounded),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_addresses_of_a_list),
        cmocka_unit_test(test_not_heard),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
