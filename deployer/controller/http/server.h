/*
 * HTTP: libmicrohttpd on the caller's loop, one thread, no locks.
 *
 * It keeps admission (admission.h), the bounds and the headers; finds the route; and
 * hands a request of the API, its body parsed, to the one handler.  It serves
 * the dashboard's files and the stream of events itself: a listener has a
 * place in the ring and no buffer of its own, but for the first snapshot, so
 * that one that does not read costs nothing; when what it has missed is no
 * longer kept it is cut off, and comes again.
 *
 * Bounds: 64 KiB of body, 512 connections, 400 of one address, 256 listeners,
 * 15 s of silence, 30 s until a request is complete.  128 connections may wait
 * that hear no events: one more ends the one that has been idle for longest, so that
 * who opens thousands and says nothing keeps nobody out.
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
    HTTP_PER_ADDRESS_MAX = 400, /* more than listeners and those that wait: never reached */
    HTTP_SILENCE_S = 15,
    HTTP_REQUEST_MS = 30 * 1000,
    HTTP_HEARTBEAT_MS = 10 * 1000,
};

struct http_request {
    struct routed routed;
    const char *format, *of, *after; /* ?format= …; NULL: not given */
    const json_t *body;              /* of a POST: an object */
};

struct http_options {
    int socket;                  /* listens; taken over */
    struct admission *admission; /* these are borrowed, and outlive it */
    struct events *events;
    struct files *files;
    /* Fills in the answer. */
    void (*handle)(const struct http_request *request, struct answer *ret, void *arg);
    /* The data of a snapshot event, JSON in one line; -ENOMEM. */
    int (*snapshot)(struct text *ret, void *arg);
    void *arg;
};

struct http_counts {
    unsigned connections, listeners;
    unsigned long requests, refused; /* refused: 4xx by admission or the bounds */
};

struct http;

int http_new(sd_event *loop, const struct http_options *options, struct http **ret,
             struct error *err);
void http_free(struct http *h);
DEFINE_CLEANUP(struct http *, http_free);

/* There are new events in the ring. */
void http_wake(struct http *h);
void http_count(const struct http *h, struct http_counts *ret);
