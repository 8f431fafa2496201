#include "server.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "framing.h"
#include "server-private.h"

enum { MEMORY_OF_CONNECTION = 48 * 1024 };

/* A request while it is received. */
struct incoming {
    struct http *http;
    struct MHD_Connection *connection;
    struct http_request request;
    struct text body;
    bool post, too_large;
    struct http_deferred *deferred; /* it waits for its answer, suspended */
    bool answered;                  /* it has come */
    struct answer later;
};

struct http_deferred {
    struct incoming *in; /* NULL: the client has gone */
};

/* --- requests ----------------------------------------------------------------- */

/* Decodes each %XX once, in place.  A NUL would end the string, so that a different path
 * were served: it becomes another control character, which has_controls finds. */
static size_t on_unescape(void *arg, struct MHD_Connection *connection, char *string)
{
    char *to = string;

    (void)arg, (void)connection;
    for (const char *from = string; *from; to++) {
        unsigned byte = (unsigned char)*from;
        int used = 1;

        if (byte == '%' && isxdigit((unsigned char)from[1]) && isxdigit((unsigned char)from[2])) {
            (void)sscanf(from + 1, "%2x", &byte);
            used = 3;
        }
        *to = (char)(byte ? byte : 1);
        from += used;
    }
    *to = '\0';
    return (size_t)(to - string);
}

static bool has_controls(const char *path)
{
    for (; *path; path++)
        if ((unsigned char)*path < 0x20 || *path == 0x7f)
            return true;
    return false;
}

static const char *request_header(struct MHD_Connection *connection, const char *name)
{
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

static const char *request_argument(struct MHD_Connection *connection, const char *name)
{
    return MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, name);
}

/* Does the browser say that another site's page sends this?  Navigation is allowed. */
static bool is_cross_site(struct MHD_Connection *connection)
{
    const char *site = request_header(connection, "Sec-Fetch-Site");

    return site && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0;
}

static bool is_json(const char *type)
{
    static const char json[] = "application/json";
    size_t size = sizeof(json) - 1;

    return type && strncasecmp(type, json, size) == 0 &&
           (type[size] == '\0' || type[size] == ';' || type[size] == ' ');
}

/* 0, or the status with which the request is refused before its body is read. */
static unsigned check_request(const struct http *h, struct MHD_Connection *connection,
                              const char *path, const struct routed *routed, bool post)
{
    const struct admission *admission = h->options.admission;
    const char *host = request_header(connection, MHD_HTTP_HEADER_HOST);
    const char *length = request_header(connection, MHD_HTTP_HEADER_CONTENT_LENGTH);
    unsigned status = framing_is_ambiguous(connection) ? 400 : admission_host(admission, host);

    if (!status)
        status = admission_origin(admission, request_header(connection, "Origin"), host);
    if (!status && routed->route != ROUTE_FILE && is_cross_site(connection))
        status = 403;
    if (!status && has_controls(path))
        status = 400;
    if (!status && routed->route == ROUTE_NONE)
        status = 404;
    if (!status && routed->route == ROUTE_METHOD)
        status = 405;
    if (!status && routed->guarded)
        status =
            admission_token(admission, request_header(connection, MHD_HTTP_HEADER_AUTHORIZATION));
    if (!status && length && (strlen(length) > 9 || strtoul(length, NULL, 10) > HTTP_BODY_MAX))
        status = 413;
    if (!status && post && !is_json(request_header(connection, MHD_HTTP_HEADER_CONTENT_TYPE)))
        status = 415;
    return status;
}

static const char *refusal_detail(unsigned status)
{
    switch (status) {
    case 400:
        return "The Host header is missing, a header is malformed or given twice, or the path "
               "has control characters.";
    case 401:
        return "This request needs the token from the file 'token' in the service's state folder.";
    case 403:
        return "The request comes from another site's page, or through a proxy whose address "
               "--host does not name.";
    case 413:
        return "The body is larger than 64 KiB.";
    case 415:
        return "The Content-Type must be application/json.";
    case 421:
        return "This service does not answer to that host name; add the name, or a proxy's "
               "address, with --host.";
    default:
        return NULL;
    }
}

static enum MHD_Result send_refusal(struct http *h, struct MHD_Connection *connection,
                                    const struct routed *routed, unsigned status)
{
    CLEANUP(answer_clear) struct answer a = {0};

    h->counts.refused++;
    answer_problem(&a, status, refusal_detail(status));
    if (status == 405)
        a.allow = routed->allow;
    return http_send(connection, &a);
}

static enum MHD_Result answer_request(struct http *h, struct MHD_Connection *connection,
                                      const char *path, struct incoming *in)
{
    CLEANUP(answer_clear) struct answer a = {0};
    json_t *body = NULL;
    bool post = in->post;
    enum MHD_Result r;

    h->counts.requests++;
    if (in->request.routed.route == ROUTE_FILE)
        return http_send_file(h, connection, path);
    in->request.trusted =
        admission_token(h->options.admission,
                        request_header(connection, MHD_HTTP_HEADER_AUTHORIZATION)) == 0;
    if (in->request.routed.route == ROUTE_EVENTS) {
        if (h->counts.listeners >= HTTP_LISTENERS_MAX)
            return http_send_problem(h, connection, 503, "Too many listeners.");
        return http_listen(h, connection, request_header(connection, "Last-Event-ID"),
                           in->request.trusted);
    }
    if (post) {
        body = in->body.size == 0
                   ? json_object()
                   : json_loadb(in->body.data, in->body.size, JSON_REJECT_DUPLICATES, NULL);
        if (!json_is_object(body)) {
            json_decref(body);
            return http_send_problem(h, connection, 400, "The body is not a JSON object.");
        }
    }
    in->request.format = request_argument(connection, "format");
    in->request.of = request_argument(connection, "of");
    in->request.after = request_argument(connection, "after");
    in->request.machine = request_argument(connection, "machine");
    in->request.body = body;
    h->options.handle(&in->request, &a, h->options.arg);
    json_decref(body);
    in->request.body = NULL;
    if (in->deferred) {
        MHD_suspend_connection(connection);
        return MHD_YES;
    }
    if (!a.status)
        answer_problem(&a, 500, NULL);
    r = http_send(connection, &a);
    return r;
}

/* --- answers that come later ----------------------------------------------------------- */

struct http_deferred *http_defer(const struct http_request *request)
{
    struct incoming *in =
        (struct incoming *)((uintptr_t)request - offsetof(struct incoming, request));
    struct http_deferred *d = calloc(1, sizeof(*d));

    if (!d)
        return NULL;
    d->in = in;
    in->deferred = d;
    return d;
}

void http_answer(struct http_deferred *d, struct answer *a)
{
    if (d->in) {
        d->in->later = *a;
        d->in->answered = true;
        d->in->deferred = NULL;
        *a = (struct answer){0};
        MHD_resume_connection(d->in->connection);
        http_kick(d->in->http);
    }
    answer_clear(a);
    free(d);
}

/* A large file may take longer than other answers; a client that does not read is ended by MHD. */
static enum MHD_Result send_later(struct incoming *in, struct client *client)
{
    if (client && in->later.file.given)
        client->since_ms = 0;
    if (!in->later.status)
        answer_problem(&in->later, 500, NULL);
    return http_send(in->connection, &in->later);
}

static struct client *client_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info ? info->socket_context : NULL;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *size, void **state)
{
    struct http *h = arg;
    struct incoming *in = *state;
    struct client *client = client_of(connection);

    (void)version;
    if (!in) {
        struct routed routed;
        unsigned status;

        route_find(method, url, &routed);
        status = check_request(h, connection, url, &routed, strcmp(method, "POST") == 0);
        if (status)
            return send_refusal(h, connection, &routed, status);
        in = calloc(1, sizeof(*in));
        if (!in)
            return MHD_NO;
        in->http = h;
        in->connection = connection;
        in->request.routed = routed;
        in->post = strcmp(method, "POST") == 0;
        *state = in;
        return MHD_YES;
    }
    if (in->answered)
        return send_later(in, client);
    if (*size > 0) {
        if (in->body.size + *size > HTTP_BODY_MAX)
            in->too_large = true;
        else
            text_add(&in->body, data, *size);
        *size = 0;
        return MHD_YES;
    }
    if (in->too_large)
        return send_refusal(h, connection, &in->request.routed, 413);
    if (client && in->request.routed.route == ROUTE_EVENTS)
        client->since_ms = 0;
    return answer_request(h, connection, url, in);
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode code)
{
    struct http *h = arg;
    struct incoming *in = *state;
    struct client *client = client_of(connection);

    (void)code;
    if (client)
        client->since_ms = http_now_ms(h);
    if (!in)
        return;
    if (in->deferred)
        in->deferred->in = NULL;
    answer_clear(&in->later);
    text_clear(&in->body);
    free(in);
    *state = NULL;
}

/* --- the loop ------------------------------------------------------------------- */

uint64_t http_now_ms(const struct http *h)
{
    uint64_t usec = 0;

    (void)sd_event_now(h->loop, CLOCK_MONOTONIC, &usec);
    return usec / 1000;
}

void http_kick(struct http *h)
{
    (void)sd_event_source_set_enabled(h->kick, SD_EVENT_ONESHOT);
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *arg)
{
    struct http *h = arg;

    (void)source, (void)fd, (void)events;
    (void)MHD_run(h->daemon);
    return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *arg)
{
    struct http *h = arg;

    (void)source, (void)usec;
    (void)MHD_run(h->daemon);
    return 0;
}

static int on_kick(sd_event_source *source, void *arg)
{
    struct http *h = arg;

    (void)source;
    (void)MHD_run(h->daemon);
    return 0;
}

/* Before each wait, sets the timer to when MHD wants to run again. */
static int on_prepare(sd_event_source *source, void *arg)
{
    struct http *h = arg;
    MHD_UNSIGNED_LONG_LONG ms;

    (void)source;
    if (MHD_get_timeout(h->daemon, &ms) != MHD_YES)
        return sd_event_source_set_enabled(h->timer, SD_EVENT_OFF);
    (void)sd_event_source_set_time_relative(h->timer, (uint64_t)ms * 1000);
    return sd_event_source_set_enabled(h->timer, SD_EVENT_ONESHOT);
}

void http_wake(struct http *h)
{
    http_wake_all(h, false);
}

void http_count(const struct http *h, struct http_counts *ret)
{
    *ret = h->counts;
}

static void log_nothing(void *arg, const char *format, va_list ap)
{
    (void)arg, (void)format, (void)ap;
}

static int start_daemon(struct http *h, struct error *err)
{
    const union MHD_DaemonInfo *info;
    int r;

    h->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_request, h,
        MHD_OPTION_EXTERNAL_LOGGER, log_nothing, h, MHD_OPTION_LISTEN_SOCKET, h->options.socket,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)HTTP_CONNECTIONS_MAX,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)HTTP_PER_ADDRESS_MAX,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)HTTP_SILENCE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)MEMORY_OF_CONNECTION, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_NOTIFY_COMPLETED,
        on_completed, h, MHD_OPTION_UNESCAPE_CALLBACK, on_unescape, h, MHD_OPTION_NOTIFY_CONNECTION,
        http_on_connection, h, MHD_OPTION_END);
    if (!h->daemon)
        return error_sys(err, errno ? -errno : -EIO, "cannot start the HTTP server");
    h->options.socket = -1; /* MHD has taken it over */
    info = MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    if (!info)
        return error_set(err, -EIO, "the HTTP server has no epoll descriptor");
    r = sd_event_add_io(h->loop, &h->io, info->epoll_fd, EPOLLIN, on_io, h);
    if (r >= 0)
        r = sd_event_source_set_prepare(h->io, on_prepare);
    if (r >= 0)
        r = sd_event_add_time(h->loop, &h->timer, CLOCK_MONOTONIC, 0, 1000, on_timer, h);
    if (r >= 0)
        r = sd_event_source_set_enabled(h->timer, SD_EVENT_OFF);
    if (r >= 0)
        r = sd_event_add_defer(h->loop, &h->kick, on_kick, h);
    if (r >= 0)
        r = sd_event_add_time_relative(h->loop, &h->sweep, CLOCK_MONOTONIC, HTTP_SWEEP_MS * 1000,
                                       100 * 1000, http_on_sweep, h);
    return r < 0 ? error_sys(err, r, "cannot serve HTTP") : 0;
}

int http_new(sd_event *loop, const struct http_options *options, struct http **ret,
             struct error *err)
{
    CLEANUP(http_free_p) struct http *h = calloc(1, sizeof(*h));
    int r;

    if (!h) {
        (void)close(options->socket);
        return error_sys(err, -ENOMEM, "cannot serve HTTP");
    }
    h->options = *options;
    h->loop = sd_event_ref(loop);
    r = start_daemon(h, err);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(h);
    return 0;
}

void http_free(struct http *h)
{
    if (!h)
        return;
    for (struct listener *l = h->listeners; l; l = l->next) {
        if (l->suspended)
            MHD_resume_connection(l->connection);
        l->suspended = false;
    }
    (void)sd_event_source_disable_unref(h->io);
    (void)sd_event_source_disable_unref(h->timer);
    (void)sd_event_source_disable_unref(h->kick);
    (void)sd_event_source_disable_unref(h->sweep);
    if (h->daemon)
        MHD_stop_daemon(h->daemon);
    if (h->options.socket >= 0)
        (void)close(h->options.socket);
    sd_event_unref(h->loop);
    free(h);
}
