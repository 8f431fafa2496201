/* One HTTP request, against services on loopback that are slow, large or broken. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "deployer/cache/http.h"
#include "discovery/base/clock.h"

enum { TIMEOUT_MS = 5000, SHORT_MS = 300, CLIENTS = 8, REQUESTS = 10 };

/* A service that answers `connections`, each with `bytes` and what `more` adds. */
struct server {
    const char *bytes;
    void (*more)(int fd);
    int connections;
    int listener;
    uint16_t port;
    pthread_t thread;
    char request[4096]; /* the last one */
    bool leaks;         /* the client's socket stays open in children */
};

static bool put(int fd, const void *bytes, size_t size)
{
    return send(fd, bytes, size, MSG_NOSIGNAL) == (ssize_t)size;
}

/* The client is of this process. */
static bool client_leaks(int fd)
{
    struct sockaddr_in peer, own;
    socklen_t size = sizeof(peer);

    if (getpeername(fd, (struct sockaddr *)&peer, &size) < 0)
        return true;
    for (int i = 3; i < 256; i++) {
        size = sizeof(own);
        if (getsockname(i, (struct sockaddr *)&own, &size) == 0 && own.sin_family == AF_INET &&
            own.sin_port == peer.sin_port)
            return !(fcntl(i, F_GETFD) & FD_CLOEXEC);
    }
    return true;
}

/* Reads until the head is whole and as much of a body as it says. */
static void read_request(int fd, char *to, size_t room)
{
    size_t size = 0;

    while (size + 1 < room) {
        ssize_t n = recv(fd, to + size, room - size - 1, 0);
        const char *end, *length;

        if (n <= 0)
            break;
        size += (size_t)n;
        to[size] = '\0';
        end = strstr(to, "\r\n\r\n");
        length = strstr(to, "Content-Length: ");
        if (end && strlen(end + 4) >= (length ? strtoul(length + 16, NULL, 10) : 0))
            break;
    }
    to[size] = '\0';
}

static void *serve(void *arg)
{
    struct server *s = arg;

    for (int i = 0; i < s->connections; i++) {
        int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);

        if (fd < 0)
            break;
        read_request(fd, s->request, sizeof(s->request));
        s->leaks = s->leaks || client_leaks(fd);
        if (put(fd, s->bytes, strlen(s->bytes)) && s->more)
            s->more(fd);
        close(fd);
    }
    return NULL;
}

static void listen_on_loopback(struct server *s)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(a);

    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(s->listener >= 0);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(s->listener, 16), 0);
    assert_int_equal(getsockname(s->listener, (struct sockaddr *)&a, &size), 0);
    s->port = ntohs(a.sin_port);
}

static void start(struct server *s)
{
    if (s->connections == 0)
        s->connections = 1;
    listen_on_loopback(s);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void stop(struct server *s)
{
    assert_int_equal(pthread_join(s->thread, NULL), 0);
    close(s->listener);
    assert_false(s->leaks);
}

/* One request to a service that answers so. */
static int ask(const char *bytes, void (*more)(int fd), unsigned timeout_ms, struct text *body)
{
    struct server s = {.bytes = bytes, .more = more};
    struct cache_request request = {.path = "/", .timeout_ms = timeout_ms};
    int r;

    start(&s);
    request.port = s.port;
    r = cache_http(&request, body);
    stop(&s);
    return r;
}

static void a_request_says_what_it_is_to(void **state)
{
    struct server s = {.bytes = "HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}"};
    struct cache_request request = {.method = "PUT",
                                    .path = "/root/../pypi",
                                    .header = "X-Devpi-Auth: cm9vdA==",
                                    .body = "{\"type\":\"mirror\"}",
                                    .timeout_ms = TIMEOUT_MS};
    CLEANUP_TEXT struct text body = TEXT_INIT;
    char host[64];

    (void)state;
    start(&s);
    request.port = s.port;
    assert_int_equal(cache_http(&request, &body), 201);
    stop(&s);
    (void)snprintf(host, sizeof(host), "\r\nHost: 127.0.0.1:%u\r\n", s.port);
    assert_string_equal(text_str(&body), "{}");
    assert_ptr_equal(strstr(s.request, "PUT /root/../pypi HTTP/1.0\r\n"), s.request);
    assert_non_null(strstr(s.request, host));
    assert_non_null(strstr(s.request, "\r\nAccept: application/json, */*\r\n"));
    assert_non_null(strstr(s.request, "\r\nX-Devpi-Auth: cm9vdA==\r\n"));
    assert_non_null(strstr(s.request, "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(s.request, "\r\nContent-Length: 17\r\n"));
    assert_non_null(strstr(s.request, "\r\n\r\n{\"type\":\"mirror\"}"));
    assert_null(strstr(s.request, "User-Agent:"));
    assert_null(strstr(s.request, "Expect:"));
    assert_null(strstr(s.request, "Cookie:"));
}

static void an_answer_may_be_in_chunks_or_without_length(void **state)
{
    CLEANUP_TEXT struct text chunks = TEXT_INIT, bare = TEXT_INIT;

    (void)state;
    assert_int_equal(ask("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                         "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
                         NULL, TIMEOUT_MS, &chunks),
                     200);
    assert_string_equal(text_str(&chunks), "abcde");
    assert_int_equal(ask("HTTP/1.0 406 No\r\n\r\nthe body", NULL, TIMEOUT_MS, &bare), 406);
    assert_string_equal(text_str(&bare), "the body");
}

static void neither_proxy_nor_redirect_leads_elsewhere(void **state)
{
    struct server other = {0};
    CLEANUP_TEXT struct text body = TEXT_INIT;
    char bytes[256], proxy[64];

    (void)state;
    listen_on_loopback(&other);
    (void)snprintf(proxy, sizeof(proxy), "http://127.0.0.1:%u", other.port);
    (void)snprintf(bytes, sizeof(bytes),
                   "HTTP/1.0 302 Found\r\nLocation: %s/x\r\nSet-Cookie: a=b\r\n\r\nthere", proxy);
    assert_int_equal(setenv("http_proxy", proxy, 1), 0);
    assert_int_equal(setenv("ALL_PROXY", proxy, 1), 0);
    assert_int_equal(ask(bytes, NULL, TIMEOUT_MS, &body), 302);
    assert_string_equal(text_str(&body), "there");
    assert_int_equal(unsetenv("http_proxy"), 0);
    assert_int_equal(unsetenv("ALL_PROXY"), 0);
    assert_int_equal(fcntl(other.listener, F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(accept4(other.listener, NULL, NULL, SOCK_CLOEXEC), -1);
    close(other.listener);
}

/* At most TIMEOUT_MS, or until the client is gone. */
static void trickle(int fd)
{
    for (int i = 0; i < TIMEOUT_MS / 20; i++) {
        const struct timespec wait = {.tv_nsec = 20 * 1000 * 1000};

        if (!put(fd, "x", 1))
            return;
        (void)nanosleep(&wait, NULL);
    }
}

static void wait_for_client(int fd)
{
    const struct timeval most = {.tv_sec = TIMEOUT_MS / 1000};
    char c;

    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof(most));
    (void)!recv(fd, &c, 1, 0);
}

static void a_slow_answer_is_bounded(void **state)
{
    static const struct {
        const char *bytes;
        void (*more)(int fd);
    } cases[] = {{"", wait_for_client},
                 {"", trickle},
                 {"HTTP/1.0 200 OK\r\nX: ", trickle},
                 {"HTTP/1.0 200 OK\r\n\r\n", trickle},
                 {"HTTP/1.0 200 OK\r\nContent-Length: 9\r\n\r\n", wait_for_client}};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP_TEXT struct text body = TEXT_INIT;
        int64_t begin = clock_ms(CLOCK_MONOTONIC);
        int r = ask(cases[i].bytes, cases[i].more, SHORT_MS, &body);

        /* What can no longer become HTTP may be told at once. */
        assert_true(r == -ETIMEDOUT || (i == 1 && r == -EBADMSG));
        assert_int_equal(body.size, 0);
        assert_true(clock_ms(CLOCK_MONOTONIC) - begin < TIMEOUT_MS);
    }
}

/* More than the bound, until the client is gone. */
static void flood(int fd)
{
    static char bytes[65536];

    memset(bytes, 'x', sizeof(bytes));
    for (int i = 0; i < 2 * CACHE_HTTP_MAX / (int)sizeof(bytes); i++)
        if (!put(fd, bytes, sizeof(bytes)))
            return;
}

static void flood_headers(int fd)
{
    static const char line[] = "X-Header: some more of them, and none of them is the last one\r\n";

    for (size_t i = 0; i < 2 * CACHE_HTTP_MAX / sizeof(line); i++)
        if (!put(fd, line, sizeof(line) - 1))
            return;
}

static void a_large_answer_is_refused(void **state)
{
    CLEANUP_TEXT struct text body = TEXT_INIT;
    int r;

    (void)state;
    assert_int_equal(ask("HTTP/1.0 200 OK\r\n\r\n", flood, TIMEOUT_MS, &body), -EFBIG);
    assert_int_equal(
        ask("HTTP/1.0 200 OK\r\nContent-Length: 99999999999\r\n\r\n", flood, TIMEOUT_MS, &body),
        -EFBIG);
    /* libcurl may have bounds of its own that are lower. */
    r = ask("HTTP/1.0 200 OK\r\n", flood_headers, TIMEOUT_MS, &body);
    if (r != -EFBIG && r != -EBADMSG)
        fail_msg("many headers: %d", r);
    r = ask("HTTP/1.0 200 OK\r\nX: ", flood, TIMEOUT_MS, &body);
    if (r != -EFBIG && r != -EBADMSG && r != -ENOMEM)
        fail_msg("a long header: %d", r);
    assert_int_equal(body.size, 0);
}

static void reset(int fd)
{
    const struct linger now = {.l_onoff = 1};

    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

static void an_answer_that_breaks_off_is_none(void **state)
{
    static const struct {
        const char *bytes;
        void (*more)(int fd);
        int r;
    } cases[] = {
        {"", NULL, -EBADMSG},
        {"", reset, -ECONNRESET},
        {"HTTP/1.0 2", NULL, -EBADMSG},
        {"HTTP/1.0 200 OK\r\nX: y\r\n", NULL, -EBADMSG},
        {"HTTP/1.0 200 OK\r\nContent-Length: 10\r\n\r\nhalf", NULL, -ECONNRESET},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", NULL, -ECONNRESET},
        {"HTTP/1.0 abc\r\n\r\n", NULL, -EBADMSG},
        {"SSH-2.0-x\r\n", NULL, -EBADMSG},
        {"<html>no head</html>", NULL, -EBADMSG},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP_TEXT struct text body = TEXT_INIT;
        int r = ask(cases[i].bytes, cases[i].more, TIMEOUT_MS, &body);

        if (r != cases[i].r)
            fail_msg("case %zu: %d", i, r);
        assert_int_equal(body.size, 0);
    }
}

static void nobody_is_told_of(void **state)
{
    struct server s = {0};
    struct cache_request request = {.path = "/", .timeout_ms = TIMEOUT_MS};
    CLEANUP_TEXT struct text body = TEXT_INIT;

    (void)state;
    listen_on_loopback(&s);
    close(s.listener);
    request.port = s.port;
    assert_int_equal(cache_http(&request, &body), -ECONNREFUSED);
}

static void *ask_often(void *arg)
{
    const struct server *s = arg;
    struct cache_request request = {.port = s->port, .path = "/", .timeout_ms = TIMEOUT_MS};
    size_t good = 0;

    for (int i = 0; i < REQUESTS; i++) {
        CLEANUP_TEXT struct text body = TEXT_INIT;

        good += cache_http(&request, &body) == 200 && strcmp(text_str(&body), "ok") == 0;
    }
    return (void *)(uintptr_t)good;
}

static void threads_ask_at_once(void **state)
{
    struct server s = {.bytes = "HTTP/1.0 200 OK\r\n\r\nok", .connections = CLIENTS * REQUESTS};
    pthread_t threads[CLIENTS];

    (void)state;
    start(&s);
    for (size_t i = 0; i < CLIENTS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_often, &s), 0);
    for (size_t i = 0; i < CLIENTS; i++) {
        void *good;

        assert_int_equal(pthread_join(threads[i], &good), 0);
        assert_int_equal((uintptr_t)good, REQUESTS);
    }
    stop(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_ask_at_once), /* the first use of libcurl among them */
        cmocka_unit_test(a_request_says_what_it_is_to),
        cmocka_unit_test(an_answer_may_be_in_chunks_or_without_length),
        cmocka_unit_test(neither_proxy_nor_redirect_leads_elsewhere),
        cmocka_unit_test(a_slow_answer_is_bounded),
        cmocka_unit_test(a_large_answer_is_refused),
        cmocka_unit_test(an_answer_that_breaks_off_is_none),
        cmocka_unit_test(nobody_is_told_of),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
