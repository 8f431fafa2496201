/* What the tests of the roster share: sightings, and what the listener is told. */
#pragma once

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

static inline void record(const struct machine *m, enum roster_change change, void *arg)
{
    struct log *log = arg;

    assert_true(log->count < sizeof(log->changes) - 1);
    log->changes[log->count++] = "aco"[change];
    log->last = *m;
}

static inline void expect(struct log *log, const char *changes)
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
    bool heard;
};

static inline int see_at(struct roster *r, const struct see *s, time_t when)
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
        .heard = s->heard,
    };

    sighting.addresses = &address;
    sighting.n_addresses = 1;
    if (s->agent)
        a.agents = (struct strings){agents, 1};
    strcpy(a.id, s->id ? s->id : ID);
    assert_int_equal(address_parse(s->address ? s->address : "10.0.0.1", &address), 0);
    return roster_see(r, &sighting, (struct timespec){when, 0});
}

static inline void lose(struct roster *r, int protocol)
{
    const struct sighting_key key = {2, protocol, "dcop-" ID, "local"};

    roster_lose(r, &key, (struct timespec){100, 0});
}

static inline const struct machine *find(const struct roster *r, const char *hostkey)
{
    return roster_find(r, &(struct machine_key){ID, hostkey, 0});
}

static inline void set_online(struct roster *r, const char *hostkey, bool online,
                              const struct address *answered, struct timespec now)
{
    roster_set_online(r, &(struct machine_key){ID, hostkey, 0}, online, answered, now);
}

static const struct see v4 = {.key = KEY1, .agent = "a1"};
static const struct see v6 = {.key = KEY1, .agent = "a1", .address = "fd00::1", .protocol = 1};

static inline struct roster *new_roster(struct log *log)
{
    struct roster *r = roster_new();

    assert_non_null(r);
    roster_listen(r, record, log);
    return r;
}

/* The machine's addresses as one text. */
static inline void expect_addresses(const struct roster *r, const char *expected)
{
    const struct machine *m = find(r, KEY1);
    char all[200] = "", one[ADDRESS_TEXT_MAX];

    for (size_t i = 0; i < m->n_addresses; i++) {
        address_format(&m->addresses[i], one);
        (void)strcat(strcat(all, i ? " " : ""), one);
    }
    assert_string_equal(all, expected);
}

/* A second machine with the same id and host key. */
#define SECOND "dcop-" ID " #2" /* Avahi's alternative name */

static const struct see clone = {
    .key = KEY1, .agent = "a3", .host = "m2.local", .address = "10.0.0.2", .instance = SECOND};

/* ---- with a fleet key ---- */

static const struct see real = {.key = KEY1, .agent = "a1", .verified = true, .seq = 5};
static const struct see real6 = {
    .key = KEY1, .agent = "a1", .address = "fd00::1", .protocol = 1, .verified = true, .seq = 5};

static inline struct roster *new_keyed_roster(struct log *log)
{
    struct roster *r = new_roster(log);

    roster_expect_signatures(r);
    return r;
}

static inline bool has_address(const struct machine *m, const char *text)
{
    struct address a;

    assert_int_equal(address_parse(text, &a), 0);
    for (size_t i = 0; i < m->n_addresses; i++)
        if (address_equal(&m->addresses[i], &a))
            return true;
    return false;
}

/* Checks that the machine of KEY1 is as it was first seen. */
static inline void expect_untouched(const struct roster *r)
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
