/* One name looked up with a deadline, with getaddrinfo(3) of our own: no name service is asked. */
#include <errno.h>
#include <netdb.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "deployer/base/local-host.h"
#include "deployer/base/lookup.h"
#include "deployer/ssh/upstream.h"
#include "discovery/base/clock.h"

/* Takes the place of libc's: every name waits until it may go on. */
static sem_t go_on, gone;
static sigset_t blocked;

int getaddrinfo(const char *restrict name, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict ret)
{
    (void)name;
    (void)service;
    (void)ret;
    if (hints && hints->ai_flags & AI_NUMERICHOST)
        return EAI_NONAME;
    (void)pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    sem_wait(&go_on);
    sem_post(&gone);
    return EAI_NONAME;
}

/* The thread that was left behind ends, too. */
static void end_threads(int n)
{
    for (int i = 0; i < n; i++)
        sem_post(&go_on);
    for (int i = 0; i < n; i++)
        sem_wait(&gone);
}

static void time_is_up(void **state)
{
    struct addrinfo *list = NULL;
    struct error err = {0};
    int64_t begun = clock_ms(CLOCK_MONOTONIC);

    (void)state;
    assert_int_equal(lookup_run("slow", 300, -1, &list, &err), -ETIMEDOUT);
    assert_in_range(clock_ms(CLOCK_MONOTONIC) - begun, 299, 5000);
    assert_null(list);
    assert_string_equal(err.text, "cannot look up slow: no answer in 0.3 s; give its address "
                                  "instead, or check the name service (DNS)");
    end_threads(1);
}

static void a_stop_is_heard(void **state)
{
    struct addrinfo *list = NULL;
    struct error err = {0};
    int stop = eventfd(1, EFD_CLOEXEC);

    (void)state;
    assert_int_equal(lookup_run("slow", 60000, stop, &list, &err), -ECANCELED);
    assert_non_null(strstr(err.text, "slow"));
    end_threads(1);
    close(stop);
}

/* A signal that a thread took, which was left behind, would end the program at once. */
static void signals_are_not_the_threads(void **state)
{
    struct addrinfo *list = NULL;
    sigset_t own;

    (void)state;
    sem_post(&go_on);
    assert_int_equal(lookup_run("slow", 60000, -1, &list, NULL), -ENOENT);
    sem_wait(&gone);
    assert_int_equal(sigismember(&blocked, SIGINT), 1);
    assert_int_equal(sigismember(&blocked, SIGTERM), 1);
    (void)pthread_sigmask(SIG_SETMASK, NULL, &own);
    assert_int_equal(sigismember(&own, SIGINT), 0);
}

static void a_name_has_a_bound(void **state)
{
    char name[LOOKUP_NAME_MAX + 2] = "";
    struct addrinfo *list = NULL;

    (void)state;
    memset(name, 'a', sizeof(name) - 1);
    assert_int_equal(lookup_run(name, 300, -1, &list, NULL), -EINVAL);
}

static void callers_give_up(void **state)
{
    const struct upstreams_wait wait = {.timeout_ms = 200, .stop_fd = -1};
    const struct strings ports = {0};
    CLEANUP(upstreams_clear) struct upstreams u = {0};
    struct error err = {0};
    int stop = eventfd(1, EFD_CLOEXEC);

    (void)state;
    /* It may be local: who looks it up once more could get another answer in time. */
    assert_int_equal(local_host_resolved("slow.example", NULL, 200, -1), -ETIMEDOUT);
    assert_int_equal(local_host_resolved("slow.example", NULL, 60000, stop), -ECANCELED);
    end_threads(2);
    sem_post(&go_on);
    assert_int_equal(local_host_resolved("unknown.example", NULL, 60000, -1), 0);
    sem_wait(&gone);
    assert_int_equal(
        upstreams_find("http://slow.example:3142", NULL, &ports, false, &wait, &u, &err),
        -ETIMEDOUT);
    assert_string_equal(err.text,
                        "the cache http://slow.example:3142 cannot be found: cannot look up "
                        "slow.example: no answer in 0.2 s; give its address instead, or check "
                        "the name service (DNS)");
    end_threads(1);
    close(stop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_is_up),
        cmocka_unit_test(a_stop_is_heard),
        cmocka_unit_test(signals_are_not_the_threads),
        cmocka_unit_test(a_name_has_a_bound),
        cmocka_unit_test(callers_give_up),
    };

    sem_init(&go_on, 0, 0);
    sem_init(&gone, 0, 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
