/*
 * Discovery with a loop and thread of its own, because calls into Avahi may
 * block while its daemon hangs.  Its events are passed as copies through a
 * queue, in the order in which they happened, and the callbacks run on the
 * caller's loop.
 */
#pragma once

#include <systemd/sd-event.h>

#include "discovery/network/discovery.h"

struct discovery_thread_options {
    const char *fleet;     /* NULL: all */
    const struct key *key; /* the fleet's; NULL: none */
    const char *known;     /* as of struct discovery_options */
    const char *domain;    /* asked by unicast DNS, beside the link; NULL: none */

    /* `key` identifies the roster's entry and is never dereferenced.  The callback may
     * take over `m`: what is left in it is cleared. */
    void (*change)(const void *key, struct machine *m, enum roster_change change, void *arg);
    void (*daemon)(bool there, const char *reason, void *arg);
    /* What is amiss with the domain, a sentence; NULL: nothing any more. */
    void (*domain_trouble)(const char *words, void *arg);
    /* Why it cannot be read which machines are known, in a sentence; NULL: it can again. */
    void (*known_trouble)(const char *words, void *arg);
    void *arg;
};

struct discovery_thread;

int discovery_thread_new(sd_event *loop, const struct discovery_thread_options *options,
                         struct discovery_thread **ret, struct error *err);

/* Ends the thread and waits for it. */
void discovery_thread_free(struct discovery_thread *w);
DEFINE_CLEANUP(struct discovery_thread *, discovery_thread_free);
