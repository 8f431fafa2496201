/* Who of the queue is due, and what the others wait for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "deployer/later/later.h"

#define ID "0123456789abcdef"
#define KEY "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define OTHER "SHA256:BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"

enum { NOW = 100000 };

static char *agent_items[] = {(char *)"a1", (char *)"a2"};

static struct machine machine_of(const char *hostkey, size_t n_agents)
{
    struct machine m = {.online = true, .beacon = true, .last_seen = {.tv_sec = 50}};

    strcpy(m.advert.id, ID);
    m.advert.hostkey = (char *)(uintptr_t)hostkey;
    m.advert.agents = (struct strings){.items = agent_items, .count = n_agents};
    return m;
}

static struct state_later entry_of(const char *reason)
{
    return (struct state_later){
        .entry = 1,
        .machine = (char *)ID,
        .agents = {.items = agent_items, .count = 1},
        .reason = (char *)(uintptr_t)reason,
        .reason_ms = 7000,
    };
}

static struct later_verdict judge(const struct state_later *l, const char *pin,
                                  const struct machine *a, const struct machine *b)
{
    const struct machine *machines[] = {a, b};
    struct later_verdict v;

    later_judge(l, pin, machines, (size_t)(a != NULL) + (b != NULL), NOW, &v);
    return v;
}

static void test_away(void **state)
{
    struct state_later l = entry_of(STATE_LATER_OFF);
    struct machine m = machine_of(KEY, 1);
    struct later_verdict v = judge(&l, KEY, NULL, NULL);

    (void)state;
    assert_false(v.due);
    assert_string_equal(v.why, STATE_LATER_OFF);
    assert_int_equal(v.why_ms, 7000); /* as it was known */
    m.online = false;
    v = judge(&l, KEY, &m, NULL);
    assert_false(v.due);
    m.online = m.unheard = true; /* a cache has its record */
    v = judge(&l, KEY, &m, NULL);
    assert_false(v.due);
    /* It was there in between. */
    l.reason = (char *)"busy";
    v = judge(&l, KEY, &m, NULL);
    assert_string_equal(v.why, STATE_LATER_OFF);
    assert_int_equal(v.why_ms, 50000);
    v = judge(&l, KEY, NULL, NULL);
    assert_int_equal(v.why_ms, NOW);
}

static void test_here(void **state)
{
    struct state_later l = entry_of(STATE_LATER_OFF);
    struct machine m = machine_of(KEY, 2), other = machine_of(KEY, 2);
    struct later_verdict v = judge(&l, KEY, &m, NULL);

    (void)state;
    assert_true(v.due);
    assert_ptr_equal(v.machine, &m);
    m.advert.hostkey = NULL; /* compared when it is contacted */
    assert_true(judge(&l, KEY, &m, NULL).due);
    strcpy(other.advert.id, "ffffffffffffffff");
    assert_false(judge(&l, KEY, &other, NULL).due);
    m.beacon = false;
    assert_false(judge(&l, KEY, &m, NULL).due);
}

/* Nothing goes to a key that is not pinned. */
static void test_keys(void **state)
{
    struct state_later l = entry_of(STATE_LATER_OFF);
    struct machine right = machine_of(KEY, 1), wrong = machine_of(OTHER, 1);
    struct later_verdict v = judge(&l, KEY, &wrong, NULL);

    (void)state;
    assert_false(v.due);
    assert_non_null(strstr(v.why, "its key changed"));
    assert_non_null(strstr(v.why, "dcop-deploy trust " ID " " OTHER));
    v = judge(&l, NULL, &right, NULL);
    assert_false(v.due);
    assert_non_null(strstr(v.why, "no host key is accepted"));
    v = judge(&l, KEY, &wrong, &right); /* beside an impostor */
    assert_true(v.due);
    assert_ptr_equal(v.machine, &right);
    v = judge(&l, KEY, &right, &wrong);
    assert_ptr_equal(v.machine, &right);
    wrong.advert.hostkey = NULL; /* without a key it may be anybody */
    wrong.advert.agents.count = 0;
    v = judge(&l, KEY, &wrong, &right);
    assert_true(v.due);
    assert_ptr_equal(v.machine, &right);
    v = judge(&l, KEY, &right, &wrong);
    assert_ptr_equal(v.machine, &right);
    right.untrusted = true;
    v = judge(&l, KEY, &right, NULL);
    assert_false(v.due);
    assert_non_null(strstr(v.why, "not signed"));
}

static void test_names(void **state)
{
    struct state_later l = entry_of(STATE_LATER_OFF);
    struct machine m = machine_of(KEY, 1);
    struct later_verdict v;

    (void)state;
    l.agents.count = 2;
    v = judge(&l, KEY, &m, NULL);
    assert_false(v.due);
    assert_non_null(strstr(v.why, "a2"));
}

static void test_not_yet(void **state)
{
    struct state_later l = entry_of("no space left");
    struct machine m = machine_of(KEY, 1);
    struct later_verdict v;

    (void)state;
    l.next_ms = NOW + 1;
    v = judge(&l, KEY, &m, NULL);
    assert_false(v.due);
    assert_string_equal(v.why, "no space left");
    assert_int_equal(v.why_ms, 7000);
    l.next_ms = NOW;
    assert_true(judge(&l, KEY, &m, NULL).due);
    l.next_ms = NOW + LATER_LAST_MS;
    assert_false(judge(&l, KEY, &m, NULL).due);
    l.next_ms++; /* the clock was set back */
    assert_true(judge(&l, KEY, &m, NULL).due);
    l.claimed = true;
    assert_false(judge(&l, KEY, &m, NULL).due);
}

static void test_delays(void **state)
{
    (void)state;
    assert_int_equal(later_delay_ms(1), 10000);
    assert_int_equal(later_delay_ms(2), 20000);
    assert_int_equal(later_delay_ms(4), 80000);
    assert_int_equal(later_delay_ms(1000), 3600000);
}

/* The wish's options, the process's keys; a consent to new keys is not taken over. */
static void test_options(void **state)
{
    struct state_later l = entry_of(STATE_LATER_OFF);
    CLEANUP_STRINGS struct strings wish = {0}, keys = {0};
    CLEANUP(later_options_clear) struct deploy_options made = {0};
    CLEANUP_TEXT struct text settings = TEXT_INIT;
    const struct pack pack = {.spec = NULL};
    struct deploy_options o = {.verb = "later",
                               .deps = "pip",
                               .user = "me",
                               .accept_new = true,
                               .force = true,
                               .orchestrator = "10.0.0.1",
                               .ui = "/ui",
                               .forks = 7};

    (void)state;
    assert_int_equal(strings_add(&keys, "/key"), 0);
    assert_int_equal(state_wish_add(&wish, "deps", "apt"), 0);
    assert_int_equal(state_wish_add(&wish, "keys", "/old"), 0);
    assert_int_equal(state_wish_add(&wish, "ui", "none"), 0);
    assert_int_equal(state_wish_add(&wish, "set_clock", "yes"), 0);
    assert_int_equal(state_wish_add(&wish, "no_start", "yes"), 0);
    l.wish = wish;
    o.keys = keys;
    assert_int_equal(later_options(&l, &o, &made, NULL), 0);
    assert_string_equal(made.verb, "deploy");
    assert_string_equal(made.deps, "apt");
    assert_string_equal(made.user, "me");
    assert_null(made.orchestrator);
    assert_string_equal(made.ui, "none");
    assert_int_equal(made.keys.count, 1);
    assert_string_equal(made.keys.items[0], "/key");
    assert_int_equal(made.forks, 7);
    assert_true(made.set_clock && made.no_start);
    later_add_settings(&pack, &made, &settings);
    assert_non_null(strstr(text_str(&settings), "set_clock yes\n"));
    assert_non_null(strstr(text_str(&settings), "start no\n"));
    assert_false(made.accept_new);
    assert_false(made.force);
}

static void test_ends(void **state)
{
    CLEANUP(state_free_p) struct state *s = NULL;
    CLEANUP(state_laters_clear) struct state_laters list = {0};
    struct state_later l = entry_of(NULL);
    struct state_wheel w = {.digest = (char *)"d", .name = (char *)"n"};

    (void)state;
    assert_int_equal(state_open(":memory:", &s, NULL), 0);
    assert_int_equal(state_later_put(s, &l, 1, &w, NULL), 0);
    assert_int_equal(later_ended(s, &l, JOB_FAILED, true, "another is at work", NULL), 0);
    assert_int_equal(state_later_list(s, &list, NULL), 0);
    assert_string_equal(list.items[0].reason, "busy: another is at work");
    assert_int_equal(list.items[0].tries, 0);
    assert_int_equal(later_ended(s, &list.items[0], JOB_FAILED, false, "sudo asks", NULL), 0);
    assert_int_equal(state_later_list(s, &list, NULL), 0);
    assert_string_equal(list.items[0].reason, "sudo asks");
    assert_int_equal(list.items[0].tries, 1);
    assert_true(list.items[0].next_ms > 0);
    assert_int_equal(later_ended(s, &list.items[0], JOB_CANCELLED, false, NULL, NULL), 0);
    assert_int_equal(state_later_list(s, &list, NULL), 0);
    assert_int_equal(list.items[0].tries, 1);
    assert_int_equal(later_ended(s, &list.items[0], JOB_CHANGED, false, NULL, NULL), 0);
    assert_int_equal(state_later_list(s, &list, NULL), 0);
    assert_int_equal(list.count, 0);
}

/* An end that cannot be written is written later; what nothing is done for is given back. */
static void test_catches_up(void **state)
{
    char path[] = "/tmp/dcop-test-later.XXXXXX", side[64];
    int fd = mkstemp(path);
    CLEANUP(state_free_p) struct state *s = NULL;
    CLEANUP(state_laters_clear) struct state_laters list = {0};
    CLEANUP(later_ends_clear) struct later_ends ends = {0};
    struct state_later l = entry_of(NULL);
    struct state_wheel w = {.digest = (char *)"d", .name = (char *)"n"};
    sqlite3 *other = NULL;
    struct error err = {0};

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    assert_int_equal(state_open(path, &s, NULL), 0);
    assert_int_equal(state_later_put(s, &l, 1, &w, NULL), 0);
    assert_int_equal(state_later_list(s, &list, NULL), 0);
    assert_int_equal(state_later_claim(s, list.items[0].entry, NULL), 0);
    assert_int_equal(state_later_list(s, &list, NULL), 0);
    assert_true(list.items[0].claimed && list.items[0].own);
    assert_int_equal(later_release(s, &list.items[0], NULL), 0);
    assert_false(list.items[0].claimed);
    assert_int_equal(state_later_claim(s, list.items[0].entry, NULL), 0);
    assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other,
                                  "CREATE TRIGGER full BEFORE UPDATE ON later BEGIN"
                                  " SELECT RAISE(ABORT, 'the disk is full'); END",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    assert_true(later_end(&ends, s, &list.items[0], JOB_FAILED, false, "sudo asks", &err) < 0);
    assert_true(later_catch_up(&ends, s, &err) < 0);
    assert_int_equal(sqlite3_exec(other, "DROP TRIGGER full", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(other), SQLITE_OK);
    assert_int_equal(later_catch_up(&ends, s, &err), 0);
    assert_int_equal(ends.count, 0);
    assert_int_equal(state_later_list(s, &list, NULL), 0);
    assert_string_equal(list.items[0].reason, "sudo asks");
    assert_false(list.items[0].claimed);
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(side, sizeof(side), "%s%s", path, i == 0 ? "" : i == 1 ? "-wal" : "-shm");
        (void)unlink(side);
    }
}

/* A name that the entry wishes has become another machine's. */
static void test_moved_name(void **state)
{
    CLEANUP(state_free_p) struct state *s = NULL;
    CLEANUP(state_laters_clear) struct state_laters list = {0};
    struct state_later l = entry_of(NULL);
    struct state_wheel w = {.digest = (char *)"d", .name = (char *)"n"};
    struct state_pin pin = {.id = (char *)ID, .fingerprint = (char *)KEY, .source = PIN_TRUST};
    const struct machine m = machine_of(KEY, 1);
    const struct machine *machines[] = {&m};
    struct later_verdict v;

    (void)state;
    assert_int_equal(state_open(":memory:", &s, NULL), 0);
    assert_int_equal(state_later_put(s, &l, 1, &w, NULL), 0);
    assert_int_equal(state_pin_put(s, &pin, NULL), 0);
    assert_int_equal(state_names_set(s, ADVERT_FLEET_DEFAULT, ID, &l.agents, NULL), 0);
    assert_int_equal(state_later_list(s, &list, NULL), 0);
    assert_int_equal(later_look(s, &list.items[0], machines, 1, &v, NULL), 0);
    assert_true(v.due);
    assert_int_equal(state_names_set(s, ADVERT_FLEET_DEFAULT, "ffffffffffffffff", &l.agents, NULL),
                     0);
    assert_int_equal(later_look(s, &list.items[0], machines, 1, &v, NULL), 0);
    assert_false(v.due);
    assert_non_null(strstr(v.why, "a1 is the name of another machine now, ffffffffffffffff"));
    assert_int_equal(state_later_list(s, &list, NULL), 0);
    assert_string_equal(list.items[0].reason, v.why);
}

/* What an entry waits for is written when it changes; the pin is the database's. */
static void test_look(void **state)
{
    CLEANUP(state_free_p) struct state *s = NULL;
    CLEANUP(state_laters_clear) struct state_laters list = {0};
    struct state_later l = entry_of(NULL);
    struct state_wheel w = {.digest = (char *)"d", .name = (char *)"n"};
    struct state_pin pin = {.id = (char *)ID, .fingerprint = (char *)KEY, .source = PIN_TRUST};
    const struct machine m = machine_of(OTHER, 1), good = machine_of(KEY, 1);
    const struct machine *machines[] = {&m}, *good_ones[] = {&good};
    struct later_verdict v;

    (void)state;
    assert_int_equal(state_open(":memory:", &s, NULL), 0);
    assert_int_equal(state_later_put(s, &l, 1, &w, NULL), 0);
    assert_int_equal(state_pin_put(s, &pin, NULL), 0);
    assert_int_equal(state_later_list(s, &list, NULL), 0);
    assert_int_equal(later_look(s, &list.items[0], machines, 1, &v, NULL), 0);
    assert_false(v.due);
    assert_int_equal(state_later_list(s, &list, NULL), 0);
    assert_non_null(strstr(list.items[0].reason, "its key changed"));
    assert_int_equal(later_look(s, &list.items[0], good_ones, 1, &v, NULL), 0);
    assert_true(v.due);
    assert_int_equal(later_look(s, &list.items[0], NULL, 0, &v, NULL), 0);
    assert_int_equal(state_later_list(s, &list, NULL), 0);
    assert_string_equal(list.items[0].reason, STATE_LATER_OFF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_away),       cmocka_unit_test(test_here),
        cmocka_unit_test(test_keys),       cmocka_unit_test(test_names),
        cmocka_unit_test(test_not_yet),    cmocka_unit_test(test_delays),
        cmocka_unit_test(test_options),    cmocka_unit_test(test_ends),
        cmocka_unit_test(test_look),       cmocka_unit_test(test_catches_up),
        cmocka_unit_test(test_moved_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
