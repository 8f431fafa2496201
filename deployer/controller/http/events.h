/*
 * The ring of events for the page's listeners.  Each event has a number that only
 * grows, and the newest are kept, so that a listener that was away for a moment gets
 * what it has missed.
 *
 * An id is "BOOT-NUMBER"; BOOT belongs to this ring, so that an id from before a
 * restart of the service is recognised.  Pure; one thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "discovery/base/cleanup.h"

enum {
    EVENTS_KEPT = 1024,
    EVENTS_BYTES_MAX = 2 * 1024 * 1024, /* of the events that are kept */
    EVENTS_ID_MAX = 40,
};

/* Who gets an event: all, or by whether their request had the token. */
enum event_audience { EVENT_FOR_ALL, EVENT_FOR_TRUSTED, EVENT_FOR_OTHERS };

struct event {
    uint64_t number;
    char *frame; /* in wire format: "id: …\nevent: …\ndata: …\n\n" */
    size_t size;
    enum event_audience audience;
};

struct events;

/* `boot`: distinguishes this start of the service from others, 1 to 16 of a-z0-9.  NULL
 * without memory. */
struct events *events_new(const char *boot);
void events_free(struct events *e);
DEFINE_CLEANUP(struct events *, events_free);

/* Adds one; `data` is one line, such as JSON.  -ENOMEM: the event is lost, and a client
 * with an id from before gets no replay. */
int events_add(struct events *e, const char *name, const char *data, enum event_audience audience);

/* The number of the newest event; 0: none yet. */
uint64_t events_last(const struct events *e);

/* The event with that number; NULL if it is not kept (any more). */
const struct event *events_find(const struct events *e, uint64_t number);

/* Parses a client's Last-Event-ID: 0 and its number if all later events are still
 * kept, else -ENOENT. */
int events_resume(const struct events *e, const char *id, uint64_t *ret_number);

/* The id for a number, for an event that is made for one listener. */
void events_id(const struct events *e, uint64_t number, char ret[static EVENTS_ID_MAX]);
