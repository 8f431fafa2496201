/* Answers that come later than their request, over a socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "deployer/controller/http/server.h"

enum { TURNS_MAX = 1000 };

static sd_event *loop;
static struct events *events;
static struct files *files;
static struct http *server;
static struct http_deferred *deferred[2];
static size_t n_deferred;
static struct sockaddr_un name = {.sun_family = AF_UNIX};
static socklen_t name_size = sizeof(name);

static void handle(const struct http_request *request, struct answer *ret, void *arg)
{
    (void)arg, (void)ret;
    deferred[n_deferred] = http_defer(request);
    assert_non_null(deferred[n_deferred++]);
}

static int write_snapshot(struct text *ret, void *arg)
{
    (void)arg;
    return text_error(ret);
}

static int setup(void **state)
{
    static char *host_items[] = {(char *)(uintptr_t) "127.0.0.1"};
    static const struct strings hosts = {host_items, 1};
    static struct admission admission = {.port = 8808, .hosts = &hosts};
    struct http_options options = {
        .admission = &admission, .handle = handle, .snapshot = write_snapshot};

    (void)state;
    n_deferred = 0;
    name_size = sizeof(name);
    options.socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    events = events_new("b");
    options.events = events;
    if (files_load("/nonexistent", &files, NULL) < 0)
        return -1;
    options.files = files;
    return options.socket >= 0 &&
                   bind(options.socket, (struct sockaddr *)&name, sizeof(sa_family_t)) == 0 &&
                   getsockname(options.socket, (struct sockaddr *)&name, &name_size) == 0 &&
                   listen(options.socket, 4) == 0 && events && sd_event_new(&loop) >= 0 &&
                   http_new(loop, &options, &server, NULL) == 0
               ? 0
               : -1;
}

static int teardown(void **state)
{
    (void)state;
    http_free(server);
    events_free(events);
    files_free(files);
    sd_event_unref(loop);
    return 0;
}

static int ask(void)
{
    static const char words[] = "GET /api/v1/experiments HTTP/1.1\r\nHost: 127.0.0.1:8808\r\n\r\n";
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&name, name_size), 0);
    assert_int_equal(send(fd, words, sizeof(words) - 1, 0), sizeof(words) - 1);
    return fd;
}

static void run_until_deferred(size_t n)
{
    for (int i = 0; i < TURNS_MAX && n_deferred < n; i++)
        assert_true(sd_event_run(loop, 10000) >= 0);
    assert_int_equal(n_deferred, n);
}

/* Runs until the client has these words. */
static void read_until(int fd, const char *words, struct text *got)
{
    char chunk[4096];

    for (int i = 0; i < TURNS_MAX && !strstr(text_str(got), words); i++) {
        ssize_t n;

        assert_true(sd_event_run(loop, 10000) >= 0);
        n = recv(fd, chunk, sizeof(chunk), MSG_DONTWAIT);
        if (n > 0)
            text_add(got, chunk, (size_t)n);
    }
    assert_non_null(strstr(text_str(got), words));
}

/* Each its own, in any order. */
static void test_later(void **state)
{
    CLEANUP_TEXT struct text first = TEXT_INIT, second = TEXT_INIT;
    struct answer a = {0};
    int fds[2];

    (void)state;
    fds[0] = ask();
    run_until_deferred(1);
    fds[1] = ask();
    run_until_deferred(2);
    answer_problem(&a, 404, "the second");
    http_answer(deferred[1], &a);
    assert_int_equal(a.body.size, 0); /* taken over */
    read_until(fds[1], "the second", &second);
    assert_int_equal(recv(fds[0], &a, 1, MSG_DONTWAIT), -1);
    a = (struct answer){0};
    answer_problem(&a, 404, "the first");
    http_answer(deferred[0], &a);
    read_until(fds[0], "the first", &first);
    assert_non_null(strstr(text_str(&first), "HTTP/1.1 404 "));
    (void)close(fds[0]);
    (void)close(fds[1]);
}

static void test_file(void **state)
{
    CLEANUP_TEXT struct text got = TEXT_INIT;
    struct answer a = {.status = 200, .type = "application/x-tar"};
    int fd;

    (void)state;
    a.file = (struct answer_file){
        .given = true, .fd = memfd_create("file", MFD_CLOEXEC), .size = 5, .name = "a.tar"};
    a.policy = "default-src 'none'; style-src 'unsafe-inline'";
    assert_int_equal(pwrite(a.file.fd, "bytes", 5, 0), 5);
    fd = ask();
    run_until_deferred(1);
    http_answer(deferred[0], &a);
    read_until(fd, "\r\n\r\nbytes", &got);
    assert_non_null(
        strstr(text_str(&got), "Content-Disposition: attachment; filename=\"a.tar\"\r\n"));
    assert_non_null(strstr(text_str(&got), "style-src 'unsafe-inline'"));
    assert_null(strstr(text_str(&got), "script-src"));
    assert_non_null(strstr(text_str(&got), "Content-Length: 5\r\n"));
    (void)close(fd);
}

/* The client goes meanwhile, and so does the server. */
static void test_nobody_waits(void **state)
{
    struct answer a = {0};
    int fd;

    (void)state;
    fd = ask();
    run_until_deferred(1);
    (void)close(fd);
    answer_problem(&a, 404, "for nobody");
    http_answer(deferred[0], &a);
    for (int i = 0; i < 10; i++)
        assert_true(sd_event_run(loop, 1000) >= 0);
    fd = ask();
    run_until_deferred(2);
    answer_problem(&a, 503, "the end");
    http_answer(deferred[1], &a); /* and http_free at once */
    (void)close(fd);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_later),
        TEST(test_file),
        TEST(test_nobody_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
