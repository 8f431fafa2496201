/*
 * A browser turns what Avahi says about one service type into plain values.
 *
 * Calls into Avahi's client library are synchronous D-Bus calls: they block for
 * up to 25 s (libdbus's default) while the daemon hangs.  So a browser has a
 * thread and a loop of its own, and hands events over by a queue; nothing here
 * ever blocks the user, who owns the events taken (browser_event_free).
 *
 * All functions belong to the user's thread.  When the daemon (or D-Bus) stops,
 * the browser reports it, retries by itself, and starts again: every tuple
 * reported before BROWSER_DAEMON_GONE is void.
 */
#pragma once

#include <stdint.h>

#include "discovery/base/avahi-limit.h"
#include "discovery/base/error.h"
#include "discovery/base/key.h"
#include "discovery/roster/roster.h"

enum browser_event_type {
    BROWSER_DAEMON_THERE, /* the daemon answers; browsing starts */
    BROWSER_DAEMON_GONE,  /* or was not there in the first place; `reason` */
    BROWSER_FOUND,        /* a new tuple, not resolved yet: `sighting.key` only */
    BROWSER_RESOLVED,     /* for the first time, or anew because its record changed */
    BROWSER_UNREADABLE,   /* resolved, but not a valid record of a machine; `reason` */
    BROWSER_UNRESOLVED,   /* no answer (yet) to the resolver, `reason`; or refused: `limit` */
    BROWSER_REMOVED,      /* `sighting.key` only */
    BROWSER_RELEASED,     /* after browser_set_heard: the tuple is there, no more of its record */
    BROWSER_ALL_FOR_NOW,  /* Avahi's one-second timer (not a promise) */
    BROWSER_LIMIT,        /* the daemon refused something: `limit`; once for each */
    BROWSER_ACCEPTED,     /* it lets us browse, after it had refused that */
    BROWSER_TOO_MANY,     /* BROWSER_TUPLES_MAX reached: what comes now is ignored */
};

enum {
    BROWSER_TUPLES_MAX = 16384,
    BROWSER_QUEUE_MAX = 4096,         /* then the browser's thread waits */
    BROWSER_OBJECTS_PER_CLIENT = 900, /* avahi-daemon's limit is 1024 (objects-per-client-max) */
};

struct browser_event {
    enum browser_event_type type;
    struct sighting sighting; /* its strings and advert belong to the event */
    struct advert advert;     /* BROWSER_RESOLVED: sighting.advert points here */
    struct address address;   /* likewise: sighting.addresses */
    char *reason;             /* for people, not escaped; NULL: none */
    enum avahi_limit limit;   /* of the daemon, that was reached */
    size_t pending;           /* tuples that wait for their first resolution, as of this event */
};

void browser_event_free(struct browser_event *e);

struct browser;

/* Browses for a fleet's subtype, NULL: for all machines.  The daemon need not
 * run.  With a key (copied; NULL: none), sightings say whether they are
 * verified.  Fails only without memory or threads. */
int browser_new(const char *fleet, const struct key *key, struct browser **ret, struct error *err);

/* Ends the thread and waits for it, for at most BROWSER_STOP_MS: a thread that
 * hangs in D-Bus is then left behind, and frees its memory when D-Bus returns
 * (never, when the program exits first). */
enum { BROWSER_STOP_MS = 300 };
void browser_free(struct browser *b);
DEFINE_CLEANUP(struct browser *, browser_free);

/* The instance of this key (whose protocol does not matter) is heard without Avahi, or
 * no longer.  What is heard is not resolved: each open resolver costs the daemon a
 * question to the network every two minutes.  Its coming and going is reported all the
 * same.  Never blocks; without memory or room it is as if it had not been called. */
void browser_set_heard(struct browser *b, const struct sighting_key *key, bool heard);

int browser_fd(const struct browser *b);               /* readable while there are events */
struct browser_event *browser_take(struct browser *b); /* NULL: none now */

/* How long the thread has been inside its present call, in ms; 0: it is idle.
 * More than a second or so means that the daemon does not answer. */
unsigned browser_stuck_ms(const struct browser *b);
