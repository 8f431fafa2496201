/* The child that solves, with shell scripts in its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "deployer/controller/solve-process.h"
#include "discovery/base/clock.h"
#include "discovery/base/process.h"
#include "discovery/base/text.h"

struct heard {
    sd_event *loop;
    struct solve_process *process;
    unsigned long events, words, left_out;
    unsigned long stop_at; /* events; 0: never */
    unsigned stop_ms;
    json_int_t sum;
    char last[128]; /* words */
    int status;
};

static void on_event(const json_t *event, void *arg)
{
    struct heard *h = arg;

    h->events++;
    h->sum += json_integer_value(json_object_get(event, "n"));
    if (h->events == h->stop_at)
        solve_process_stop(h->process);
}

static void on_words(const char *line, void *arg)
{
    struct heard *h = arg;

    h->words++;
    (void)snprintf(h->last, sizeof(h->last), "%s", line);
}

static void on_end(int status, unsigned long left_out, void *arg)
{
    struct heard *h = arg;

    h->status = status;
    h->left_out = left_out;
    solve_process_free(TAKE_PTR(h->process));
    (void)sd_event_exit(h->loop, 0);
}

static void start(const char *script, struct heard *h)
{
    const char *const argv[] = {"sh", "-c", script, NULL};
    const char *const env[] = {"DCOP_WORD=secret", NULL};
    const struct solve_process_options options = {
        .argv = argv,
        .env = env,
        .stop_ms = h->stop_ms,
        .on_event = on_event,
        .on_words = on_words,
        .on_end = on_end,
        .arg = h,
    };
    struct error err = {0};

    assert_int_equal(sd_event_new(&h->loop), 0);
    assert_int_equal(solve_process_start(h->loop, &options, &h->process, &err), 0);
}

/* Runs the script to its end. */
static void run(const char *script, struct heard *h)
{
    start(script, h);
    assert_int_equal(sd_event_loop(h->loop), 0);
    sd_event_unref(h->loop);
}

#define EVENT "echo '{\"event\": \"alive\", \"n\": 3}'; "

static void test_events_words_and_status(void **state)
{
    struct heard h = {0};

    (void)state;
    run(EVENT EVENT "echo one >&2; echo $DCOP_WORD >&2; printf '{\"event\": \"last\", \"n\": 1}'; "
                    "exit 3",
        &h);
    assert_int_equal(h.events, 3);
    assert_int_equal(h.sum, 7);
    assert_int_equal(h.words, 2);
    assert_string_equal(h.last, "secret");
    assert_int_equal(h.left_out, 0);
    assert_int_equal(h.status, 3);
}

static void test_what_is_no_event(void **state)
{
    struct heard h = {0};

    (void)state;
    run("echo no JSON; echo; echo '[1]'; echo '{\"event\": 1}'; echo '{}'; printf '\\0\\n'; "
        "echo '{\"event\": \"a\", \"event\": \"b\"}'; " EVENT,
        &h);
    assert_int_equal(h.events, 1);
    assert_int_equal(h.left_out, 7);
    assert_int_equal(h.status, 0);
}

/* Whatever the orchestrator may tell, such as the result of very many variables. */
static void test_a_long_line(void **state)
{
    struct heard h = {0};

    (void)state;
    run("printf '{\"n\": 1, \"event\": \"'; head -c 16777000 /dev/zero | tr '\\0' x; echo "
        "'\"}'; " EVENT,
        &h);
    assert_int_equal(h.sum, 4);
    assert_int_equal(h.left_out, 0);
}

/* Such a line is not kept, and what follows is read. */
static void test_a_line_that_is_too_long(void **state)
{
    struct heard h = {0};

    (void)state;
    run("printf '{\"event\": \"'; head -c 29000000 /dev/zero | tr '\\0' x; echo '\"}'; " EVENT
        "head -c 9000000 /dev/zero >&2; exit 0",
        &h);
    assert_int_equal(h.events, 1);
    assert_int_equal(h.left_out, 1);
    assert_int_equal(h.status, 0);
}

static void test_very_many(void **state)
{
    struct heard h = {0};

    (void)state;
    run("yes '{\"event\":\"e\",\"n\":1}' | head -n 1000000", &h);
    assert_int_equal(h.sum, 1000000);
    assert_int_equal(h.left_out, 0);
}

static void test_stop(void **state)
{
    struct heard h = {.stop_at = 1};

    (void)state;
    run("trap 'echo \"{\\\"event\\\": \\\"result\\\", \\\"n\\\": 5}\"; exit 130' INT; " EVENT
        "while :; do sleep 0.05; done",
        &h);
    assert_int_equal(h.sum, 8);
    assert_int_equal(h.status, 130);
}

/* With all that it has started. */
static void test_one_that_does_not_stop(void **state)
{
    struct heard h = {.stop_at = 1, .stop_ms = 300};
    int64_t began = clock_ms(CLOCK_MONOTONIC);

    (void)state;
    run("trap '' INT; " EVENT "sleep 600 & sleep 600", &h);
    assert_int_equal(h.status, PROCESS_SIGNALLED + SIGKILL);
    assert_true(clock_ms(CLOCK_MONOTONIC) - began < 60000);
}

/* One that lives on in its place does not keep the end away. */
static void test_output_stays_open(void **state)
{
    struct heard h = {0};

    (void)state;
    run("setsid sleep 20 & " EVENT "exit 0", &h);
    assert_int_equal(h.events, 1);
    assert_int_equal(h.status, 0);
}

/* It prints more than a pipe holds when it is stopped, and takes as long as one whose agents do
 * not say that they have stopped. */
static void test_free_stops_it(void **state)
{
    char path[] = "/tmp/dcop-test.XXXXXX", script[256], word[16] = "";
    int fd = mkstemp(path);
    struct heard h = {0};

    (void)state;
    assert_true(fd >= 0);
    (void)snprintf(script, sizeof(script),
                   "trap 'seq 100000; sleep 9; echo kept >%s; exit 0' INT; " EVENT
                   "while :; do sleep 0.05; done",
                   path);
    start(script, &h);
    while (h.events == 0)
        assert_true(sd_event_run(h.loop, UINT64_MAX) >= 0);
    solve_process_free(h.process);
    assert_int_equal(read(fd, word, sizeof(word) - 1), 5);
    assert_string_equal(word, "kept\n");
    (void)close(fd);
    (void)unlink(path);
    sd_event_unref(h.loop);
}

static void test_cannot_start(void **state)
{
    const char *const argv[] = {"/nowhere/dcop-deploy", NULL};
    const struct solve_process_options options = {.argv = argv};
    struct solve_process *p = NULL;
    struct error err = {0};
    sd_event *loop = NULL;

    (void)state;
    assert_int_equal(sd_event_new(&loop), 0);
    assert_int_equal(solve_process_start(loop, &options, &p, &err), -ENOENT);
    assert_non_null(strstr(err.text, "/nowhere/dcop-deploy"));
    assert_null(p);
    sd_event_unref(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_events_words_and_status),
        cmocka_unit_test(test_what_is_no_event),
        cmocka_unit_test(test_a_long_line),
        cmocka_unit_test(test_a_line_that_is_too_long),
        cmocka_unit_test(test_very_many),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_one_that_does_not_stop),
        cmocka_unit_test(test_output_stays_open),
        cmocka_unit_test(test_free_stops_it),
        cmocka_unit_test(test_cannot_start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
