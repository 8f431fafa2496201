/* The roster as a state machine, with a fleet key: random claims, replays, goodbyes and true
 * records beside a model that has nothing but the newest true record of each machine.
 * TEST_SEED is the seed of the random numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "discovery/roster/roster.h"

enum { MACHINES = 4, TURNS = 20000, RECORDS_KEPT = 8, INTERFACE = 2 };

/* A signed record as it was on the air. */
struct record {
    uint64_t seq;
    unsigned name;
    uint16_t port;
};

/* What is true of a machine. */
struct truth {
    char id[ADVERT_ID_LENGTH + 1], hostkey[64], host[32], instance[32];
    struct record sent[RECORDS_KEPT]; /* the newest last */
    size_t n_sent;
    unsigned address; /* of the newest record */
    bool seen;
};

static struct truth truths[MACHINES];
static struct roster *roster;
static time_t now;
static unsigned short dice[3];

static unsigned roll(unsigned sides)
{
    return (unsigned)nrand48(dice) % sides;
}

static void make_truths(void)
{
    for (unsigned i = 0; i < MACHINES; i++) {
        struct truth *t = &truths[i];

        *t = (struct truth){.address = i};
        (void)snprintf(t->id, sizeof(t->id), "%016x", 0xabc + i);
        (void)snprintf(t->hostkey, sizeof(t->hostkey), "SHA256:%043u", i);
        (void)snprintf(t->host, sizeof(t->host), "rpi-%u.local", i);
        (void)snprintf(t->instance, sizeof(t->instance), "dcop-%.16s", t->id);
    }
}

static struct address address_of(unsigned n)
{
    return (struct address){.family = AF_INET, .bytes = {192, 0, 2, (uint8_t)n}};
}

/* One record, whoever sends it. */
static int see(const struct truth *who, const char *hostkey, const struct record *record,
               const struct sighting_key *key, const char *host, unsigned address, bool verified)
{
    char name[8];
    char *names[] = {name};
    struct address where = address_of(address);
    struct advert advert = {.agents = {names, 1},
                            .hostkey = (char *)(uintptr_t)hostkey,
                            .seq = verified ? record->seq : 0};
    const struct sighting s = {.key = *key,
                               .host = host,
                               .addresses = &where,
                               .n_addresses = 1,
                               .port = record->port,
                               .advert = &advert,
                               .verified = verified,
                               .heard = verified};

    (void)snprintf(name, sizeof(name), "a%u", record->name);
    strcpy(advert.id, who->id);
    return roster_see(roster, &s, (struct timespec){++now, 0});
}

/* Names that somebody else may use: machines' own, and free ones. */
static const char *some_instance(char room[static 64])
{
    unsigned n = roll(MACHINES + 4);

    if (n < MACHINES)
        return truths[n].instance;
    (void)snprintf(room, 64, "record-%u", n);
    return room;
}

static struct sighting_key some_key(char room[static 64])
{
    static const int protocols[] = {0, 1, SIGHTING_DIRECT};

    return (struct sighting_key){INTERFACE + (int)roll(2), protocols[roll(3)], some_instance(room),
                                 "local"};
}

/* The machine itself: under its own name, with a higher seq when something changed. */
static void send_true(struct truth *t)
{
    struct sighting_key key = {INTERFACE, 0, t->instance, "local"};
    struct record *newest = t->n_sent > 0 ? &t->sent[t->n_sent - 1] : NULL;

    if (!newest || roll(2) == 0) {
        if (t->n_sent == RECORDS_KEPT)
            memmove(t->sent, t->sent + 1, --t->n_sent * sizeof(*t->sent));
        t->sent[t->n_sent] = (struct record){newest ? t->sent[t->n_sent - 1].seq + 1 + roll(3) : 1,
                                             roll(9), (uint16_t)(22 + roll(3))};
        t->n_sent++;
    }
    if (roll(4) == 0)
        t->address = MACHINES * (roll(3)) + (unsigned)(t - truths);
    assert_int_equal(see(t, t->hostkey, &t->sent[t->n_sent - 1], &key, t->host, t->address, true),
                     0);
    t->seen = true;
}

/* Somebody else has heard it, and sends it again. */
static void send_replay(const struct truth *t)
{
    char room[64];
    struct sighting_key key = some_key(room);
    /* The host is not signed; under the machine's own name the newest one counts. */
    const char *host = strcmp(key.name, t->instance) == 0 ? t->host : "evil.local";

    if (t->n_sent > 0)
        (void)see(t, t->hostkey, &t->sent[roll((unsigned)t->n_sent)], &key, host, 100 + roll(30),
                  true);
}

/* Anything, unsigned. */
static void send_claim(const struct truth *t)
{
    char room[64], other[64];
    struct sighting_key key = some_key(room);
    const struct record record = {0, roll(9), (uint16_t)(22 + roll(3))};

    (void)snprintf(other, sizeof(other), "SHA256:%043u", 50 + roll(20));
    (void)see(t,
              roll(3) == 0   ? other
              : roll(3) == 0 ? NULL
                             : t->hostkey,
              &record, &key, roll(2) ? t->host : "evil.local", 100 + roll(30), false);
}

/* For an unsigned record, or a name that is no machine's own. */
static void send_goodbye(void)
{
    char room[64];
    struct sighting_key key = some_key(room);

    if (strncmp(key.name, "record-", 7) == 0)
        roster_lose(roster, &key, (struct timespec){++now, 0});
    else
        roster_lose_record(roster, &key, false, (struct timespec){++now, 0});
}

static void probe_a_claim(const struct truth *t)
{
    char other[64];
    const struct machine_key key = {t->id, other, 0};
    struct address where = address_of(100 + roll(30));

    (void)snprintf(other, sizeof(other), "SHA256:%043u", 50 + roll(20));
    roster_set_online(roster, &key, roll(2), &where, (struct timespec){++now, 0});
}

static void take_turn(void)
{
    struct truth *t = &truths[roll(MACHINES)];

    switch (roll(8)) {
    case 0:
        send_true(t);
        break;
    case 1:
    case 2:
        send_replay(t);
        break;
    case 3:
        send_goodbye();
        break;
    case 4:
        probe_a_claim(t);
        break;
    default:
        send_claim(t);
        break;
    }
}

static bool has_address(const struct machine *m, unsigned n)
{
    struct address a = address_of(n);

    for (size_t i = 0; i < m->n_addresses; i++)
        if (address_equal(&m->addresses[i], &a))
            return true;
    return false;
}

static void check_truth(const struct truth *t)
{
    const struct machine_key key = {t->id, t->hostkey, 0};
    const struct machine *m = roster_find(roster, &key);
    const struct record *r = &t->sent[t->n_sent - 1];
    char name[8];

    if (!t->seen)
        return;
    assert_non_null(m);
    assert_true(m->verified && !m->untrusted && m->online && !m->in_doubt && !m->cloned);
    (void)snprintf(name, sizeof(name), "a%u", r->name);
    assert_int_equal(m->advert.agents.count, 1);
    assert_string_equal(m->advert.agents.items[0], name);
    assert_int_equal(m->advert.seq, r->seq);
    assert_int_equal(m->port, r->port);
    assert_string_equal(m->host, t->host);
    assert_null(m->instance);
    assert_true(has_address(m, t->address));
}

/* Once each, and none with another key. */
static void check_list(void)
{
    size_t count, verified = 0, seen = 0;
    const struct machine *const *machines = roster_machines(roster, &count);

    for (size_t i = 0; i < count; i++)
        verified += machines[i]->verified;
    for (size_t i = 0; i < MACHINES; i++)
        seen += truths[i].seen;
    assert_int_equal(verified, seen);
    assert_true(count - verified <= ROSTER_UNTRUSTED_MAX);
}

static void no_claim_changes_what_was_verified(void **unused)
{
    const char *seed = getenv("TEST_SEED");

    (void)unused;
    dice[0] = (unsigned short)(seed ? strtoul(seed, NULL, 10) : 1);
    dice[1] = (unsigned short)(seed ? strtoul(seed, NULL, 10) >> 16 : 0);
    print_message("TEST_SEED=%s\n", seed ? seed : "1");
    roster = roster_new();
    assert_non_null(roster);
    roster_expect_signatures(roster);
    make_truths();
    for (unsigned i = 0; i < MACHINES; i++)
        send_true(&truths[i]);
    for (int turn = 0; turn < TURNS; turn++) {
        take_turn();
        for (size_t i = 0; i < MACHINES; i++)
            check_truth(&truths[i]);
        check_list();
    }
    roster_free(roster);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_claim_changes_what_was_verified),
    };

    return cmocka_run_group_tests_name("roster-claims", tests, NULL, NULL);
}
