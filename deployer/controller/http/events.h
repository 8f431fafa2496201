/*
 * The ring of events that the page's listeners hear: each has a number that
 * only grows, and the newest are kept, so that who was away for a moment gets
 * what he has missed.
 *
 * An id is "BOOT-NUMBER", BOOT being this ring's own: an id of another life of
 * the service is known as such.  Pure; one thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "discovery/base/cleanup.h"

enum {
    EVENTS_KEPT = 1024,
    EVENTS_BYTES_MAX = 2 * 1024 * 1024, /* of those kept */
    EVENTS_ID_MAX = 40,
};

struct event {
    uint64_t number;
    char *frame; /* as it goes over the wire: "id: …\nevent: …\ndata: …\n\n" */
    size_t size;
};

struct events;

/* `boot`: what tells this life from others, 1 to 16 of a-z0-9.  NULL without memory. */
struct events *events_new(const char *boot);
void events_free(struct events *e);
DEFINE_CLEANUP(struct events *, events_free);

/* Adds one; `data` is one line, as JSON is.  -ENOMEM: it is lost, and whoever
 * comes with an id from before gets no replay. */
int events_add(struct events *e, const char *name, const char *data);

/* The newest one's number; 0: none yet. */
uint64_t events_last(const struct events *e);

/* The event of that number; NULL when it is not kept (any more). */
const struct event *events_find(const struct events *e, uint64_t number);

/* What a client's Last-Event-ID says: 0 and its number when all after it are
 * still there, else -ENOENT. */
int events_resume(const struct events *e, const char *id, uint64_t *ret_number);

/* The id of a number, for an event that is made for one listener. */
void events_id(const struct events *e, uint64_t number, char ret[static EVENTS_ID_MAX]);
