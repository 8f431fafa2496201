/* The Avahi adapter on sd-event: watches and timeouts as Avahi uses them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#include "discovery/base/avahi-poll.h"

struct fixture {
    sd_event *loop;
    struct avahi_poll *poll;
    const AvahiPoll *api;
    int near, far;  /* two ends of a socket pair */
    unsigned calls; /* of the callbacks below */
    unsigned other; /* of the second watch or timeout */
    AvahiWatchEvent events;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    int ends[2];

    assert_non_null(f);
    assert_int_equal(sd_event_new(&f->loop), 0);
    assert_int_equal(avahi_poll_new(f->loop, &f->poll), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    f->near = ends[0];
    f->far = ends[1];
    f->api = avahi_poll_get(f->poll);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    avahi_poll_free(f->poll);
    sd_event_unref(f->loop);
    close(f->near);
    if (f->far >= 0)
        close(f->far);
    free(f);
    return 0;
}

static int turn(struct fixture *f, uint64_t ms)
{
    return sd_event_run(f->loop, ms * 1000);
}

static void send_byte(struct fixture *f)
{
    assert_int_equal(write(f->far, "x", 1), 1);
}

static void count_event(AvahiWatch *w, int fd, AvahiWatchEvent event, void *userdata)
{
    struct fixture *f = userdata;
    char byte;

    assert_int_equal(fd, f->near); /* Avahi's own descriptor, not a copy */
    assert_int_equal(f->api->watch_get_events(w), event);
    f->calls++;
    f->events = event;
    if ((event & AVAHI_WATCH_IN) && !(event & AVAHI_WATCH_HUP))
        assert_int_equal(read(fd, &byte, 1), 1);
}

static void count_other(AvahiWatch *w, int fd, AvahiWatchEvent event, void *userdata)
{
    struct fixture *f = userdata;

    (void)fd;
    (void)event;
    f->other++;
    f->api->watch_update(w, 0);
}

static void free_watch(AvahiWatch *w, int fd, AvahiWatchEvent event, void *userdata)
{
    struct fixture *f = userdata;

    (void)fd;
    (void)event;
    f->calls++;
    f->api->watch_free(w);
}

static void test_watch_reads(void **state)
{
    struct fixture *f = *state;
    AvahiWatch *w = f->api->watch_new(f->api, f->near, AVAHI_WATCH_IN, count_event, f);

    assert_non_null(w);
    assert_int_equal(turn(f, 0), 0);
    send_byte(f);
    assert_true(turn(f, 1000) > 0);
    assert_int_equal(f->calls, 1);
    assert_int_equal(f->events, AVAHI_WATCH_IN);
    assert_int_equal(turn(f, 0), 0);
    f->api->watch_free(w);
}

static void test_two_watches_on_one_descriptor(void **state)
{
    struct fixture *f = *state;
    AvahiWatch *in = f->api->watch_new(f->api, f->near, AVAHI_WATCH_IN, count_event, f);
    AvahiWatch *out = f->api->watch_new(f->api, f->near, AVAHI_WATCH_OUT, count_other, f);

    assert_non_null(in);
    assert_non_null(out);
    send_byte(f);
    while (turn(f, 0) > 0)
        ;
    assert_int_equal(f->calls, 1);
    assert_int_equal(f->other, 1);
    f->api->watch_update(out, AVAHI_WATCH_OUT);
    while (turn(f, 0) > 0)
        ;
    assert_int_equal(f->other, 2);
    f->api->watch_free(out);
    f->api->watch_free(in);
}

static void test_watch_freed_in_its_callback(void **state)
{
    struct fixture *f = *state;

    assert_non_null(f->api->watch_new(f->api, f->near, AVAHI_WATCH_IN, free_watch, f));
    send_byte(f);
    assert_true(turn(f, 1000) > 0);
    assert_int_equal(turn(f, 0), 0);
    assert_int_equal(f->calls, 1);
}

static void test_watch_hangup(void **state)
{
    struct fixture *f = *state;
    AvahiWatch *w = f->api->watch_new(f->api, f->near, AVAHI_WATCH_IN, count_event, f);

    close(f->far);
    f->far = -1;
    assert_true(turn(f, 1000) > 0);
    assert_true(f->events & AVAHI_WATCH_HUP);
    f->api->watch_free(w);
}

/* A loop that reads a busy descriptor must still serve the other. */
static void test_no_watch_starves(void **state)
{
    struct fixture *f = *state;
    AvahiWatch *busy = f->api->watch_new(f->api, f->near, AVAHI_WATCH_IN, count_event, f);
    AvahiWatch *other = f->api->watch_new(f->api, f->near, AVAHI_WATCH_OUT, count_other, f);

    for (unsigned i = 0; i < 8; i++) {
        send_byte(f);
        (void)turn(f, 0);
    }
    assert_true(f->calls > 0);
    assert_int_equal(f->other, 1);
    f->api->watch_free(busy);
    f->api->watch_free(other);
}

static void test_watch_of_no_descriptor(void **state)
{
    struct fixture *f = *state;

    assert_null(f->api->watch_new(f->api, -1, AVAHI_WATCH_IN, count_event, f));
}

static void count_timeout(AvahiTimeout *t, void *userdata)
{
    struct fixture *f = userdata;

    (void)t;
    f->calls++;
}

static void again_once(AvahiTimeout *t, void *userdata)
{
    static const struct timeval past = {0, 0};
    struct fixture *f = userdata;

    if (f->calls++ == 0)
        f->api->timeout_update(t, &past);
}

static void free_timeout(AvahiTimeout *t, void *userdata)
{
    struct fixture *f = userdata;

    f->calls++;
    f->api->timeout_free(t);
}

static struct timeval in_ms(long ms)
{
    struct timeval tv;

    (void)gettimeofday(&tv, NULL);
    tv.tv_usec += ms * 1000;
    tv.tv_sec += tv.tv_usec / 1000000;
    tv.tv_usec %= 1000000;
    return tv;
}

static int64_t monotonic_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void test_timeout_waits(void **state)
{
    struct fixture *f = *state;
    struct timeval tv = in_ms(50);
    int64_t start = monotonic_ms();
    AvahiTimeout *t = f->api->timeout_new(f->api, &tv, count_timeout, f);

    assert_true(turn(f, 5000) > 0);
    assert_int_equal(f->calls, 1);
    assert_in_range(monotonic_ms() - start, 49, 2000);
    assert_int_equal(turn(f, 0), 0); /* once only */
    f->api->timeout_free(t);
}

static void test_timeout_in_the_past(void **state)
{
    struct fixture *f = *state;
    struct timeval tv = {0, 0};
    AvahiTimeout *t = f->api->timeout_new(f->api, &tv, again_once, f);

    assert_true(turn(f, 0) > 0);
    assert_true(turn(f, 0) > 0);
    assert_int_equal(turn(f, 0), 0);
    assert_int_equal(f->calls, 2);
    f->api->timeout_free(t);
}

static void test_timeout_disabled(void **state)
{
    struct fixture *f = *state;
    struct timeval past = {0, 0};
    AvahiTimeout *t = f->api->timeout_new(f->api, NULL, count_timeout, f);

    assert_int_equal(turn(f, 0), 0);
    f->api->timeout_update(t, &past);
    f->api->timeout_update(t, NULL);
    assert_int_equal(turn(f, 0), 0);
    f->api->timeout_update(t, &past);
    assert_true(turn(f, 0) > 0);
    assert_int_equal(f->calls, 1);
    f->api->timeout_free(t);
}

static void test_timeout_far_away(void **state)
{
    struct fixture *f = *state;
    struct timeval far = {.tv_sec = (time_t)INT64_MAX};
    AvahiTimeout *t = f->api->timeout_new(f->api, &far, count_timeout, f);

    assert_int_equal(turn(f, 0), 0);
    assert_int_equal(f->calls, 0);
    f->api->timeout_free(t);
}

static void test_timeout_freed_in_its_callback(void **state)
{
    struct fixture *f = *state;
    struct timeval tv = {0, 0};

    assert_non_null(f->api->timeout_new(f->api, &tv, free_timeout, f));
    assert_true(turn(f, 0) > 0);
    assert_int_equal(turn(f, 0), 0);
    assert_int_equal(f->calls, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_watch_reads, setup, teardown),
        cmocka_unit_test_setup_teardown(test_two_watches_on_one_descriptor, setup, teardown),
        cmocka_unit_test_setup_teardown(test_watch_freed_in_its_callback, setup, teardown),
        cmocka_unit_test_setup_teardown(test_watch_hangup, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_watch_starves, setup, teardown),
        cmocka_unit_test_setup_teardown(test_watch_of_no_descriptor, setup, teardown),
        cmocka_unit_test_setup_teardown(test_timeout_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_timeout_in_the_past, setup, teardown),
        cmocka_unit_test_setup_teardown(test_timeout_disabled, setup, teardown),
        cmocka_unit_test_setup_teardown(test_timeout_far_away, setup, teardown),
        cmocka_unit_test_setup_teardown(test_timeout_freed_in_its_callback, setup, teardown),
    };

    return cmocka_run_group_tests_name("avahi-poll", tests, NULL, NULL);
}
