/* What server.c, stream.c and connection.c share. */
#pragma once

#include <microhttpd.h>

#include "server.h"

/* A client that receives events. */
struct listener {
    struct http *http;
    struct listener *next, **at;
    struct MHD_Connection *connection;
    struct text own; /* the snapshot, for this listener alone */
    size_t sent;     /* bytes of the snapshot, or of the event at `number` */
    uint64_t number; /* the next event */
    bool suspended, beat;
    bool trusted; /* its request had the token */
};

/* A client's connection, while it is open. */
struct client {
    struct http *http;
    struct client *next, **at;
    int fd;
    uint64_t
        since_ms; /* since when it sends a request or receives its answer; 0: it receives events */
    bool ended;   /* we have shut it down; MHD closes it in a moment */
};

struct http {
    struct http_options options;
    sd_event *loop;
    struct MHD_Daemon *daemon;
    sd_event_source *io, *timer, *kick, *sweep;
    struct listener *listeners;
    struct client *clients;
    struct http_counts counts;
};

uint64_t http_now_ms(const struct http *h);

/* Adds the headers that every response has.  `policy`: the Content-Security-Policy; NULL: the
 * page's. */
void http_add_headers(struct MHD_Response *response, const char *policy);

/* Starts the stream, with guarded events if the client is trusted; returns the result of
 * MHD_queue_response. */
enum MHD_Result http_listen(struct http *h, struct MHD_Connection *connection,
                            const char *last_event_id, bool trusted);

/* Wakes all listeners; `beat`: each sends a heartbeat if it has no event. */
void http_wake_all(struct http *h, bool beat);

/* Makes MHD run soon. */
void http_kick(struct http *h);
