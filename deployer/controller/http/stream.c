/* The stream of server-sent events (the HTML standard, §9.2). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server-private.h"

enum { BLOCK = 32 * 1024 };

static size_t copy_part(const char *bytes, size_t size, struct listener *l, char *to, size_t room)
{
    size_t n = size - l->sent < room ? size - l->sent : room;

    memcpy(to, bytes + l->sent, n);
    l->sent += n;
    return n;
}

/* Fills the buffer with events; the last one may be cut and is continued next time. */
static ssize_t fill_buffer(struct listener *l, char *to, size_t room)
{
    size_t n = 0;

    if (l->own.size > 0) {
        n = copy_part(l->own.data, l->own.size, l, to, room);
        if (l->sent < l->own.size)
            return (ssize_t)n;
        text_clear(&l->own);
        l->own = TEXT_INIT;
        l->sent = 0;
    }
    while (n < room && l->number <= events_last(l->http->options.events)) {
        const struct event *event = events_find(l->http->options.events, l->number);

        if (!event) /* the client was too slow */
            return n > 0 ? (ssize_t)n : (ssize_t)MHD_CONTENT_READER_END_OF_STREAM;
        if (event->audience == (l->trusted ? EVENT_FOR_OTHERS : EVENT_FOR_TRUSTED)) {
            l->number++;
            continue;
        }
        n += copy_part(event->frame, event->size, l, to + n, room - n);
        if (l->sent < event->size)
            break;
        l->sent = 0;
        l->number++;
    }
    return (ssize_t)n;
}

static ssize_t on_read(void *arg, uint64_t at, char *to, size_t room)
{
    static const char beat[] = ":\n\n";
    struct listener *l = arg;
    ssize_t n = fill_buffer(l, to, room);

    (void)at;
    if (n == 0 && l->beat && room >= sizeof(beat) - 1) {
        memcpy(to, beat, sizeof(beat) - 1);
        n = (ssize_t)(sizeof(beat) - 1);
    }
    l->beat = false;
    if (n == 0) {
        MHD_suspend_connection(l->connection);
        l->suspended = true;
    }
    return n;
}

static void on_gone(void *arg)
{
    struct listener *l = arg;

    if (l->next)
        l->next->at = l->at;
    *l->at = l->next;
    l->http->counts.listeners--;
    text_clear(&l->own);
    free(l);
}

static int begin_stream(struct listener *l, const char *last_event_id)
{
    struct http *h = l->http;
    char id[EVENTS_ID_MAX];

    text_adds(&l->own, "retry: 1000\n\n");
    if (last_event_id && events_resume(h->options.events, last_event_id, &l->number) == 0) {
        l->number++;
        return text_error(&l->own);
    }
    l->number = events_last(h->options.events) + 1;
    events_id(h->options.events, l->number - 1, id);
    text_addf(&l->own, "id: %s\nevent: snapshot\ndata: ", id);
    if (h->options.snapshot(&l->own, h->options.arg) < 0)
        return -ENOMEM;
    text_adds(&l->own, "\n\n");
    return text_error(&l->own);
}

enum MHD_Result http_listen(struct http *h, struct MHD_Connection *connection,
                            const char *last_event_id, bool trusted)
{
    struct listener *l = calloc(1, sizeof(*l));
    struct MHD_Response *response;
    enum MHD_Result r;

    if (!l)
        return MHD_NO;
    l->http = h;
    l->connection = connection;
    l->trusted = trusted;
    l->next = h->listeners;
    l->at = &h->listeners;
    if (l->next)
        l->next->at = &l->next;
    h->listeners = l;
    h->counts.listeners++;
    response = begin_stream(l, last_event_id) == 0
                   ? MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, on_read, l, on_gone)
                   : NULL;
    if (!response) {
        on_gone(l);
        return MHD_NO;
    }
    http_add_headers(response, NULL);
    (void)MHD_add_response_header(response, "Content-Type", "text/event-stream");
    (void)MHD_add_response_header(response, "Cache-Control", "no-store");
    (void)MHD_add_response_header(response, "X-Accel-Buffering",
                                  "no"); /* nginx passes it on at once */
    r = MHD_queue_response(connection, 200, response);
    MHD_destroy_response(response); /* on_gone runs when the connection ends */
    return r;
}

void http_wake_all(struct http *h, bool beat)
{
    for (struct listener *l = h->listeners; l; l = l->next) {
        l->beat = l->beat || beat;
        if (!l->suspended)
            continue;
        l->suspended = false;
        MHD_resume_connection(l->connection);
    }
    http_kick(h);
}
