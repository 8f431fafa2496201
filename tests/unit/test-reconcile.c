/* The planner of dcop-controller: who is deployed to, and when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "deployer/controller/reconcile.h"

#define WISH "1111111111111111111111111111111111111111111111111111111111111111"
#define OTHER "2222222222222222222222222222222222222222222222222222222222222222"

enum { T0 = 100000 };

static struct reconcile_machine machine(struct ledger *l)
{
    return (struct reconcile_machine){.wish = WISH, .online = true, .counts = true, .ledger = l};
}

static void plan(struct reconcile_machine *m, size_t n, int64_t now)
{
    struct reconcile r = {.automatic = true};

    reconcile(&r, m, n, now);
}

/* One machine that is there since T0; is it deployed to at this time? */
static bool deploys(struct ledger *l, int64_t now)
{
    struct reconcile_machine m = machine(l);

    plan(&m, 1, now);
    return m.deploy;
}

static struct ledger there(void)
{
    struct ledger l = {0};

    ledger_appeared(&l, T0);
    return l;
}

static void test_settles_first(void **state)
{
    struct ledger l = there();
    struct reconcile_machine m = machine(&l);
    struct reconcile r = {.automatic = true};

    (void)state;
    reconcile(&r, &m, 1, T0 + 10);
    assert_false(m.deploy);
    assert_int_equal(m.state, WORK_WAITING);
    assert_int_equal(r.next_ms, T0 + RECONCILE_SETTLE_MS);
    assert_true(deploys(&l, T0 + RECONCILE_SETTLE_MS));
}

/* Agents are not started again in the middle of a run. */
static void test_pauses(void **state)
{
    struct ledger l = there();
    struct reconcile_machine m = machine(&l);
    struct reconcile r = {.automatic = true, .paused = true};

    (void)state;
    reconcile(&r, &m, 1, T0 + RECONCILE_SETTLE_MS);
    assert_false(m.deploy);
    assert_int_equal(m.state, WORK_WAITING);
    assert_non_null(strstr(m.why, "being solved"));
    r.paused = false;
    reconcile(&r, &m, 1, T0 + RECONCILE_SETTLE_MS);
    assert_true(m.deploy);
}

static void test_once(void **state)
{
    struct ledger l = there();
    struct reconcile_machine m = machine(&l);

    (void)state;
    ledger_begin(&l, WISH);
    m.at_work = true;
    plan(&m, 1, T0 + 1000);
    assert_false(m.deploy);
    assert_int_equal(m.state, WORK_RUNNING);
    ledger_end(&l, LEDGER_DONE, "", T0 + 2000);
    m.at_work = false;
    plan(&m, 1, T0 + 2001);
    assert_false(m.deploy);
    assert_int_equal(m.state, WORK_OK);
    m.wish = OTHER; /* something else is wanted */
    plan(&m, 1, T0 + 3000);
    assert_true(m.deploy);
}

static void test_who_is_not(void **state)
{
    struct ledger l = there();
    struct reconcile_machine m;

    (void)state;
    m = machine(&l);
    m.wish = NULL;
    plan(&m, 1, T0 + 5000);
    assert_false(m.deploy);
    assert_int_equal(m.state, WORK_IDLE);
    m = machine(&l);
    m.online = false;
    plan(&m, 1, T0 + 5000);
    assert_false(m.deploy);
    m = machine(&l);
    m.obstacle = "a person has to accept its host key";
    plan(&m, 1, T0 + 5000);
    assert_false(m.deploy);
    assert_int_equal(m.state, WORK_WAITING);
    assert_string_equal(m.why, m.obstacle);
    l.held = true;
    m = machine(&l);
    plan(&m, 1, T0 + 5000);
    assert_false(m.deploy);
    assert_int_equal(m.state, WORK_IDLE);
    ledger_reset(&l); /* a retry of all is no word about this one */
    plan(&m, 1, T0 + 5000);
    assert_false(m.deploy);
}

static void test_not_automatic(void **state)
{
    struct ledger l = there();
    struct reconcile_machine m = machine(&l);
    struct reconcile r = {.automatic = false};

    (void)state;
    reconcile(&r, &m, 1, T0 + 5000);
    assert_false(m.deploy);
    assert_int_equal(m.state, WORK_WAITING);
}

static void test_quorum(void **state)
{
    struct ledger l[3] = {there(), there(), there()};
    struct reconcile_machine m[3] = {machine(&l[0]), machine(&l[1]), machine(&l[2])};
    struct reconcile r = {.automatic = true, .quorum = 3};

    (void)state;
    m[2].counts = false;
    reconcile(&r, m, 3, T0 + 5000);
    assert_int_equal(r.present, 2);
    for (size_t i = 0; i < 3; i++)
        assert_false(m[i].deploy);
    assert_int_equal(m[0].state, WORK_WAITING);
    m[2].counts = true;
    reconcile(&r, m, 3, T0 + 5001);
    for (size_t i = 0; i < 3; i++)
        assert_true(m[i].deploy);
    m[1].online = m[1].counts = false; /* one that goes stops nobody */
    reconcile(&r, m, 3, T0 + 5002);
    assert_true(m[0].deploy);
    assert_false(m[1].deploy);
}

/* Each failure waits longer; the last one waits for a person. */
static void test_backs_off(void **state)
{
    struct ledger l = there();
    int64_t now = T0 + 1000, before = 0;
    struct reconcile_machine m = machine(&l);
    struct reconcile r = {.automatic = true};

    (void)state;
    for (unsigned i = 1; i < RECONCILE_FAILURES_MAX; i++) {
        ledger_begin(&l, WISH);
        ledger_end(&l, LEDGER_FAILED, "apt failed", now);
        assert_int_equal(l.failures, i);
        reconcile(&r, &m, 1, now);
        assert_false(m.deploy);
        assert_int_equal(m.state, WORK_RETRYING);
        assert_string_equal(m.why, "apt failed");
        assert_int_equal(r.next_ms, m.again_ms);
        assert_true(m.again_ms - now > before);
        before = m.again_ms - now;
        assert_false(deploys(&l, m.again_ms - 1));
        assert_true(deploys(&l, m.again_ms));
        now = m.again_ms;
    }
    ledger_begin(&l, WISH);
    ledger_end(&l, LEDGER_FAILED, "apt failed", now);
    reconcile(&r, &m, 1, now + 1000000000);
    assert_false(m.deploy);
    assert_int_equal(m.state, WORK_STUCK);
    assert_int_equal(r.next_ms, INT64_MAX);
    ledger_reset(&l); /* a person's retry */
    assert_true(deploys(&l, now + 1000000000));
}

static void test_new_wish_begins_anew(void **state)
{
    struct ledger l = there();
    struct reconcile_machine m = machine(&l);

    (void)state;
    ledger_begin(&l, WISH);
    ledger_end(&l, LEDGER_HOPELESS, "its host key is another", T0 + 1000);
    plan(&m, 1, T0 + 1000000000);
    assert_int_equal(m.state, WORK_STUCK);
    assert_string_equal(m.why, "its host key is another");
    m.wish = OTHER;
    plan(&m, 1, T0 + 2000);
    assert_true(m.deploy);
    ledger_begin(&l, OTHER);
    assert_int_equal(l.failures, 0);
}

static void test_back_from_offline(void **state)
{
    struct ledger l = there();

    (void)state;
    ledger_begin(&l, WISH);
    ledger_end(&l, LEDGER_DONE, "", T0 + 1000);
    assert_false(deploys(&l, T0 + 5000));
    ledger_appeared(&l, T0 + 60000);
    assert_false(deploys(&l, T0 + 60001));
    assert_true(deploys(&l, T0 + 61000)); /* it is looked at again */
    l.held = true;
    ledger_appeared(&l, T0 + 70000);
    assert_false(deploys(&l, T0 + 80000)); /* a person's word holds */
}

static void test_busy_is_no_failure(void **state)
{
    struct ledger l = there();

    (void)state;
    for (int i = 0; i < 20; i++) {
        int64_t now = T0 + 1000 + i * RECONCILE_BUSY_MS;

        ledger_begin(&l, WISH);
        ledger_end(&l, LEDGER_BUSY, "another run is in progress on it", now);
        assert_int_equal(l.failures, 0);
        assert_false(deploys(&l, now + RECONCILE_BUSY_MS - 1));
        assert_true(deploys(&l, now + RECONCILE_BUSY_MS));
    }
}

/* The agents' unit fails after a deploy that went well. */
static void test_relapse(void **state)
{
    struct ledger l = there();
    struct reconcile_machine m = machine(&l);
    struct reconcile r = {.automatic = true};
    int64_t now = T0 + 1000;

    (void)state;
    ledger_begin(&l, WISH);
    ledger_end(&l, LEDGER_DONE, "", now);
    m.unit = ADVERT_STATE_FAILED;
    reconcile(&r, &m, 1, now + 100); /* may be news from before */
    assert_int_equal(m.state, WORK_OK);
    assert_int_equal(r.next_ms, now + RECONCILE_RELAPSE_MS);
    now += RECONCILE_RELAPSE_MS;
    reconcile(&r, &m, 1, now);
    assert_int_equal(m.state, WORK_RETRYING);
    assert_int_equal(l.failures, 1);
    /* It goes on so, deploy after deploy: a person is needed in the end. */
    for (int i = 0; i < 20 && m.state != WORK_STUCK; i++) {
        now = m.again_ms;
        reconcile(&r, &m, 1, now);
        assert_true(m.deploy);
        ledger_begin(&l, WISH);
        ledger_end(&l, LEDGER_DONE, "", now);
        now += RECONCILE_RELAPSE_MS;
        reconcile(&r, &m, 1, now);
    }
    assert_int_equal(m.state, WORK_STUCK);
    assert_int_equal(l.failures, RECONCILE_FAILURES_MAX);
}

static void test_steady_forgets(void **state)
{
    struct ledger l = there();

    (void)state;
    ledger_begin(&l, WISH);
    ledger_end(&l, LEDGER_FAILED, "x", T0 + 1000);
    ledger_begin(&l, WISH);
    ledger_end(&l, LEDGER_DONE, "", T0 + 10000);
    assert_false(deploys(&l, T0 + 20000));
    assert_int_equal(l.failures, 1);
    assert_false(deploys(&l, T0 + 10000 + RECONCILE_STEADY_MS));
    assert_int_equal(l.failures, 0);
}

/* A power strip for thirty: all at once, and nobody twice. */
static void test_thirty(void **state)
{
    struct ledger l[30];
    struct reconcile_machine m[30];

    (void)state;
    for (size_t i = 0; i < 30; i++) {
        l[i] = there();
        m[i] = machine(&l[i]);
    }
    plan(m, 30, T0 + 600);
    for (size_t i = 0; i < 30; i++) {
        assert_true(m[i].deploy);
        ledger_begin(&l[i], WISH);
        m[i].at_work = true;
    }
    plan(m, 30, T0 + 700);
    for (size_t i = 0; i < 30; i++)
        assert_false(m[i].deploy);
}

/* --canary: the first machine, the others, and what each is told. */
static void test_one_first(void **state)
{
    struct ledger l[3] = {there(), there(), there()};
    struct reconcile_machine m[3] = {machine(&l[0]), machine(&l[1]), machine(&l[2])};
    struct reconcile r = {.automatic = true, .version = OTHER};
    int64_t now = T0 + RECONCILE_SETTLE_MS;

    (void)state;
    m[0].online = false;
    m[1].name = "pi-1";
    reconcile(&r, m, 3, now);
    assert_true(!m[0].deploy && m[1].deploy && m[1].trial && !m[2].deploy);
    assert_int_equal(m[2].state, WORK_WAITING);
    assert_string_equal(m[2].why, "pi-1 tries this version first");

    ledger_begin(&l[1], WISH);
    ledger_begin_trial(&l[1], r.version);
    ledger_note_step(&l[1], "healthy", true);
    m[1].at_work = true;
    m[0].online = true; /* too late */
    reconcile(&r, m, 3, now);
    assert_true(!m[0].deploy && !m[2].deploy);

    m[1].at_work = false;
    ledger_end(&l[1], ledger_end_trial(&l[1], LEDGER_FAILED, r.proven), "it went back", now);
    assert_string_equal(r.proven, "");
    reconcile(&r, m, 3, now + 1000000);
    assert_int_equal(m[1].state, WORK_STUCK);
    assert_true(!m[0].deploy && !m[2].deploy);
    assert_string_equal(
        m[2].why, "pi-1 tried this version first and failed; retry it, or give another version");

    /* A person's deploy on it is watched, too, and so is a retry. */
    assert_true(reconcile_is_trial(&r, r.version, &l[1], false));
    assert_false(reconcile_is_trial(&r, r.version, &l[2], false));
    ledger_reset(&l[1]);
    reconcile(&r, m, 3, now);
    assert_true(m[1].deploy && m[1].trial && !m[0].deploy && !m[2].deploy);

    m[1].online = false; /* another one tries */
    reconcile(&r, m, 3, now);
    assert_true(m[0].deploy && m[0].trial && !m[2].deploy);
    m[1].online = true;

    r.version = WISH; /* a newer one: whoever it is */
    reconcile(&r, m, 3, now);
    assert_true(m[0].deploy && m[0].trial && !m[2].deploy);

    strcpy(r.proven, r.version);
    reconcile(&r, m, 3, now);
    assert_true(m[0].deploy && m[2].deploy && !m[0].trial && !m[2].trial);
}

/* Who gets another version is not the first of the one before any more. */
static void test_trial_ends(void **state)
{
    struct reconcile r = {.automatic = true, .version = OTHER};
    struct ledger l = there();

    (void)state;
    ledger_begin_trial(&l, OTHER);
    ledger_note_step(&l, "alive", false);
    assert_int_equal(ledger_end_trial(&l, LEDGER_FAILED, r.proven), LEDGER_FAILED);
    assert_string_equal(l.trial, OTHER);
    ledger_begin_trial(&l, NULL); /* not watched: it proves nothing */
    assert_int_equal(ledger_end_trial(&l, LEDGER_DONE, r.proven), LEDGER_DONE);
    assert_string_equal(r.proven, "");
    assert_string_equal(l.trial, "");
    ledger_begin_trial(&l, OTHER);
    assert_int_equal(ledger_end_trial(&l, LEDGER_DONE, r.proven), LEDGER_DONE);
    assert_string_equal(r.proven, OTHER);
    assert_false(reconcile_is_trial(&r, OTHER, &l, true));
}

/* A deploy that ends before it came to the version says nothing of it. */
static void test_trial_not_reached(void **state)
{
    static const enum ledger_end ends[] = {LEDGER_FAILED, LEDGER_HOPELESS, LEDGER_BUSY};
    char proven[RECONCILE_WISH_LENGTH + 1] = "";

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct ledger l = there();

        ledger_begin_trial(&l, OTHER);
        ledger_note_step(&l, "apt", true);
        assert_int_equal(ledger_end_trial(&l, ends[i], proven), ends[i]);
        assert_string_equal(l.trial, "");
        /* Once it has been there, it stays on trial. */
        ledger_begin_trial(&l, OTHER);
        ledger_note_step(&l, "pydcop", false);
        assert_int_equal(ledger_end_trial(&l, ends[i], proven), ends[i]);
        ledger_begin_trial(&l, OTHER);
        assert_int_equal(ledger_end_trial(&l, ends[i], proven), ends[i]);
        assert_string_equal(l.trial, OTHER);
    }
    assert_string_equal(proven, "");
}

/* A first one that is not to be deployed to any more holds nobody back. */
static void test_first_leaves(void **state)
{
    struct ledger l[2] = {there(), there()};
    struct reconcile_machine m[2] = {machine(&l[0]), machine(&l[1])};
    struct reconcile r = {.automatic = true, .version = OTHER};
    int64_t now = T0 + RECONCILE_SETTLE_MS;

    (void)state;
    ledger_begin(&l[0], WISH);
    ledger_begin_trial(&l[0], OTHER);
    ledger_end(&l[0], LEDGER_HOPELESS, "it went back", now);
    reconcile(&r, m, 2, now);
    assert_false(m[1].deploy);
    m[0].wish = NULL;
    reconcile(&r, m, 2, now);
    assert_true(m[1].deploy && m[1].trial);
    m[0].wish = WISH;
    m[0].obstacle = "its host key is not accepted";
    reconcile(&r, m, 2, now);
    assert_true(m[1].deploy && m[1].trial);
    m[0].obstacle = NULL;
    l[0].held = true;
    reconcile(&r, m, 2, now);
    assert_true(m[1].deploy && m[1].trial);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trial_ends),
        cmocka_unit_test(test_trial_not_reached),
        cmocka_unit_test(test_first_leaves),
        cmocka_unit_test(test_one_first),
        cmocka_unit_test(test_settles_first),
        cmocka_unit_test(test_pauses),
        cmocka_unit_test(test_once),
        cmocka_unit_test(test_who_is_not),
        cmocka_unit_test(test_not_automatic),
        cmocka_unit_test(test_quorum),
        cmocka_unit_test(test_backs_off),
        cmocka_unit_test(test_new_wish_begins_anew),
        cmocka_unit_test(test_back_from_offline),
        cmocka_unit_test(test_busy_is_no_failure),
        cmocka_unit_test(test_relapse),
        cmocka_unit_test(test_steady_forgets),
        cmocka_unit_test(test_thirty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
