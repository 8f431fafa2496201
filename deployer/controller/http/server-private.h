/* What http.c and http-stream.c share. */
#pragma once

#include <microhttpd.h>

#include "server.h"

/* A client that hears events. */
struct listener {
    struct http *http;
    struct listener *next, **at;
    struct MHD_Connection *connection;
    struct text own; /* the snapshot, for this one alone */
    size_t sent;     /* of it, or of the event at `number` */
    uint64_t number; /* the event that is next */
    bool suspended, beat;
};

/* A connection, while it is open. */
struct client {
    struct http *http;
    struct client *next, **at;
    int fd;
    uint64_t since_ms; /* it owes us a request, or takes its answer; 0: it hears events */
    bool ended;        /* shut down by us: MHD closes it in a moment */
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

/* Our headers on every response. */
void http_add_headers(struct MHD_Response *response);

/* Begins the stream; what MHD_queue_response returned. */
enum MHD_Result http_listen(struct http *h, struct MHD_Connection *connection,
                            const char *last_event_id);

/* Wakes all listeners; `beat`: each is to say that the line is alive. */
void http_wake_all(struct http *h, bool beat);

/* MHD has to run soon. */
void http_kick(struct http *h);
