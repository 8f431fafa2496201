/*
 * What the files of the browser share: browser.c has the thread and the daemon's clients,
 * browser-tuple.c what the daemon tells of and resolves, browser-event.c what is handed
 * over.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <systemd/sd-event.h>

#include <avahi-client/client.h>
#include <avahi-client/lookup.h>

#include "browser.h"
#include "discovery/base/avahi-poll.h"
#include "discovery/base/hash.h"
#include "discovery/base/queue.h"

enum {
    CLIENTS_MAX = (BROWSER_TUPLES_MAX + BROWSER_OBJECTS_PER_CLIENT) / BROWSER_OBJECTS_PER_CLIENT,
};

/* One (interface, protocol, name, domain), with its resolver kept open; or, with the
 * protocol SIGHTING_DIRECT, an instance that is heard without Avahi. */
struct tuple {
    struct browser *browser;
    AvahiServiceResolver *resolver;
    struct client *client;
    struct sighting_key key; /* strings point into `bytes` */
    bool settled;            /* resolved, or failed to, at least once */
    bool heard;              /* of an order: what browser_set_heard was told */
    bool own;                /* this host announces it */
    UT_hash_handle hh;
    size_t size;
    char bytes[];
};

struct client {
    AvahiClient *avahi;
    size_t objects;
};

/*
 * The queues, the two descriptors, `users` and `busy_since` are shared; the rest belongs to
 * the thread once it runs.
 */
struct browser {
    struct queue *queue;
    struct queue *orders; /* to the thread: tuples for browser_set_heard */
    int stop_fd;          /* readable: the owner asks the thread to end */
    int done_fd;          /* readable: the thread has ended, but for its last lines */
    pthread_t thread;
    atomic_int users;            /* the owner and the thread; the last one frees */
    _Atomic uint64_t busy_since; /* ms, CLOCK_MONOTONIC; 0: waiting for events */

    char *type;      /* what is browsed for: ADVERT_TYPE or a subtype of it */
    struct key *key; /* the fleet's; NULL: none */
    sd_event *loop;
    struct avahi_poll *poll;
    sd_event_source *retry; /* timer: rebuild everything */
    struct client clients[CLIENTS_MAX];
    AvahiServiceBrowser *avahi;
    struct tuple *tuples;
    struct tuple *heard; /* instances */
    size_t pending;
    bool there;     /* the daemon's state as last reported */
    bool told_gone; /* so that one absence is reported once */
    bool told_many;
    bool told_limit[AVAHI_LIMITS];
    enum avahi_limit refused; /* the last one */
};

/* A client that has room for one more resolver; NULL: there is none. */
struct client *browser_pick_client(struct browser *b);

/* ---- browser-tuple.c ---- */

/* With its hash key: numbers, name, domain.  In no table yet; free(3).  NULL: without
 * memory, or its strings are too long. */
struct tuple *browser_make_tuple(struct browser *b, const struct sighting_key *key);

/* The daemon tells of it (`own`: this host announces it), or no longer. */
void browser_add_tuple(struct browser *b, const struct sighting_key *key, bool own);
void browser_remove_tuple(struct browser *b, const struct sighting_key *key);

/* Takes the order, which it frees or keeps. */
void browser_take_order(struct browser *b, struct tuple *order);

/* ---- browser-event.c ---- */

DEFINE_CLEANUP(struct browser_event *, browser_event_free);

/* A new event, with the tuple's key if one is given; NULL without memory. */
struct browser_event *browser_make_event(enum browser_event_type type, const struct tuple *t);

/* Takes the event.  A full queue means that the user is behind: waits for room, or for
 * the end. */
void browser_push_event(struct browser *b, struct browser_event *e);

/* Without memory an event is lost; the next record or daemon brings another. */
void browser_push_news(struct browser *b, enum browser_event_type type, const struct tuple *t,
                       const char *reason);
void browser_push_limit(struct browser *b, enum browser_event_type type, const struct tuple *t,
                        enum avahi_limit limit);

/* Is this error a limit of the daemon?  If so, reports it, once. */
bool browser_is_limit(struct browser *b, int error);
