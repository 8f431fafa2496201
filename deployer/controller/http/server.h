/*
 * The HTTP server: libmicrohttpd on the caller's loop, one thread, no locks.
 *
 * It enforces admission (admission.h) and the bounds, adds the headers, finds the
 * route, and passes a request of the API with its parsed body to the one handler.  It
 * serves the dashboard's files and the stream of events itself.  A listener has a
 * position in the ring and, except for the first snapshot, no buffer of its own, so
 * that a client that does not read costs no memory.  If the events that it has missed
 * are no longer kept, it is disconnected and connects again.
 *
 * Bounds: 64 KiB of body, 512 connections, 400 from one address, 256 listeners,
 * 15 s of silence, 30 s until a request is complete.  At most 128 connections that do
 * not receive events stay open: one more ends the one that has been idle longest, so
 * that a client that opens many connections and sends nothing cannot lock others out.
 */
#pragma once

#include <systemd/sd-event.h>

#include "admission.h"
#include "answer.h"
#include "events.h"
#include "files.h"
#include "routes.h"

enum {
    HTTP_BODY_MAX = 64 * 1024,
    HTTP_CONNECTIONS_MAX = 512,
    HTTP_LISTENERS_MAX = 256,
    HTTP_WAITING_MAX = 128,
    HTTP_PER_ADDRESS_MAX =
        400, /* more than listeners and waiting clients together: never reached */
    HTTP_SILENCE_S = 15,
    HTTP_REQUEST_MS = 30 * 1000,
    HTTP_HEARTBEAT_MS = 10 * 1000,
};

/* A request whose answer comes later. */
struct http_deferred;

struct http_request {
    struct routed routed;
    bool trusted;                              /* it has the token */
    const char *format, *of, *after, *machine; /* ?format= …; NULL: not given */
    const json_t *body;                        /* POST: an object */
};

struct http_options {
    int socket;                  /* a listening socket; taken over */
    struct admission *admission; /* borrowed, as the next two: they must outlive the server */
    struct events *events;
    struct files *files;
    /* Handles a request of the API and fills in the answer. */
    void (*handle)(const struct http_request *request, struct answer *ret, void *arg);
    /* Writes the data of a snapshot event, one line of JSON; -ENOMEM. */
    int (*snapshot)(struct text *ret, void *arg);
    void *arg;
};

struct http_counts {
    unsigned connections, listeners;
    unsigned long requests, refused; /* refused: by admission or the bounds */
};

struct http;

int http_new(sd_event *loop, const struct http_options *options, struct http **ret,
             struct error *err);
void http_free(struct http *h);
DEFINE_CLEANUP(struct http *, http_free);

/* For the handler: the request is answered by http_answer, and its parameters and body are gone
 * by then.  NULL: no memory. */
struct http_deferred *http_defer(const struct http_request *request);

/* On the loop, not in the handler, and before http_free: takes the answer over (`a` is emptied);
 * if the client has gone it is dropped. */
void http_answer(struct http_deferred *d, struct answer *a);

/* Call it when there are new events in the ring. */
void http_wake(struct http *h);
void http_count(const struct http *h, struct http_counts *ret);
