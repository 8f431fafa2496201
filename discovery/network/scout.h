/*
 * A scout asks the link for adverts by itself, without the Avahi daemon, and
 * takes the signed ones.  The daemon's cache has room for some 4096 records,
 * keeps the first ones and drops the rest silently, so an attacker who floods
 * the link with false adverts can hide the real ones.  A scout keeps nothing of
 * unsigned records.
 *
 * It listens to the multicast group beside the daemon (RFC 6762 §15.1), on IPv4,
 * and never to unicast packets, which the daemon gets.  Runs on the caller's
 * loop and in its thread; never blocks.
 */
#pragma once

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "discovery/base/error.h"
#include "discovery/base/key.h"
#include "discovery/roster/roster.h"

/* The protocol number in a scout's sightings: Avahi does not know these tuples
 * and does not report their end. */
enum { SCOUT_PROTOCOL = 100 };

struct scout;

struct scout_listener {
    /* A verified record; borrowed. */
    void (*seen)(const struct sighting *s, void *arg);
    /* After scout_confirm: nobody answered for that instance; called once for
     * each tuple that may exist. */
    void (*silent)(const struct sighting_key *key, void *arg);
    void *arg;
};

/* Asks for all machines once at the start, and during a flood eight times a
 * second; new machines announce themselves. */
int scout_new(sd_event *loop, const struct key *fleet, const struct scout_listener *listener,
              struct scout **ret, struct error *err);
void scout_free(struct scout *s);
DEFINE_CLEANUP(struct scout *, scout_free);

/* Is there a flood of unsigned records now? */
bool scout_is_flooded(const struct scout *s);

/* Call it when Avahi says that this instance is gone, which anybody can fake:
 * asks the machine itself.  It has SCOUT_CONFIRM_MS to answer with its signed
 * record. */
enum { SCOUT_CONFIRM_MS = 1500 };
void scout_confirm(struct scout *s, const char *instance);
