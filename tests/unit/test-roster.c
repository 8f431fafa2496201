#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "discovery/roster/roster.h"

#define ID "0123456789abcdef"
#define KEY1 "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define KEY2 "SHA256:BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"

/* The listener's calls, one letter for each change, and the last machine. */
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
    bool verified;
    uint64_t seq;
    int interface; /* 0: 2 */
    const char *domain;
};

static int see_at(struct roster *r, const struct see *s, time_t when)
{
    char *agents[] = {(char *)s->agent};
    struct advert a = {.hostkey = (char *)s->key, .seq = s->seq};
    struct address address;
    struct sighting sighting = {
        .key = {s->interface ? s->interface : 2, s->protocol,
                s->instance ? s->instance : "dcop-" ID, s->domain ? s->domain : "local"},
        .host = s->host ? s->host : "m1.local",
        .port = 22,
        .advert = &a,
        .verified = s->verified,
    };

    sighting.addresses = &address;
    sighting.n_addresses = 1;
    if (s->agent)
        a.agents = (struct strings){agents, 1};
    strcpy(a.id, s->id ? s->id : ID);
    assert_int_equal(address_parse(s->address ? s->address : "10.0.0.1", &address), 0);
    return roster_see(r, &sighting, (struct timespec){when, 0});
}

static void lose(struct roster *r, int protocol)
{
    const struct sighting_key key = {2, protocol, "dcop-" ID, "local"};

    roster_lose(r, &key, (struct timespec){100, 0});
}

static const struct machine *find(const struct roster *r, const char *hostkey)
{
    return roster_find(r, &(struct machine_key){ID, hostkey, 0});
}

static void set_online(struct roster *r, const char *hostkey, bool online,
                       const struct address *answered, struct timespec now)
{
    roster_set_online(r, &(struct machine_key){ID, hostkey, 0}, online, answered, now);
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
    m = find(r, KEY1);
    assert_non_null(m);
    assert_false(m->online);
    assert_false(roster_is_sighted(m));
    set_online(r, KEY1, true, NULL, (struct timespec){5, 0}); /* it said goodbye */
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
    assert_false(find(r, KEY1)->in_doubt);
    see_at(r, &impostor, 2);
    assert_true(find(r, KEY1)->in_doubt);
    assert_true(find(r, KEY2)->in_doubt);
    assert_int_equal(find(r, KEY1)->n_addresses, 1);
    assert_int_equal(find(r, KEY1)->addresses[0].bytes[3], 1);
}

/* The same tuple with another key: the first machine loses it. */
static void test_tuple_changes_hands(void **state)
{
    struct log log = {0};
    CLEANUP(roster_free_p) struct roster *r = new_roster(&log);
    const struct see reflashed = {.key = KEY2, .agent = "a1"};

    (void)state;
    see_at(r, &v4, 1);
    see_at(r, &reflashed, 2);
    assert_false(find(r, KEY1)->online);
    assert_true(find(r, KEY2)->online);
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
    assert_null(find(r, NULL));
    assert_false(find(r, KEY1)->in_doubt);
}

static void test_liveness(void **state)
{
    struct log log = {0};
    CLEANUP(roster_free_p) struct roster *r = new_roster(&log);
    const struct timespec later = {50, 0};

    (void)state;
    see_at(r, &v4, 1);
    set_online(r, KEY1, true, NULL, later);
    expect(&log, "ac"); /* heard */
    assert_int_equal(find(r, KEY1)->last_seen.tv_sec, 50);
    set_online(r, KEY1, false, NULL, later);
    set_online(r, KEY1, false, NULL, later);
    expect(&log, "o");
    set_online(r, KEY1, true, NULL, later);
    expect(&log, "a");
    set_online(r, KEY2, true, NULL, later);
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
    assert_true(find(r, KEY1)->online);
    see_at(r, &v4, 2);
    expect(&log, "ac"); /* seeing it again is not a change */
    assert_int_equal(find(r, KEY1)->n_addresses, 2);
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

/* Invented host keys of an id do not keep out the one that is known. */
static void test_known_key_has_room(void **state)
{
    CLEANUP(known_clear) struct known known = {0};
    CLEANUP(roster_free_p) struct roster *r = roster_new();
    char key[] = KEY2, name[16];
    const struct see own = {.key = KEY1, .agent = "a1"};

    (void)state;
    assert_int_equal(known_add(&known, ID, KEY1), 0);
    roster_know(r, &known);
    for (int i = 0; i < ROSTER_KEYS_MAX + 4; i++) {
        const struct see s = {.key = key, .instance = name};

        key[10] = (char)('a' + i);
        (void)snprintf(name, sizeof(name), "i%d", i);
        assert_int_equal(see_at(r, &s, 1), i < ROSTER_KEYS_MAX ? 0 : -ENOSPC);
    }
    assert_int_equal(see_at(r, &own, 1), 0);
    assert_non_null(find(r, KEY1));
}

/* ---- clones: one id and one host key ---- */

#define SECOND "dcop-" ID " #2" /* Avahi's alternative name */

static const struct see clone = {
    .key = KEY1, .agent = "a3", .host = "m2.local", .address = "10.0.0.2", .instance = SECOND};

static const struct machine *find_clone(const struct roster *r)
{
    return roster_find(r, &(struct machine_key){ID, KEY1, 1});
}

static void lose_second(struct roster *r)
{
    const struct sighting_key key = {2, 0, SECOND, "local"};

    roster_lose(r, &key, (struct timespec){100, 0});
}

static void expect_clones(const struct roster *r)
{
    const struct machine *one = find(r, KEY1), *two = find_clone(r);

    assert_non_null(one);
    assert_non_null(two);
    assert_true(one->in_doubt && one->cloned && two->in_doubt && two->cloned);
    assert_string_equal(one->host, "m1.local");
    assert_string_equal(two->host, "m2.local");
    assert_int_equal(one->n_addresses, 1);
    assert_int_equal(two->n_addresses, 1);
    assert_non_null(strstr(machine_doubt(two), "clones of one image"));
}

static void test_clones(void **state)
{
    const struct machine_key second = {ID, KEY1, 1};
    struct log log = {0};
    CLEANUP(roster_free_p) struct roster *r = new_roster(&log);

    (void)state;
    see_at(r, &v4, 1);
    see_at(r, &clone, 2);
    expect_clones(r);
    expect(&log, "aacc");
    assert_null(find(r, KEY1)->instance);
    assert_string_equal(find_clone(r)->instance, SECOND);
    /* Each stays what it is, and only while both are there. */
    see_at(r, &clone, 3);
    see_at(r, &v4, 3);
    expect_clones(r);
    expect(&log, "");
    roster_set_online(r, &second, false, NULL, (struct timespec){4, 0});
    assert_false(find_clone(r)->online);
    assert_null(machine_doubt(find_clone(r)));
    assert_null(machine_doubt(find(r, KEY1)));
    assert_true(find(r, KEY1)->online);
    expect(&log, "co");
    roster_set_online(r, &second, true, NULL, (struct timespec){5, 0});
    expect_clones(r);
    lose_second(r);
    assert_false(find(r, KEY1)->in_doubt);
}

/* The one with the name goes, the other one takes it; then the first comes back. */
static void test_clones_swap_names(void **state)
{
    struct log log = {0};
    CLEANUP(roster_free_p) struct roster *r = new_roster(&log);
    const struct see first_again = {.key = KEY1, .agent = "a1", .instance = SECOND};
    const struct see second_with_name = {
        .key = KEY1, .agent = "a3", .host = "m2.local", .address = "10.0.0.2"};
    size_t n;

    (void)state;
    see_at(r, &v4, 1);
    see_at(r, &clone, 2);
    see_at(r, &second_with_name, 3);
    assert_false(find(r, KEY1)->online);
    assert_null(find_clone(r)->instance);
    lose_second(r);
    assert_true(find_clone(r)->online);
    see_at(r, &first_again, 4);
    expect_clones(r);
    (void)roster_machines(r, &n);
    assert_int_equal(n, 2);
}

/* On two links they do not disturb each other's names. */
static void test_clones_on_two_links(void **state)
{
    struct log log = {0};
    CLEANUP(roster_free_p) struct roster *r = new_roster(&log);
    const struct see other_link = {
        .key = KEY1, .agent = "a3", .host = "m2.local", .address = "10.0.0.2", .interface = 3};

    (void)state;
    see_at(r, &v4, 1);
    see_at(r, &other_link, 2);
    expect_clones(r);
}

static void expect_one(struct roster *r, const char *host)
{
    size_t n;
    const struct machine *m = roster_machines(r, &n)[0];

    assert_int_equal(n, 1);
    assert_true(m->online);
    assert_false(m->in_doubt);
    assert_string_equal(m->host, host);
}

/* One machine under a new name, and on several interfaces, is no clone. */
static void test_a_new_name_is_no_clone(void **state)
{
    struct log log = {0};
    CLEANUP(roster_free_p) struct roster *r = new_roster(&log);
    struct see s = v4, s6 = v6;

    (void)state;
    s.host = "m\xc3\xbc.local";
    see_at(r, &s, 1);
    s6.host = "M\xc3\xbc.local"; /* RFC 6762 §16: ASCII letters only */
    s6.interface = 3;
    see_at(r, &s6, 1);
    expect_one(r, s6.host);
    /* Renamed: each record in its turn. */
    s.host = s6.host = "new.local";
    see_at(r, &s, 2);
    expect_one(r, "new.local");
    see_at(r, &s6, 2);
    expect_one(r, "new.local");
    /* Gone, and back with another host and instance. */
    lose(r, 0);
    roster_lose(r, &(struct sighting_key){3, 1, "dcop-" ID, "local"}, (struct timespec){3, 0});
    see_at(r, &clone, 4);
    expect_one(r, "m2.local");
}

/* No beacon has such a name: the machine's host key decides at which address it is. */
static void try_other_name(bool first, const char *instance)
{
    struct log log = {0};
    CLEANUP(roster_free_p) struct roster *r = new_roster(&log);
    struct see other = clone;

    other.instance = instance;
    if (first)
        see_at(r, &other, 1);
    see_at(r, &v4, 2);
    see_at(r, &other, 3);
    expect_one(r, "m1.local");
    assert_int_equal(find(r, KEY1)->n_addresses, 2);
}

/* What somebody wrote into a domain is the same machine, and older than its own words. */
static void test_domain(void **state)
{
    static const struct see link = {.key = KEY1, .agent = "a1", .address = "10.0.0.1"};
    static const struct see domain = {.key = KEY1,
                                      .agent = "old",
                                      .host = "m1.lab.test",
                                      .address = "10.0.0.1",
                                      .protocol = SIGHTING_DOMAIN,
                                      .interface = -1,
                                      .domain = "lab.test"};
    const struct see *const orders[][2] = {{&link, &domain}, {&domain, &link}};
    static const char *const changes[] = {"a", "ac"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(orders); i++) {
        CLEANUP(roster_free_p) struct roster *r = roster_new();
        struct log log = {.changes = ""};
        size_t n;

        roster_listen(r, record, &log);
        assert_int_equal(see_at(r, orders[i][0], 1), 0);
        assert_int_equal(see_at(r, orders[i][1], 2), 0);
        expect(&log, changes[i]);
        (void)roster_machines(r, &n);
        assert_int_equal(n, 1);
        assert_string_equal(find(r, KEY1)->host, "m1.local");
        assert_string_equal(find(r, KEY1)->advert.agents.items[0], "a1");
        /* It is known from elsewhere when the link has lost it, or Avahi is gone. */
        roster_forget_sightings(r);
        lose(r, 0);
        expect(&log, "");
        assert_true(find(r, KEY1)->online);
        assert_int_equal(see_at(r, &domain, 3), 0);
        assert_string_equal(find(r, KEY1)->host, "m1.lab.test");
    }
}

static void test_other_names_are_no_clones(void **state)
{
    static const char *const names[] = {"x",
                                        "dcop-" ID "-2",
                                        "dcop-" ID " #",
                                        "dcop-" ID "2",
                                        "dcop-" ID " #1234",
                                        "dcop-" ID " #2 "};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        try_other_name(false, names[i]);
        try_other_name(true, names[i]);
    }
}

static void test_clones_are_bounded(void **state)
{
    CLEANUP(roster_free_p) struct roster *r = roster_new();
    char name[40];
    int n = 0;

    (void)state;
    for (int i = 0; i < ROSTER_KEYS_MAX + 4; i++) {
        const struct see s = {.key = KEY1, .instance = name, .host = name};

        (void)snprintf(name, sizeof(name), "dcop-" ID " #%d", i + 2);
        n += see_at(r, &s, 1) == -ENOSPC;
    }
    assert_int_equal(n, 4);
}

/* ---- with a fleet key ---- */

static const struct see real = {.key = KEY1, .agent = "a1", .verified = true, .seq = 5};
static const struct see real6 = {
    .key = KEY1, .agent = "a1", .address = "fd00::1", .protocol = 1, .verified = true, .seq = 5};

static struct roster *new_keyed_roster(struct log *log)
{
    struct roster *r = new_roster(log);

    roster_expect_signatures(r);
    return r;
}

static bool has_address(const struct machine *m, const char *text)
{
    struct address a;

    assert_int_equal(address_parse(text, &a), 0);
    for (size_t i = 0; i < m->n_addresses; i++)
        if (address_equal(&m->addresses[i], &a))
            return true;
    return false;
}

/* Checks that the machine of KEY1 is as it was first seen. */
static void expect_untouched(const struct roster *r)
{
    const struct machine *m = find(r, KEY1);

    assert_non_null(m);
    assert_true(m->verified);
    assert_true(m->online);
    assert_false(m->untrusted);
    assert_false(m->in_doubt);
    assert_string_equal(m->advert.agents.items[0], "a1");
    assert_string_equal(m->host, "m1.local");
    assert_true(has_address(m, "10.0.0.1"));
}

static void try_claim(const struct see *claim, bool first)
{
    struct log log = {0};
    CLEANUP(roster_free_p) struct roster *r = new_keyed_roster(&log);
    const struct sighting_key key = {2, 0, claim->instance ? claim->instance : "dcop-" ID, "local"};
    const struct machine *const *machines;
    size_t n;

    if (first)
        see_at(r, claim, 1);
    see_at(r, &real, 2);
    see_at(r, &real6, 2);
    see_at(r, claim, 3);
    expect_untouched(r);
    assert_int_equal(find(r, KEY1)->n_addresses, 2);
    machines = roster_machines(r, &n);
    assert_int_equal(n, 2);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(machines[i]->untrusted, !machines[i]->verified);
        if (machines[i]->untrusted && strcmp(machines[i]->advert.id, ID) == 0)
            assert_true(machines[i]->in_doubt);
    }
    roster_lose_record(r, &key, false, (struct timespec){4, 0});
    expect_untouched(r);
    (void)roster_machines(r, &n);
    assert_int_equal(n, 1); /* a claim is forgotten with its record */
    /* A goodbye with its name: another tuple is still known. */
    roster_lose(r, &key, (struct timespec){5, 0});
    assert_true(find(r, KEY1)->online);
}

static void test_claim_displaces_nothing(void **state)
{
    const struct see claims[] = {
        {.key = KEY1, .agent = "evil", .host = "evil.local", .address = "10.0.0.9", .seq = 99},
        {.key = KEY2, .agent = "evil", .host = "evil.local", .address = "10.0.0.9"},
        {.agent = "evil", .host = "evil.local", .address = "10.0.0.9"},
        {.key = KEY1, .agent = "evil", .instance = "dcop-x", .address = "10.0.0.9"},
        {.id = "00000000000000aa", .key = KEY1, .agent = "a1", .address = "10.0.0.9"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(claims); i++) {
        try_claim(&claims[i], false);
        try_claim(&claims[i], true);
    }
}

static void test_enrolled(void **state)
{
    struct log log = {0};
    CLEANUP(roster_free_p) struct roster *r = new_keyed_roster(&log);
    size_t n;

    (void)state;
    see_at(r, &v4, 1);
    assert_true(find(r, KEY1)->untrusted);
    see_at(r, &real, 2);
    expect_untouched(r);
    (void)roster_machines(r, &n);
    assert_int_equal(n, 1);
}

static void test_replay(void **state)
{
    struct log log = {0};
    CLEANUP(roster_free_p) struct roster *r = new_keyed_roster(&log);
    const struct see old = {
        .key = KEY1, .agent = "old", .address = "10.0.0.9", .verified = true, .seq = 4};
    const struct see twin = {
        .key = KEY1, .agent = "twin", .address = "10.0.0.9", .verified = true, .seq = 5};
    const struct see newer = {.key = KEY1, .agent = "new", .verified = true, .seq = 6};

    (void)state;
    see_at(r, &real, 1);
    see_at(r, &old, 2);
    see_at(r, &twin, 2);
    expect(&log, "a");
    expect_untouched(r);
    assert_int_equal(find(r, KEY1)->n_addresses, 1);
    see_at(r, &newer, 3);
    see_at(r, &real, 4);
    expect(&log, "c");
    assert_string_equal(find(r, KEY1)->advert.agents.items[0], "new");
    assert_true(find(r, KEY1)->advert.seq == 6);
}

/* The newest record itself, from any address and any number of times. */
static void try_replay_elsewhere(bool first)
{
    struct log log = {0};
    CLEANUP(roster_free_p) struct roster *r = new_keyed_roster(&log);
    const struct see high = {
        .key = KEY1, .agent = "a1", .verified = true, .seq = 5, .address = "10.0.9.1"};

    roster_listen(r, NULL, NULL);
    if (first)
        see_at(r, &high, 0);
    for (int i = 0; i < 2 * ROSTER_SIGHTINGS_MAX; i++) {
        char instance[40], address[20];
        const struct see s = {.key = KEY1,
                              .agent = "a1",
                              .instance = instance,
                              .address = address,
                              .verified = true,
                              .seq = 5};

        (void)snprintf(instance, sizeof(instance), "dcop-" ID " #%d", i + 2);
        (void)snprintf(address, sizeof(address), "10.0.0.%d", i);
        (void)see_at(r, &s, i);
    }
    if (!first)
        assert_int_equal(see_at(r, &high, 1000), 0); /* the machine itself */
    assert_int_equal(find(r, KEY1)->n_addresses, ROSTER_ADDRESSES_MAX);
    assert_true(has_address(find(r, KEY1), "10.0.9.1"));
}

static void test_replay_elsewhere_keeps_the_address(void **state)
{
    (void)state;
    try_replay_elsewhere(false);
    try_replay_elsewhere(true);
}

/* Nobody but a machine sends its signed record under its name, or what Avahi makes of that:
 * under another one it is nothing, also when the machine is off. */
static void test_replay_under_another_name_is_ignored(void **state)
{
    struct log log = {0};
    CLEANUP(roster_free_p) struct roster *r = new_keyed_roster(&log);
    const struct see replay = {.key = KEY1,
                               .agent = "a1",
                               .instance = "x",
                               .address = "10.0.0.9",
                               .verified = true,
                               .seq = 5};

    (void)state;
    see_at(r, &real, 1);
    see_at(r, &replay, 2);
    assert_false(has_address(find(r, KEY1), "10.0.0.9"));
    lose(r, 0);
    assert_false(find(r, KEY1)->online);
    see_at(r, &replay, 3);
    assert_false(find(r, KEY1)->online);
    assert_false(has_address(find(r, KEY1), "10.0.0.9"));
}

/* Replays by others, until the machine itself sends a newer record. */
static void test_replay_elsewhere_ends_with_news(void **state)
{
    struct log log = {0};
    CLEANUP(roster_free_p) struct roster *r = new_keyed_roster(&log);
    const struct see replay = {.key = KEY1,
                               .agent = "a1",
                               .instance = SECOND,
                               .address = "10.0.0.9",
                               .verified = true,
                               .seq = 5};
    const struct see other = {.key = KEY1,
                              .agent = "a1",
                              .address = "fd00::1",
                              .protocol = 1,
                              .verified = true,
                              .seq = 5};
    const struct see newer = {.key = KEY1, .agent = "a1", .verified = true, .seq = 6};

    (void)state;
    see_at(r, &real, 1);
    see_at(r, &other, 1);
    see_at(r, &replay, 2);
    assert_true(has_address(find(r, KEY1), "10.0.0.9"));
    see_at(r, &newer, 3);
    assert_false(has_address(find(r, KEY1), "10.0.0.9"));
    assert_true(has_address(find(r, KEY1), "10.0.0.1"));
    assert_true(has_address(find(r, KEY1), "fd00::1"));
    see_at(r, &replay, 4);
    assert_false(has_address(find(r, KEY1), "10.0.0.9"));
}

/* By another host under another name: one machine, which keeps its own. */
static void test_replay_by_another_host(void **state)
{
    struct log log = {0};
    CLEANUP(roster_free_p) struct roster *r = new_keyed_roster(&log);
    struct see replay = clone;
    size_t n;

    (void)state;
    replay.agent = "a1";
    replay.verified = true;
    replay.seq = 5;
    see_at(r, &real, 1);
    see_at(r, &replay, 2);
    expect_untouched(r);
    assert_null(find(r, KEY1)->instance);
    (void)roster_machines(r, &n);
    assert_int_equal(n, 1);
    see_at(r, &clone, 3); /* unsigned */
    expect_untouched(r);
}

/* Under the machine's own tuple: both addresses are tried. */
static void test_replay_under_its_name(void **state)
{
    struct log log = {0};
    CLEANUP(roster_free_p) struct roster *r = new_keyed_roster(&log);
    const struct see replay = {
        .key = KEY1, .agent = "a1", .verified = true, .seq = 5, .address = "10.0.0.9"};

    (void)state;
    see_at(r, &real, 1);
    see_at(r, &replay, 2);
    expect_untouched(r);
    assert_true(has_address(find(r, KEY1), "10.0.0.9"));
}

static void test_claims_are_bounded(void **state)
{
    struct log log = {0};
    CLEANUP(roster_free_p) struct roster *r = new_keyed_roster(&log);
    char instance[20];
    size_t n;

    (void)state;
    roster_listen(r, NULL, NULL);
    for (int i = 0; i < 2 * ROSTER_UNTRUSTED_MAX; i++) {
        char id[ADVERT_ID_LENGTH + 1];
        const struct see s = {.id = id, .agent = "a1", .instance = instance};

        (void)snprintf(id, sizeof(id), "%016x", (unsigned)i);
        (void)snprintf(instance, sizeof(instance), "x%d", i);
        assert_int_equal(see_at(r, &s, 1), i < ROSTER_UNTRUSTED_MAX ? 0 : -ENOSPC);
    }
    assert_int_equal(see_at(r, &real, 2), 0);
    expect_untouched(r);
    (void)roster_machines(r, &n);
    assert_int_equal(n, ROSTER_UNTRUSTED_MAX + 1);
    for (int i = 0; i < ROSTER_UNTRUSTED_MAX; i++) { /* their records end */
        const struct sighting_key key = {2, 0, instance, "local"};

        (void)snprintf(instance, sizeof(instance), "x%d", i);
        roster_lose(r, &key, (struct timespec){3, 0});
    }
    (void)roster_machines(r, &n);
    assert_int_equal(n, 1);
}

/* A full roster takes in a machine that is known, and does not forget one that has left. */
static void test_known_has_room(void **state)
{
    CLEANUP(known_clear) struct known known = {0};
    CLEANUP(roster_free_p) struct roster *r = roster_new();
    char id[ADVERT_ID_LENGTH + 1], instance[32];
    const struct see s = {.id = id, .instance = instance}, own = {.key = KEY1, .agent = "a1"};

    (void)state;
    assert_int_equal(known_add(&known, ID, KEY1), 0);
    assert_int_equal(known_add(&known, "0000000000000005", NULL), 0);
    roster_know(r, &known);
    for (unsigned i = 0; i < ROSTER_MACHINES_MAX; i++) {
        (void)snprintf(id, sizeof(id), "%016x", i);
        (void)snprintf(instance, sizeof(instance), "dcop-%s", id);
        assert_int_equal(see_at(r, &s, 1), 0);
    }
    assert_int_equal(see_at(r, &own, 1), 0);
    assert_non_null(find(r, KEY1));
    (void)snprintf(instance, sizeof(instance), "dcop-%016x", 5);
    roster_lose(r, &(struct sighting_key){2, 0, instance, "local"}, (struct timespec){2, 0});
    (void)snprintf(id, sizeof(id), "%016x", ROSTER_MACHINES_MAX);
    (void)snprintf(instance, sizeof(instance), "dcop-%s", id);
    assert_int_equal(see_at(r, &s, 3), -ENOSPC);
    assert_non_null(roster_find(r, &(struct machine_key){"0000000000000005", NULL, 0}));
}

/* A full roster forgets who left longest ago, and nobody who is there. */
static void test_departed_make_room(void **state)
{
    CLEANUP(roster_free_p) struct roster *r = roster_new();
    char id[ADVERT_ID_LENGTH + 1], instance[32];
    const struct see s = {.id = id, .agent = "a1", .instance = instance};
    size_t n;

    (void)state;
    for (unsigned i = 0; i < ROSTER_MACHINES_MAX + 1; i++) {
        (void)snprintf(id, sizeof(id), "%016x", i);
        (void)snprintf(instance, sizeof(instance), "dcop-%s", id);
        assert_int_equal(see_at(r, &s, 1 + i), i < ROSTER_MACHINES_MAX ? 0 : -ENOSPC);
    }
    for (unsigned i = 0; i < 3; i++) {
        const struct sighting_key key = {2, 0, instance, "local"};

        (void)snprintf(instance, sizeof(instance), "dcop-%016x", 100 - i);
        roster_lose(r, &key, (struct timespec){ROSTER_MACHINES_MAX + 1, 0});
    }
    (void)snprintf(id, sizeof(id), "%016x", ROSTER_MACHINES_MAX);
    (void)snprintf(instance, sizeof(instance), "dcop-%s", id);
    assert_int_equal(see_at(r, &s, ROSTER_MACHINES_MAX + 2), 0);
    (void)roster_machines(r, &n);
    assert_int_equal(n, ROSTER_MACHINES_MAX - 2);
    assert_null(roster_find(r, &(struct machine_key){"0000000000000063", NULL, 0})); /* number 99 */
    assert_non_null(roster_find(r, &(struct machine_key){"0000000000000001", NULL, 0}));
}

/* Other host keys that claim the machine's id do not displace it. */
static void test_claimed_keys_are_bounded(void **state)
{
    struct log log = {0};
    CLEANUP(roster_free_p) struct roster *r = new_keyed_roster(&log);

    (void)state;
    roster_listen(r, NULL, NULL);
    for (int i = 0; i < 2 * ROSTER_KEYS_MAX; i++) {
        char key[] = KEY2, instance[20];
        const struct see s = {.key = key, .agent = "a1", .instance = instance};

        key[10] = (char)('A' + i % 26);
        key[11] = (char)('A' + i / 26);
        (void)snprintf(instance, sizeof(instance), "y%d", i);
        assert_int_equal(see_at(r, &s, 1), i < ROSTER_KEYS_MAX ? 0 : -ENOSPC);
    }
    assert_int_equal(see_at(r, &real, 2), 0);
    expect_untouched(r);
}

/* The machine's addresses as one text. */
static void expect_addresses(const struct roster *r, const char *expected)
{
    const struct machine *m = find(r, KEY1);
    char all[200] = "", one[ADDRESS_TEXT_MAX];

    for (size_t i = 0; i < m->n_addresses; i++) {
        address_format(&m->addresses[i], one);
        (void)strcat(strcat(all, i ? " " : ""), one);
    }
    assert_string_equal(all, expected);
}

static void see_direct(struct roster *r, const struct address *addresses, size_t n,
                       const struct address *answered)
{
    const struct advert a = {.id = ID, .hostkey = (char *)KEY1};
    const struct sighting s = {.key = {2, SIGHTING_DIRECT, "dcop-" ID, "local"},
                               .addresses = addresses,
                               .n_addresses = n,
                               .heard = answered != NULL,
                               .answered = answered,
                               .port = 22,
                               .advert = &a};

    assert_int_equal(roster_see(r, &s, (struct timespec){1, 0}), 0);
}

static void test_addresses_in_order(void **state)
{
    struct log log = {0};
    CLEANUP(roster_free_p) struct roster *r = new_roster(&log);
    struct network here = {.prefix = 16};
    struct address a[3];

    (void)state;
    assert_int_equal(address_parse("10.1.0.1", &here.address), 0);
    assert_int_equal(address_parse("172.17.0.1", &a[0]), 0);
    assert_int_equal(address_parse("fd00::1", &a[1]), 0);
    assert_int_equal(address_parse("10.1.0.9", &a[2]), 0);
    roster_set_networks(r, &here, 1);
    /* Avahi gives one, which the machine's own answer replaces. */
    see_at(r, &(struct see){.key = KEY1, .address = "10.1.0.5"}, 1);
    assert_true(find(r, KEY1)->unheard);
    see_direct(r, a, 3, NULL);
    expect_addresses(r, "10.1.0.9 172.17.0.1 fd00::1");
    assert_true(find(r, KEY1)->unheard);
    see_direct(r, a, 3, &a[1]); /* heard, but not asked each: IPv4 stays first */
    expect_addresses(r, "10.1.0.9 172.17.0.1 fd00::1");
    assert_false(find(r, KEY1)->unheard);
    set_online(r, KEY1, true, &a[1], (struct timespec){20, 0}); /* a probe */
    expect_addresses(r, "fd00::1 10.1.0.9 172.17.0.1");
    /* The daemon's restart does not end what the machine says itself. */
    roster_forget_sightings(r);
    see_direct(r, a, 1, &a[0]);
    expect_addresses(r, "172.17.0.1");
}

static const struct see state_has = {.key = KEY1,
                                     .agent = "a0",
                                     .host = "10.9.0.5",
                                     .address = "10.9.0.5",
                                     .protocol = SIGHTING_BY_HAND,
                                     .interface = -1};

static void lose_by_hand(struct roster *r)
{
    const struct sighting_key key = {-1, SIGHTING_BY_HAND, "dcop-" ID, "local"};

    roster_lose(r, &key, (struct timespec){100, 0});
}

static void forget_by_hand(struct roster *r)
{
    const struct sighting_key key = {-1, SIGHTING_BY_HAND, "dcop-" ID, "local"};

    roster_forget(r, &key, false);
}

static void test_by_hand_alone(void **state)
{
    struct log log = {0};
    CLEANUP(roster_free_p) struct roster *r = new_roster(&log);
    size_t n;

    (void)state;
    see_at(r, &state_has, 1);
    expect(&log, "a");
    assert_true(find(r, KEY1)->by_hand);
    assert_true(find(r, KEY1)->unheard); /* until it was probed */
    set_online(r, KEY1, false, NULL, (struct timespec){2, 0});
    expect(&log, "o");
    assert_true(find(r, KEY1)->by_hand);
    roster_forget_sightings(r); /* by a restart of Avahi it is as it was */
    set_online(r, KEY1, true, NULL, (struct timespec){3, 0});
    expect(&log, "a");
    set_online(r, KEY1, false, NULL, (struct timespec){4, 0});
    forget_by_hand(r);
    expect(&log, "oo");
    assert_true(log.last.forgotten);
    (void)roster_machines(r, &n);
    assert_int_equal(n, 0);
}

/* It is near again (the service's card was out): it is not forgotten until it tells of itself. */
static void test_by_hand_lost(void **state)
{
    struct log log = {0};
    CLEANUP(roster_free_p) struct roster *r = new_roster(&log);

    (void)state;
    see_at(r, &state_has, 1);
    lose_by_hand(r);
    expect(&log, "ao");
    assert_non_null(find(r, KEY1));
    assert_false(log.last.forgotten);
    assert_false(find(r, KEY1)->online);
    see_at(r, &v4, 2);
    expect(&log, "a");
    assert_false(find(r, KEY1)->by_hand);
    forget_by_hand(r); /* no record of the state is left */
    assert_true(find(r, KEY1)->online);
    /* The state has another host key for it. */
    lose(r, 0);
    see_at(r, &state_has, 3);
    log.count = 0;
    see_at(r,
           &(struct see){
               .key = KEY2, .address = "10.9.0.5", .protocol = SIGHTING_BY_HAND, .interface = -1},
           4);
    assert_null(find(r, KEY1));
    assert_true(find(r, KEY2)->online);
}

/* The machine's own word counts more, in whatever order they come. */
static void test_by_hand_and_seen(void **state)
{
    struct log log = {0};
    CLEANUP(roster_free_p) struct roster *r = new_roster(&log);
    size_t n;

    (void)state;
    for (int first = 0; first < 2; first++) {
        see_at(r, first ? &v4 : &state_has, 1);
        see_at(r, first ? &state_has : &v4, 2);
        see_at(r, &state_has, 3);
        (void)roster_machines(r, &n);
        assert_int_equal(n, 1);
        assert_false(find(r, KEY1)->by_hand);
        assert_string_equal(find(r, KEY1)->advert.agents.items[0], "a1");
        assert_string_equal(find(r, KEY1)->host, "m1.local");
        lose(r, 0);
        assert_true(find(r, KEY1)->by_hand && find(r, KEY1)->online);
        forget_by_hand(r);
        assert_null(find(r, KEY1));
    }
}

/* With a fleet key, what the state has is as good as signed; others' claims are not. */
static void test_by_hand_and_claims(void **state)
{
    CLEANUP(roster_free_p) struct roster *r = roster_new();
    struct see known = state_has, signed_now = v4, claim = v4;

    (void)state;
    assert_non_null(r);
    roster_expect_signatures(r);
    known.verified = signed_now.verified = true;
    signed_now.seq = 5;
    claim.agent = "evil";
    see_at(r, &known, 1);
    see_at(r, &claim, 2);
    assert_false(find(r, KEY1)->untrusted);
    assert_string_equal(find(r, KEY1)->advert.agents.items[0], "a0");
    see_at(r, &signed_now, 3);
    assert_false(find(r, KEY1)->by_hand);
    assert_string_equal(find(r, KEY1)->advert.agents.items[0], "a1");
}

/* With a fleet key, too, the state's word may change, and comes after a record of the machine; an
 * old record is no newer for that. */
static void test_by_hand_changes(void **state)
{
    CLEANUP(roster_free_p) struct roster *r = roster_new();
    struct see known = state_has, heard = v4;

    (void)state;
    assert_non_null(r);
    roster_expect_signatures(r);
    known.verified = heard.verified = true;
    see_at(r, &known, 1);
    known.agent = "a2";
    known.address = "10.9.0.6";
    see_at(r, &known, 2);
    assert_string_equal(find(r, KEY1)->advert.agents.items[0], "a2");
    expect_addresses(r, "10.9.0.6");

    heard.seq = 9;
    see_at(r, &heard, 3);
    assert_string_equal(find(r, KEY1)->advert.agents.items[0], "a1");
    lose(r, 0);
    assert_true(find(r, KEY1)->by_hand && find(r, KEY1)->online);
    known.agent = "a3";
    see_at(r, &known, 4);
    assert_string_equal(find(r, KEY1)->advert.agents.items[0], "a3");
    heard.seq = 8;
    see_at(r, &heard, 5);
    assert_string_equal(find(r, KEY1)->advert.agents.items[0], "a3");
    heard.seq = 9; /* back on the link */
    see_at(r, &heard, 6);
    assert_string_equal(find(r, KEY1)->advert.agents.items[0], "a1");
    assert_false(find(r, KEY1)->by_hand);

    /* Away from the link before the state tells of it. */
    lose_by_hand(r);
    lose(r, 0);
    assert_false(find(r, KEY1)->online);
    see_at(r, &known, 7);
    assert_true(find(r, KEY1)->by_hand && find(r, KEY1)->online);
    assert_string_equal(find(r, KEY1)->advert.agents.items[0], "a3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_hand_changes),
        cmocka_unit_test(test_by_hand_alone),
        cmocka_unit_test(test_by_hand_lost),
        cmocka_unit_test(test_by_hand_and_seen),
        cmocka_unit_test(test_by_hand_and_claims),
        cmocka_unit_test(test_one_machine_two_protocols),
        cmocka_unit_test(test_change_and_goodbye),
        cmocka_unit_test(test_another_host_key_is_another_machine),
        cmocka_unit_test(test_tuple_changes_hands),
        cmocka_unit_test(test_key_told_later),
        cmocka_unit_test(test_liveness),
        cmocka_unit_test(test_daemon_restart),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_clones),
        cmocka_unit_test(test_clones_swap_names),
        cmocka_unit_test(test_clones_on_two_links),
        cmocka_unit_test(test_a_new_name_is_no_clone),
        cmocka_unit_test(test_other_names_are_no_clones),
        cmocka_unit_test(test_clones_are_bounded),
        cmocka_unit_test(test_domain),
        cmocka_unit_test(test_claim_displaces_nothing),
        cmocka_unit_test(test_enrolled),
        cmocka_unit_test(test_replay),
        cmocka_unit_test(test_replay_elsewhere_keeps_the_address),
        cmocka_unit_test(test_replay_under_another_name_is_ignored),
        cmocka_unit_test(test_replay_elsewhere_ends_with_news),
        cmocka_unit_test(test_replay_by_another_host),
        cmocka_unit_test(test_replay_under_its_name),
        cmocka_unit_test(test_claims_are_bounded),
        cmocka_unit_test(test_departed_make_room),
        cmocka_unit_test(test_known_has_room),
        cmocka_unit_test(test_known_key_has_room),
        cmocka_unit_test(test_claimed_keys_are_bounded),
        cmocka_unit_test(test_addresses_in_order),
    };

    return cmocka_run_group_tests_name("roster", tests, NULL, NULL);
}
