/*
 * A querier asks the link for adverts by itself, beside the Avahi daemon.  The
 * daemon asks ever more seldom (its back-off doubles up to an hour), its cache
 * has room for some 4096 records and drops the rest silently, and its resolver
 * gives one address of several; a question of our own depends on none of that.
 *
 * Machines that are known (querier_know) are asked for by name as well, and are taken
 * beyond all bounds: those who tell of thousands of others keep none of them out.
 *
 * It asks by multicast on every link, over IPv4 and IPv6, from a port of its own:
 * each machine answers that port at once (RFC 6762 §6.7), with all its records.
 * It listens to the multicast group as well, on IPv4 (on IPv6 where a link has no other),
 * beside the daemon (RFC 6762 §15.1), and never to unicast packets to the mDNS port, which the
 * daemon gets.  A host firewall may drop the answers: while nobody answers, it asks
 * from the mDNS port as well, so that the answers come to the group, and the questions
 * are such that Avahi asks, too.
 *
 * Questions are lost on a Wi-Fi's multicast, so it asks again: until every
 * machine that is known has answered two questions, or until so many were asked
 * that, at the loss seen, hardly one can have missed them all.
 *
 * Without a fleet key anybody can invent machines: one sender may tell of
 * QUERIER_PER_SOURCE_MAX, and what nobody tells of any more expires.
 *
 * With a fleet key it takes the signed records only, and keeps nothing of
 * others: a flood of false adverts must not hide the real ones.  After an unsigned
 * record under the name of a signed one that machine is asked (querier_confirm).
 *
 * With querier_seek it asks for hosts without a beacon, too, in a question of their own.
 *
 * Runs on the caller's loop and in its thread; never blocks.
 */
#pragma once

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "discovery/base/error.h"
#include "discovery/base/key.h"
#include "discovery/known/known.h"
#include "discovery/roster/candidates.h"
#include "discovery/roster/roster.h"
#include "links.h"

enum {
    QUERIER_INSTANCES_MAX = 16384, /* records beyond that are ignored */
    /* Of one sender, by the source address of its packets.  A reflector sends for a
     * whole class or lab. */
    QUERIER_PER_SOURCE_MAX = 2000,
    /* After querier_confirm a machine has so long to answer. */
    QUERIER_CONFIRM_MS = 1500,
};

struct querier;

struct querier_listener {
    /* A record, whenever it is heard; its key's protocol is SIGHTING_DIRECT.
     * Borrowed. */
    void (*seen)(const struct sighting *s, void *arg);
    /* Heard, but not a valid record of a machine; why. */
    void (*unreadable)(const struct sighting *s, const char *reason, void *arg);
    /* After querier_confirm: nobody answered for that instance (with a fleet key: signed);
     * called once for each tuple that may exist.  `doubted`: because of an unsigned record
     * under its name, so that no older signed one is to be believed either. */
    void (*silent)(const struct sighting_key *key, bool doubted, void *arg);
    /* A bound was reached, and records are ignored: of this sender, NULL: of all.  Once
     * for each sender that is known. */
    void (*too_many)(const struct address *from, void *arg);
    /* Something new was told of a candidate; NULL: nothing is done. */
    void (*candidate)(void *arg);
    /* The links of this host were read anew. */
    void (*links)(const struct links *links, void *arg);
    void *arg;
};

/* `again`: asks for ever, every 30 s once the list is complete, as for a watch;
 * else only until then.  `fleet` NULL: takes unsigned records.  Fails without
 * memory or a socket. */
int querier_new(sd_event *loop, const struct key *fleet, bool again,
                const struct querier_listener *listener, struct querier **ret, struct error *err);
void querier_free(struct querier *q);
DEFINE_CLEANUP(struct querier *, querier_free);

/* Machines that keep their place whatever others tell, and that are asked for by name as
 * long as they are not heard.  Borrowed; may change between calls. */
void querier_know(struct querier *q, const struct known *known);

/* Asks for candidates with each question from now on, and with more of them; takes what is
 * answered.  Borrowed for the querier's life. */
void querier_seek(struct querier *q, struct candidates *candidates);

/* Is the list complete, so that hardly a machine can have missed all questions? */
bool querier_is_settled(const struct querier *q);

bool querier_is_flooded(const struct querier *q); /* with unsigned records, now */

/* What the questions so far brought. */
struct querier_counts {
    size_t machines;   /* that answered at least once */
    size_t asked;      /* questions to them, after the first that each answered */
    size_t unanswered; /* of those */
};

void querier_count(const struct querier *q, struct querier_counts *ret);

/* Has any packet of multicast DNS come from another host, whatever it says? */
bool querier_has_heard_others(const struct querier *q);

/* Does another program keep the mDNS port for itself, so that the group cannot be heard? */
bool querier_is_port_taken(const struct querier *q);

/* Has this instance answered a question, with all its records? */
bool querier_has(const struct querier *q, const char *instance);

/* Asks the link for an instance that is missed: it may have moved to another
 * address.  A few a second; where more are missed at once that were there (`was_there`) before,
 * all are asked for (with `again`), at most once a second. */
void querier_ask(struct querier *q, const char *instance, bool was_there);

/* Call it when Avahi says that this instance is gone, which anybody can fake:
 * asks the machine itself.  It has QUERIER_CONFIRM_MS to answer. */
void querier_confirm(struct querier *q, const char *instance);
