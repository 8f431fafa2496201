/*
 * A scout asks the link for adverts by itself and takes the signed ones, past
 * the Avahi daemon: whose cache has room for some 4096 records, keeps what came
 * first, and drops the rest without a word, so that whoever floods the link
 * with false adverts hides the real ones in it.  A scout keeps nothing of what
 * is not signed.
 *
 * It listens to the multicast group beside the daemon (RFC 6762 §15.1), on IPv4,
 * and never to the port's unicast, which is the daemon's.  On the caller's loop
 * and in its thread; never blocks.
 */
#pragma once

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "discovery/base/error.h"
#include "discovery/base/key.h"
#include "discovery/roster/roster.h"

/* In a scout's sightings, added to the protocol: a tuple that is not Avahi's,
 * whose end Avahi does not tell. */
enum { SCOUT_PROTOCOL = 100 };

struct scout;

struct scout_listener {
    /* A verified record; borrowed. */
    void (*seen)(const struct sighting *s, void *arg);
    /* After scout_confirm: nobody answered for that instance; called once for
     * each tuple that there may be. */
    void (*silent)(const struct sighting_key *key, void *arg);
    void *arg;
};

/* Asks for all once, at the start, and while it hears a flood, eight times a
 * second; machines that come announce themselves. */
int scout_new(sd_event *loop, const struct key *fleet, const struct scout_listener *listener,
              struct scout **ret, struct error *err);
void scout_free(struct scout *s);
DEFINE_CLEANUP(struct scout *, scout_free);

/* Did it hear a flood of what is not signed just now? */
bool scout_is_flooded(const struct scout *s);

/* Avahi says that this instance is gone, which anybody can make it say: asks
 * the machine itself.  It has SCOUT_CONFIRM_MS to answer with its signed record. */
enum { SCOUT_CONFIRM_MS = 1500 };
void scout_confirm(struct scout *s, const char *instance);
