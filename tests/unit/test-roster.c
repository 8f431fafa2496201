#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "discovery/roster.h"

#define ID "0123456789abcdef"
#define KEY1 "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define KEY2 "SHA256:BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"

/* What the listener was told, one letter a change, and of whom last. */
struct log {
    char changes[64];
    size_t count;
    struct machine last; /* borrowed content */
};

static void record(const struct machine *m, enum roster_change change, void *arg)
{
    struct log *log = arg;

    assert_true(log->count < sizeof(log->changes) - 1);
    log->changes[log->count++] = "aco"[change];
    log->last = *m;
}

static void expect(struct log *log, const char *changes)
{
    assert_string_equal(log->changes, changes);
    memset(log->changes, 0, sizeof(log->changes));
    log->count = 0;
}

/* One sighting of a machine; NULL name: no agent. */
struct see {
    const char *id, *key, *agent, *host, *address;
    int protocol;
    const char *instance;
};

static int see_at(struct roster *r, const struct see *s, time_t when)
{
    char *agents[] = {(char *)s->agent};
    struct advert a = {.hostkey = (char *)s->key};
    struct sighting sighting = {
        .key = {2, s->protocol, s->instance ? s->instance : "dcop-" ID, "local"},
        .host = s->host ? s->host : "m1.local",
        .port = 22,
        .advert = &a,
    };

    if (s->agent)
        a.agents = (struct strings){agents, 1};
    strcpy(a.id, s->id ? s->id : ID);
    assert_int_equal(address_parse(s->address ? s->address : "10.0.0.1", &sighting.address), 0);
    return roster_see(r, &sighting, (struct timespec){when, 0});
}

static void lose(struct roster *r, int protocol)
{
    const struct sighting_key key = {2, protocol, "dcop-" ID, "local"};

    roster_lose(r, &key, (struct timespec){100, 0});
}

static const struct see v4 = {.key = KEY1, .agent = "a1"};
static const struct see v6 = {.key = KEY1, .agent = "a1", .address = "fd00::1", .protocol = 1};

static struct roster *new_roster(struct log *log)
{
    struct roster *r = roster_new();

    assert_non_null(r);
    roster_listen(r, record, log);
    return r;
}

static void test_one_machine_two_protocols(void **state)
{
    struct log log = {0};
    CLEANUP(roster_free_p) struct roster *r = new_roster(&log);
    const struct see link = {
        .key = KEY1, .agent = "a1", .address = "fe80::1%1", .protocol = 1, .instance = "other"};
    char text[ADDRESS_TEXT_MAX];
    size_t n;

    (void)state;
    see_at(r, &link, 1);
    see_at(r, &v6, 1);
    see_at(r, &v4, 2);
    expect(&log, "acc");
    see_at(r, &v4, 3);
    see_at(r, &v6, 3);
    expect(&log, "");
    roster_machines(r, &n);
    assert_int_equal(n, 1);
    assert_int_equal(log.last.n_addresses, 3);
    address_format(&log.last.addresses[0], text);
    assert_string_equal(text, "10.0.0.1");
    address_format(&log.last.addresses[1], text);
    assert_string_equal(text, "fd00::1");
    address_format(&log.last.addresses[2], text);
    assert_string_equal(text, "fe80::1%lo");
}

static void test_change_and_goodbye(void **state)
{
    struct log log = {0};
    CLEANUP(roster_free_p) struct roster *r = new_roster(&log);
    const struct see renamed = {.key = KEY1, .agent = "b1"};
    const struct machine *m;

    (void)state;
    see_at(r, &v4, 1);
    see_at(r, &v6, 1);
    see_at(r, &renamed, 2);
    expect(&log, "acc");
    lose(r, 1);
    expect(&log, "c");
    lose(r, 0);
    lose(r, 0);
    expect(&log, "o");
    m = roster_find(r, ID, KEY1);
    assert_non_null(m);
    assert_false(m->online);
    assert_false(roster_is_sighted(m));
    roster_set_online(r, ID, KEY1, true, (struct timespec){5, 0}); /* it said goodbye */
    expect(&log, "");
    see_at(r, &v4, 9);
    expect(&log, "a");
    assert_int_equal(m->first_seen.tv_sec, 1);
    assert_int_equal(m->last_seen.tv_sec, 9);
}

static void test_another_host_key_is_another_machine(void **state)
{
    struct log log = {0};
    CLEANUP(roster_free_p) struct roster *r = new_roster(&log);
    const struct see impostor = {
        .key = KEY2, .agent = "a1", .instance = "dcop-x", .address = "10.0.0.9"};

    (void)state;
    see_at(r, &v4, 1);
    assert_false(roster_find(r, ID, KEY1)->in_doubt);
    see_at(r, &impostor, 2);
    assert_true(roster_find(r, ID, KEY1)->in_doubt);
    assert_true(roster_find(r, ID, KEY2)->in_doubt);
    assert_int_equal(roster_find(r, ID, KEY1)->n_addresses, 1);
    assert_int_equal(roster_find(r, ID, KEY1)->addresses[0].bytes[3], 1);
}

/* The same tuple with another key: the first machine has lost it. */
static void test_tuple_changes_hands(void **state)
{
    struct log log = {0};
    CLEANUP(roster_free_p) struct roster *r = new_roster(&log);
    const struct see reflashed = {.key = KEY2, .agent = "a1"};

    (void)state;
    see_at(r, &v4, 1);
    see_at(r, &reflashed, 2);
    assert_false(roster_find(r, ID, KEY1)->online);
    assert_true(roster_find(r, ID, KEY2)->online);
}

static void test_key_told_later(void **state)
{
    struct log log = {0};
    CLEANUP(roster_free_p) struct roster *r = new_roster(&log);
    const struct see keyless = {.agent = "a1"};
    size_t n;

    (void)state;
    see_at(r, &keyless, 1);
    see_at(r, &v4, 2);
    expect(&log, "ac");
    roster_machines(r, &n);
    assert_int_equal(n, 1);
    assert_null(roster_find(r, ID, NULL));
    assert_false(roster_find(r, ID, KEY1)->in_doubt);
}

static void test_liveness(void **state)
{
    struct log log = {0};
    CLEANUP(roster_free_p) struct roster *r = new_roster(&log);
    const struct timespec later = {50, 0};

    (void)state;
    see_at(r, &v4, 1);
    roster_set_online(r, ID, KEY1, true, later);
    expect(&log, "a");
    assert_int_equal(roster_find(r, ID, KEY1)->last_seen.tv_sec, 50);
    roster_set_online(r, ID, KEY1, false, later);
    roster_set_online(r, ID, KEY1, false, later);
    expect(&log, "o");
    roster_set_online(r, ID, KEY1, true, later);
    expect(&log, "a");
    roster_set_online(r, ID, KEY2, true, later);
    expect(&log, "");
}

static void test_daemon_restart(void **state)
{
    struct log log = {0};
    CLEANUP(roster_free_p) struct roster *r = new_roster(&log);

    (void)state;
    see_at(r, &v4, 1);
    see_at(r, &v6, 1);
    roster_forget_sightings(r);
    assert_true(roster_find(r, ID, KEY1)->online);
    see_at(r, &v4, 2);
    expect(&log, "ac"); /* what is seen again is no news */
    assert_int_equal(roster_find(r, ID, KEY1)->n_addresses, 2);
    lose(r, 0); /* the other one was never confirmed */
    expect(&log, "o");
}

static void test_order(void **state)
{
    static const char *const agents[] = {"a10", NULL, "a2", "b", "a02", "a1"};
    static const char *const sorted[] = {"a1", "a02", "a2", "a10", "b", NULL};
    struct log log = {0};
    CLEANUP(roster_free_p) struct roster *r = new_roster(&log);
    const struct machine *const *machines;
    size_t n;

    (void)state;
    for (size_t i = 0; i < 6; i++) {
        char id[ADVERT_ID_LENGTH + 1];
        struct see s = {.id = id, .key = KEY1, .agent = agents[i], .instance = id};

        snprintf(id, sizeof(id), "%016zx", i);
        assert_int_equal(see_at(r, &s, 1), 0);
    }
    machines = roster_machines(r, &n);
    assert_int_equal(n, 6);
    for (size_t i = 0; i < n; i++) {
        const struct strings *names = &machines[i]->advert.agents;

        assert_true(string_equal(names->count ? names->items[0] : NULL, sorted[i]));
    }
}

static void test_bounds(void **state)
{
    struct log log = {0};
    CLEANUP(roster_free_p) struct roster *r = roster_new();
    char key[] = KEY1, name[16];
    int n = 0;

    (void)state, (void)log;
    for (int i = 0; i < ROSTER_KEYS_MAX + 4; i++) {
        struct see s = {.key = key, .instance = name};

        key[10] = (char)('a' + i);
        snprintf(name, sizeof(name), "i%d", i);
        n += see_at(r, &s, 1) == -ENOSPC;
    }
    assert_int_equal(n, 4);
    n = 0;
    for (int i = 0; i < ROSTER_SIGHTINGS_MAX + 3; i++) {
        struct see s = {.id = "ffffffffffffffff", .instance = name};

        snprintf(name, sizeof(name), "j%d", i);
        n += see_at(r, &s, 1) == -ENOSPC;
    }
    assert_int_equal(n, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_machine_two_protocols),
        cmocka_unit_test(test_change_and_goodbye),
        cmocka_unit_test(test_another_host_key_is_another_machine),
        cmocka_unit_test(test_tuple_changes_hands),
        cmocka_unit_test(test_key_told_later),
        cmocka_unit_test(test_liveness),
        cmocka_unit_test(test_daemon_restart),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_bounds),
    };

    return cmocka_run_group_tests_name("roster", tests, NULL, NULL);
}
