/*
 * One client of the HTTP server, over a socket of this process: any bytes, in any pieces, cut
 * off anywhere.
 *
 * The first byte of the input is the size of the pieces, the second one how it ends: with bit
 * 0 the client says that it has sent all, else it leaves at once; with bit 1 it reads nothing
 * before the end.  In what follows, the byte 255 and another one, N, repeat the byte before
 * them 512 * N times, for what is longer than the input.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "deployer/controller/http/server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TOKEN "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

enum {
    SENT_MAX = 256 * 1024,
    TURNS = 64,         /* of the loop, after a piece: more than it needs to answer */
    TURNS_TO_END = 256, /* until a client that has left is forgotten */
};

static void expect(bool good)
{
    if (!good)
        abort();
}

static sd_event *loop;
static struct http *server;
static struct events *events;
static struct sockaddr_un name;
static socklen_t name_size = sizeof(name);
static struct text sent;

/* --- the service ---------------------------------------------------------------------------- */

static void handle(const struct http_request *request, struct answer *ret, void *arg)
{
    (void)arg;
    expect(strlen(request->routed.parameter) < ROUTE_PARAMETER_MAX);
    expect(!request->routed.guarded || memmem(sent.data, sent.size, TOKEN, strlen(TOKEN)));
    expect(!request->body || json_is_object(request->body));
    if (request->body) {
        char *body = json_dumps(request->body, JSON_COMPACT);

        /* What is escaped as \u0000 may be longer than it came. */
        expect(body && strlen(body) <= 6 * HTTP_BODY_MAX);
        free(body);
    }
    answer_json(ret, 200, json_pack("{s:i}", "version", 1));
}

static int write_snapshot(struct text *ret, void *arg)
{
    (void)arg;
    text_adds(ret, "{}");
    return text_error(ret);
}

static void start(void)
{
    static char *host_items[] = {(char *)(uintptr_t) "127.0.0.1"};
    static const struct strings hosts = {host_items, 1};
    static struct admission admission = {.token = TOKEN, .port = 8808, .hosts = &hosts};
    struct files *files = NULL;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    name.sun_family = AF_UNIX; /* and no name: the kernel chooses one */
    expect(fd >= 0 && bind(fd, (struct sockaddr *)&name, sizeof(sa_family_t)) == 0 &&
           getsockname(fd, (struct sockaddr *)&name, &name_size) == 0 && listen(fd, 4) == 0);
    events = events_new("b");
    expect(events && sd_event_new(&loop) >= 0 && files_load("/nonexistent", &files, NULL) == 0);
    expect(http_new(loop,
                    &(struct http_options){.socket = fd,
                                           .admission = &admission,
                                           .events = events,
                                           .files = files,
                                           .handle = handle,
                                           .snapshot = write_snapshot},
                    &server, NULL) == 0);
}

/* --- the client ------------------------------------------------------------------------------- */

static void turn(void)
{
    for (int i = 0; i < TURNS && sd_event_run(loop, 0) > 0; i++)
        ;
}

/* An answer of ours has our headers; what libmicrohttpd answers itself is a refusal. */
static void check_answer(const struct text *got)
{
    static const char good[] = "HTTP/1.1 2";
    const char *text = text_str(got);

    expect(got->size < 12 || strncmp(text, "HTTP/1.", 7) == 0);
    if (strncmp(text, good, sizeof(good) - 1) == 0)
        expect(strstr(text, "\r\nX-Content-Type-Options: nosniff\r\n") &&
               strstr(text, "\r\nContent-Security-Policy: default-src 'none'") &&
               !strstr(text, "Access-Control-Allow"));
    expect(!memmem(text, got->size, TOKEN, strlen(TOKEN)));
    if (memmem(text, got->size, "data: hidden", 12))
        expect(memmem(sent.data, sent.size, TOKEN, strlen(TOKEN)) &&
               !memmem(text, got->size, "data: shown", 11));
}

static void read_answers(int fd, struct text *got)
{
    char bytes[4096];
    ssize_t n;

    while ((n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
        if (got->size < SENT_MAX)
            text_add(got, bytes, (size_t)n);
}

static void expand(const uint8_t *data, size_t size)
{
    text_reset(&sent);
    for (size_t i = 0; i < size && sent.size < SENT_MAX; i++) {
        size_t times;
        char last;

        if (data[i] != 255 || i + 1 == size || sent.size == 0) {
            text_add(&sent, &data[i], 1);
            continue;
        }
        last = sent.data[sent.size - 1];
        times = 512 * (size_t)data[++i];
        for (size_t k = 0; k < times && sent.size < SENT_MAX; k++)
            text_addc(&sent, last);
    }
    expect(text_error(&sent) == 0);
}

/* Its connection costs nothing any more. */
static void await_end(void)
{
    struct http_counts counts;

    for (int i = 0; i < TURNS_TO_END; i++) {
        turn();
        http_count(server, &counts);
        if (counts.connections == 0 && counts.listeners == 0)
            return;
        /* A listener that has left is noticed when something is sent to it. */
        (void)events_add(events, "e", "{}", EVENT_FOR_ALL);
        http_wake(server);
    }
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP_TEXT struct text got = TEXT_INIT;
    size_t piece;
    int fd;

    if (size < 2)
        return 0;
    if (!server)
        start();
    expand(data + 2, size - 2);
    piece = data[0] ? data[0] : SENT_MAX;
    if (sent.size / piece > 4096)
        piece = sent.size / 4096;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    expect(fd >= 0 && connect(fd, (struct sockaddr *)&name, name_size) == 0);
    for (size_t at = 0; at < sent.size;) {
        size_t left = sent.size - at;
        ssize_t n = send(fd, sent.data + at, left < piece ? left : piece, MSG_NOSIGNAL);

        turn();
        if (!(data[1] & 2))
            read_answers(fd, &got);
        if (n < 0) /* it was cut off, or the server waits for us to read */
            break;
        at += (size_t)n;
    }
    if (data[1] & 1)
        (void)shutdown(fd, SHUT_WR);
    turn();
    (void)events_add(events, "e", "hidden", EVENT_FOR_TRUSTED);
    (void)events_add(events, "e", "shown", EVENT_FOR_OTHERS);
    http_wake(server);
    turn();
    read_answers(fd, &got);
    (void)close(fd);
    await_end();
    if (got.size > 0)
        check_answer(&got);
    return 0;
}
