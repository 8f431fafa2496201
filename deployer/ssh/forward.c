#include "forward.h"

#include <errno.h>
#include <libssh/callbacks.h>
#include <libssh/server.h> /* ssh_message_channel_request_open_reply_accept */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    UP_MAX = 64 * 1024, /* bytes of requests that are not sent to the cache yet */
    DOWN_MAX = 16 * 1024,
    ROUNDS = 8,          /* of one connection in a turn, so that others are not delayed */
    PATIENCE_MS = 10000, /* for the first request, for a connect, for the cache to end */
    ABORT_BYTES = 16 * 1024 * 1024, /* what a cache may have fetched of an answer nobody reads */
};

struct connection {
    struct forward *forward;
    ssh_channel channel;
    struct ssh_channel_callbacks_struct callbacks;
    struct forward_filter filter;
    int fd;        /* to the cache; -1: none */
    short watched; /* the poll(2) events that the loop waits for */
    short ready;   /* the events that it reported */
    bool connecting, half_closed;
    bool machine_ended; /* it sends no more */
    bool cache_ended;   /* likewise */
    bool answered;      /* by us, instead of the cache */
    bool gone;          /* to be freed */
    int64_t deadline;   /* INT64_MAX: none */
    unsigned status;    /* the HTTP status of our answer; 0: none */
    const char *why;
    struct text up; /* requests; the bytes before up_at were sent */
    size_t up_at;
    struct text down; /* answers; the bytes before down_at were sent */
    size_t down_at;
};

struct forward {
    ssh_session ssh;
    ssh_event event;
    struct forward_options options;
    int64_t now;
    struct connection *connections[FORWARD_CONNECTIONS_MAX];
};

struct forward *forward_new(ssh_session ssh, ssh_event event, const struct forward_options *o)
{
    struct forward *f = calloc(1, sizeof(*f));

    if (f)
        *f = (struct forward){.ssh = ssh, .event = event, .options = *o};
    return f;
}

static int on_ready(socket_t fd, int events, void *arg)
{
    struct connection *c = arg;

    (void)fd;
    c->ready = (short)(c->ready | events);
    return SSH_OK;
}

static void watch_socket(struct connection *c, short events)
{
    if (events == c->watched)
        return;
    if (c->watched)
        (void)ssh_event_remove_fd(c->forward->event, c->fd);
    c->watched = 0;
    if (events && ssh_event_add_fd(c->forward->event, c->fd, events, on_ready, c) == SSH_OK)
        c->watched = events;
    else if (events)
        c->gone = true;
}

static void close_cache(struct connection *c)
{
    if (c->fd < 0)
        return;
    watch_socket(c, 0);
    (void)close(c->fd);
    c->fd = -1;
    c->connecting = false;
    c->cache_ended = true;
}

static void count_bytes(struct forward *f, uint64_t bytes)
{
    uint64_t *left = f->options.left;

    if (left)
        *left -= *left < bytes ? *left : bytes;
}

/* Does the connection end in the middle of an answer? */
static bool is_aborted(const struct connection *c)
{
    int waiting = 0;

    return c->fd >= 0 && !c->connecting &&
           (c->down_at < c->down.size || (ioctl(c->fd, FIONREAD, &waiting) == 0 && waiting > 0));
}

static void connection_free(struct connection *c)
{
    if (!c)
        return;
    if (is_aborted(c))
        count_bytes(c->forward, ABORT_BYTES);
    close_cache(c);
    /* libssh keeps the channel until the other side has closed it, too. */
    (void)ssh_remove_channel_callbacks(c->channel, &c->callbacks);
    ssh_channel_free(c->channel);
    text_wipe(&c->up);
    text_clear(&c->down);
    free(c);
}

void forward_free(struct forward *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < FORWARD_CONNECTIONS_MAX; i++)
        connection_free(f->connections[i]);
    free(f);
}

/* --- libssh's callbacks --------------------------------------------------------------- */

/* Plans an error answer; it is sent when the cache has answered the earlier requests. */
static void fail_connection(struct connection *c, unsigned status, const char *why)
{
    if (c->status)
        return;
    c->status = status;
    c->why = why;
    c->deadline = c->forward->now + PATIENCE_MS;
}

static int on_data(ssh_session ssh, ssh_channel channel, void *data, uint32_t size, int is_stderr,
                   void *arg)
{
    struct connection *c = arg;
    int r;

    (void)ssh, (void)channel;
    if (is_stderr || c->status || c->gone)
        return (int)size; /* ignored */
    r = forward_filter_feed(&c->filter, data, size, &c->up);
    if (r == -EACCES)
        fail_connection(c, c->filter.status, c->filter.why);
    else if (r < 0 || c->up.size - c->up_at > UP_MAX)
        c->gone = true;
    return (int)size;
}

static void on_eof(ssh_session ssh, ssh_channel channel, void *arg)
{
    (void)ssh, (void)channel;
    ((struct connection *)arg)->machine_ended = true;
}

static void on_close(ssh_session ssh, ssh_channel channel, void *arg)
{
    (void)ssh, (void)channel;
    ((struct connection *)arg)->gone = true;
}

bool forward_accept(struct forward *f, ssh_message message, int64_t now_ms)
{
    struct connection *c;
    size_t i = 0;

    while (i < FORWARD_CONNECTIONS_MAX && f->connections[i])
        i++;
    if (i == FORWARD_CONNECTIONS_MAX)
        return false;
    c = calloc(1, sizeof(*c));
    if (!c)
        return false;
    c->channel = ssh_message_channel_request_open_reply_accept(message);
    if (!c->channel) {
        free(c);
        return true; /* libssh could not accept it; refusing it as well is not possible */
    }
    c->forward = f;
    c->fd = -1;
    c->deadline = now_ms + PATIENCE_MS;
    forward_filter_init(&c->filter, f->options.rules);
    c->callbacks = (struct ssh_channel_callbacks_struct){
        .userdata = c,
        .channel_data_function = on_data,
        .channel_eof_function = on_eof,
        .channel_close_function = on_close,
    };
    ssh_callbacks_init(&c->callbacks);
    if (ssh_set_channel_callbacks(c->channel, &c->callbacks) != SSH_OK) {
        ssh_channel_free(c->channel);
        free(c);
        return true;
    }
    f->connections[i] = c;
    return true;
}

/* --- a turn --------------------------------------------------------------------------- */

static void connect_cache(struct connection *c)
{
    const struct upstreams *all = c->forward->options.upstreams;
    const struct upstream *u = c->filter.to == FORWARD_FILTER_APT ? &all->apt : &all->pip;

    c->fd = socket(u->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd >= 0 && connect(c->fd, (const struct sockaddr *)&u->address, u->size) < 0 &&
        errno != EINPROGRESS)
        close_cache(c);
    if (c->fd < 0) {
        c->cache_ended = true;
        fail_connection(c, 502, "the package cache on the controller does not answer");
        return;
    }
    c->connecting = true;
    c->deadline = c->forward->now + PATIENCE_MS;
}

static void finish_connect(struct connection *c)
{
    int code = 0;
    socklen_t size = sizeof(code);

    if (!(c->ready & (POLLOUT | POLLERR | POLLHUP)))
        return;
    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &code, &size) < 0 || code != 0) {
        close_cache(c);
        fail_connection(c, 502, "the package cache on the controller does not answer");
        return;
    }
    c->connecting = false;
    if (!c->status)
        c->deadline = INT64_MAX;
}

/* Requests to the cache. */
static void send_up(struct connection *c)
{
    while (c->up_at < c->up.size) {
        ssize_t n = send(c->fd, c->up.data + c->up_at, c->up.size - c->up_at, MSG_NOSIGNAL);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n < 0) {
            c->up_at = c->up.size; /* drop the rest; the cache's answers must still be read */
            return;
        }
        c->up_at += (size_t)n;
    }
    text_reset(&c->up);
    c->up_at = 0;
    if ((c->machine_ended || c->status) && !c->half_closed) {
        (void)shutdown(c->fd, SHUT_WR);
        c->half_closed = true;
    }
}

/* Reads answers from the cache, when the earlier ones are sent; true if there may be more. */
static bool read_down(struct connection *c)
{
    char bytes[DOWN_MAX];
    ssize_t n = recv(c->fd, bytes, sizeof(bytes), 0);

    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        c->ready = (short)(c->ready & ~POLLIN);
        return false;
    }
    if (n <= 0) {
        close_cache(c);
        return false;
    }
    text_reset(&c->down);
    c->down_at = 0;
    text_add(&c->down, bytes, (size_t)n);
    count_bytes(c->forward, (uint64_t)n);
    if (text_error(&c->down) < 0 || (c->forward->options.left && *c->forward->options.left == 0))
        c->gone = true; /* the next request is told why */
    return true;
}

/* Sends answers to the machine, as far as its window and the session's socket accept them;
 * true when all are sent. */
static bool send_down(struct connection *c)
{
    while (c->down_at < c->down.size) {
        uint32_t room = ssh_channel_window_size(c->channel);
        size_t size = c->down.size - c->down_at;
        int n;

        if (room == 0 || (ssh_get_poll_flags(c->forward->ssh) & SSH_WRITE_PENDING))
            return false;
        n = ssh_channel_write(c->channel, c->down.data + c->down_at,
                              (uint32_t)(size < room ? size : room));
        if (n < 0)
            c->gone = true;
        if (n <= 0)
            return false;
        c->down_at += (size_t)n;
    }
    return true;
}

/* Ends the connection when the cache's answers are sent; our own error answer is sent last. */
static void finish_connection(struct connection *c)
{
    if (c->status && !c->answered) {
        text_reset(&c->down);
        c->down_at = 0;
        forward_filter_answer(c->status, c->why, &c->down);
        c->answered = true;
        c->deadline = c->forward->now + PATIENCE_MS;
        if (!send_down(c))
            return;
    }
    (void)ssh_channel_send_eof(c->channel);
    c->gone = true;
}

static void pass_deadline(struct connection *c)
{
    c->deadline = INT64_MAX;
    if (c->connecting) {
        close_cache(c);
        fail_connection(c, 504, "the package cache on the controller does not answer");
    } else if (c->status && !c->answered)
        close_cache(c); /* the cache did not end the connection in time */
    else if (c->answered || c->filter.to == FORWARD_FILTER_UNKNOWN)
        c->gone = true; /* the machine sends no request, or does not read our answer */
}

static void work_connection(struct connection *c)
{
    if (c->forward->now >= c->deadline)
        pass_deadline(c);
    if (c->fd < 0 && !c->cache_ended && c->up.size > 0)
        connect_cache(c);
    if (c->connecting)
        finish_connect(c);
    if (c->fd >= 0 && !c->connecting)
        send_up(c);
    for (int i = 0; i < ROUNDS && !c->gone && send_down(c); i++)
        if (c->fd < 0 || c->connecting || !read_down(c))
            break;
    if (!c->gone && c->fd < 0 && c->down_at == c->down.size &&
        (c->cache_ended || c->machine_ended || c->status))
        finish_connection(c);
    if (c->fd >= 0 && !c->gone) {
        bool idle = c->down_at == c->down.size;

        c->ready = 0;
        watch_socket(c, (short)(c->connecting
                                    ? POLLOUT
                                    : (idle ? POLLIN : 0) | (c->up_at < c->up.size ? POLLOUT : 0)));
    }
}

void forward_turn(struct forward *f, int64_t now_ms)
{
    f->now = now_ms;
    for (size_t i = 0; i < FORWARD_CONNECTIONS_MAX; i++) {
        if (!f->connections[i])
            continue;
        work_connection(f->connections[i]);
        if (f->connections[i]->gone)
            connection_free(TAKE_PTR(f->connections[i]));
    }
}

int64_t forward_next(const struct forward *f)
{
    int64_t next = INT64_MAX;

    for (size_t i = 0; i < FORWARD_CONNECTIONS_MAX; i++)
        if (f->connections[i] && f->connections[i]->deadline < next)
            next = f->connections[i]->deadline;
    return next;
}
