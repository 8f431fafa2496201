/*
 * A domain's machines, by unicast DNS service discovery (RFC 6763): what other subnets
 * need, where multicast does not go.
 *
 * libresolv blocks, for seconds where no server answers: so a domain has threads of its
 * own, and hands events over by a queue.  One asks for the instances and, with
 * DOMAIN_LANES - 1 helpers, for the records of each.  Nothing here blocks the user, who
 * owns the events that are taken (domain_event_free), and whose thread all functions
 * belong to.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "discovery/base/error.h"
#include "discovery/base/key.h"
#include "discovery/roster/roster.h"

enum domain_event_type {
    DOMAIN_RECORD,     /* new or changed: `sighting` */
    DOMAIN_UNREADABLE, /* not a record of a machine: `sighting.key`, `reason` */
    DOMAIN_GONE,       /* `sighting.key` only */
    DOMAIN_TOLD,       /* all that the domain has were asked: `reason` if something is amiss,
                        * `is_short` if machines may be missing because of it */
};

enum {
    DOMAIN_LANES = 8,
    DOMAIN_EVERY_MS = 60 * 1000, /* until it is asked again */
    DOMAIN_RETRY_MS = 10 * 1000, /* where it could not be asked */
    DOMAIN_QUEUE_MAX = 8192,     /* more than two events for each machine */
    DOMAIN_STOP_MS = 300,
};

struct domain_event {
    enum domain_event_type type;
    struct sighting sighting;                       /* its strings and advert belong to the event */
    struct advert advert;                           /* DOMAIN_RECORD: sighting.advert points here */
    struct address addresses[ROSTER_ADDRESSES_MAX]; /* likewise */
    char *reason;                                   /* for people, not escaped; NULL: none */
    bool is_short;
};

void domain_event_free(struct domain_event *e);
DEFINE_CLEANUP(struct domain_event *, domain_event_free);

struct domain;

/* Can this be asked for?  -EINVAL with what is wrong with it. */
int domain_check(const char *name, struct error *err);

/* Starts to ask for a domain; -EINVAL as domain_check; with a key (copied; NULL: none),
 * sightings say whether they are verified.  `again`: every DOMAIN_EVERY_MS.  Else fails
 * only without memory or threads. */
int domain_new(const char *name, const struct key *key, bool again, struct domain **ret,
               struct error *err);

/* Ends the threads, and waits for them for at most DOMAIN_STOP_MS: those that wait for a
 * server are then left behind, and free what is theirs when it has answered. */
void domain_free(struct domain *d);
DEFINE_CLEANUP(struct domain *, domain_free);

int domain_fd(const struct domain *d);              /* readable while there are events */
struct domain_event *domain_take(struct domain *d); /* NULL: none now */
