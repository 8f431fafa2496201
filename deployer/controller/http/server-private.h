/* What server.c (requests, the loop), respond.c, connection.c and stream.c share. */
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

/* Each queues a response and returns MHD_queue_response's result.  A file of the answer is taken.
 */
enum MHD_Result http_send(struct MHD_Connection *connection, struct answer *a);
enum MHD_Result http_send_problem(struct http *h, struct MHD_Connection *connection,
                                  unsigned status, const char *detail);
enum MHD_Result http_send_file(struct http *h, struct MHD_Connection *connection, const char *path);

/* For MHD_OPTION_NOTIFY_CONNECTION; `arg` is the struct http. */
void http_on_connection(void *arg, struct MHD_Connection *connection, void **context,
                        enum MHD_ConnectionNotificationCode code);

/* Each HTTP_SWEEP_MS: ends clients that take too long, and makes the heartbeat. */
enum { HTTP_SWEEP_MS = 1000 };
int http_on_sweep(sd_event_source *source, uint64_t usec, void *arg);

/* Starts the stream, with guarded events if the client is trusted; returns the result of
 * MHD_queue_response. */
enum MHD_Result http_listen(struct http *h, struct MHD_Connection *connection,
                            const char *last_event_id, bool trusted);

/* Wakes all listeners; `beat`: each sends a heartbeat if it has no event. */
void http_wake_all(struct http *h, bool beat);

/* Makes MHD run soon. */
void http_kick(struct http *h);
