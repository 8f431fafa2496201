/*
 * Discovery is browser, roster and liveness on one loop: what is on the network,
 * kept up to date, for a program that looks once or one that runs for ever.
 *
 * Everything runs in the thread of the loop that is handed over, callbacks
 * included; nothing blocks, even while the Avahi daemon hangs.  The roster
 * belongs to the discovery.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "daemon-view.h"
#include "discovery/base/error.h"
#include "discovery/base/key.h"
#include "discovery/match/match.h"
#include "discovery/roster/candidates.h"
#include "discovery/roster/roster.h"
#include "querier.h"

struct discovery_options {
    const char *fleet;     /* this one only; NULL: all machines */
    const struct key *key; /* the fleet's: verify; NULL: there is none */
    const char *known;     /* the state database whose machines are known; NULL: none */
    const char *domain;    /* asked by unicast DNS, beside the link; NULL: none */
    bool keep;             /* probe machines again and again */
    bool candidates;       /* look for hosts without a beacon, too */

    /* Callbacks, each may be NULL; none may free the discovery. */
    void (*change)(const struct machine *m, enum roster_change change, void *arg);
    void (*daemon)(bool there, const char *reason, void *arg); /* on each change of it */
    void (*progress)(void *arg); /* something happened: read the status */
    void *arg;
};

/* How far discovery has come. */
struct discovery_status {
    bool told;              /* it is known whether the daemon runs */
    bool there;             /* it does */
    bool silent;            /* it runs, but does not answer */
    bool all_for_now;       /* Avahi's first second is over */
    size_t unprobed;        /* machines whose first probe has no result yet */
    bool too_many;          /* some are ignored */
    uint64_t new_candidate; /* ms, CLOCK_MONOTONIC: the last one; 0: none */
    bool asking;            /* the domain has not been asked for all its machines yet */
    bool flooded;           /* flooded with unverified records: machines may answer late */
    uint64_t news;          /* ms, CLOCK_MONOTONIC: the last record or change; 0: none */
};

struct discovery;

/* Copies the options.  Fails only without memory, threads or sockets. */
int discovery_new(sd_event *loop, const struct discovery_options *options, struct discovery **ret,
                  struct error *err);
void discovery_free(struct discovery *d);
DEFINE_CLEANUP(struct discovery *, discovery_free);

struct roster *discovery_roster(struct discovery *d);
void discovery_status(const struct discovery *d, struct discovery_status *ret);

/* The hosts without a beacon, see candidates_list; none unless they were asked for.
 * -ENOMEM. */
int discovery_candidates(const struct discovery *d, struct candidate_list *ret);
bool discovery_too_many_candidates(const struct discovery *d);

/* Have our own questions found all that they can find? */
bool discovery_is_settled(const struct discovery *d);

/* Our questions to machines, and what the network lost of them. */
void discovery_count(const struct discovery *d, struct querier_counts *ret);

/* Why no machine was found, as far as is known from here, in a sentence without a
 * full stop. */
void discovery_explain_silence(const struct discovery *d, struct text *ret);

/* What is amiss with the domain, in such a sentence; nothing when all is well, or there is
 * none.  True: machines of it may be missing because of that. */
bool discovery_explain_domain(const struct discovery *d, struct text *ret);

/* For when too little was found: that other programs here have sockets on the mDNS port,
 * in such a sentence; nothing when none has. */
void discovery_explain_port(const struct discovery *d, struct text *ret);

/* For match_make: the machines that the state knows as accepted with a name.  Borrows `d`. */
struct match_holders discovery_holders(const struct discovery *d);

/* Why it cannot be read which machines are known; NULL: it can.  Borrowed. */
const char *discovery_known_trouble(const struct discovery *d);

/* What the Avahi daemon could not do or does not tell, a bit for each enum daemon_lack.
 * Nothing depends on it but machines that only Avahi can see. */
unsigned discovery_daemon_lacks(const struct discovery *d);

/* Adds a sentence for each of them; not escaped.  -ENOMEM. */
int discovery_explain_lacks(const struct discovery *d, unsigned lacks, struct strings *ret);

/* Has Avahi had the time to tell of every machine that has answered? */
bool discovery_is_compared(const struct discovery *d);

/* Machines that only Avahi knows, and that it refused to resolve: the list is known to
 * be short. */
size_t discovery_refused(const struct discovery *d);

/* That this computer has no IPv4 address, which is why machines seem to have none, in
 * such a sentence; nothing when it has one or no link. */
void discovery_explain_ipv4(const struct discovery *d, struct text *ret);

/* The machines that cannot be reached because they are in none of this computer's networks, in
 * such a sentence; nothing when there are none. */
void discovery_explain_far(const struct discovery *d, struct text *ret);

/* Instances that Avahi is still resolving, that have not answered us, and that may be
 * there all the same. */
size_t discovery_pending(const struct discovery *d);

/* Adds the instances that are only a name in Avahi's cache: nobody answered for
 * them.  The first 64, machines that are known before others, and how many more there
 * are.  -ENOMEM. */
int discovery_unanswered(const struct discovery *d, struct strings *ret, size_t *ret_more);

/* Records that do not describe a machine, "HOST (ADDRESS): reason", the first 64;
 * not escaped.  Borrowed. */
const struct strings *discovery_unreadable(const struct discovery *d);
