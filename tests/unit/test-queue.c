#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "discovery/base/queue.h"

enum { ITEMS = 20000, PRODUCERS = 4 };

static int readable(const struct queue *q)
{
    struct pollfd p = {.fd = queue_fd(q), .events = POLLIN};

    return poll(&p, 1, 0);
}

static void test_order(void **state)
{
    CLEANUP(queue_free_p) struct queue *q = queue_new(0, NULL);
    static int items[100];

    (void)state;
    assert_non_null(q);
    assert_int_equal(readable(q), 0);
    for (size_t round = 0; round < 3; round++) {
        for (size_t i = 0; i < 70; i++)
            assert_int_equal(queue_push(q, &items[i]), 0);
        for (size_t i = 0; i < 70; i++) {
            assert_int_equal(readable(q), 1);
            assert_ptr_equal(queue_pop(q), &items[i]);
        }
        assert_null(queue_pop(q));
        assert_int_equal(readable(q), 0);
    }
}

static int destroyed;

static void destroy(void *item)
{
    (void)item;
    destroyed++;
}

static void test_bound(void **state)
{
    struct queue *q = queue_new(2, destroy);
    int item;

    (void)state;
    destroyed = 0;
    assert_int_equal(queue_push(q, &item), 0);
    assert_int_equal(queue_push(q, &item), 0);
    assert_int_equal(queue_push(q, &item), -ENOBUFS);
    queue_free(q);
    assert_int_equal(destroyed, 2);
}

static void *produce(void *arg)
{
    static int items[ITEMS];

    for (size_t i = 0; i < ITEMS; i++)
        if (queue_push(arg, &items[i]) < 0)
            return arg;
    return NULL;
}

static void test_threads(void **state)
{
    CLEANUP(queue_free_p) struct queue *q = queue_new(0, NULL);
    pthread_t threads[PRODUCERS];
    size_t count = 0;

    (void)state;
    for (size_t i = 0; i < PRODUCERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, produce, q), 0);
    while (count < (size_t)ITEMS * PRODUCERS) {
        struct pollfd p = {.fd = queue_fd(q), .events = POLLIN};

        assert_int_equal(poll(&p, 1, 10000), 1);
        while (queue_pop(q))
            count++;
    }
    for (size_t i = 0; i < PRODUCERS; i++) {
        void *failed;

        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    assert_int_equal(readable(q), 0);
}

static void *produce_patiently(void *arg)
{
    static int items[ITEMS];

    for (size_t i = 0; i < ITEMS; i++)
        if (queue_push_wait(arg, &items[i], 4) < 0)
            return arg;
    return NULL;
}

static void test_wait(void **state)
{
    /* The queue's own bound stops a producer that does not wait. */
    CLEANUP(queue_free_p) struct queue *q = queue_new(4, NULL);
    pthread_t threads[PRODUCERS];
    size_t count = 0;

    (void)state;
    for (size_t i = 0; i < PRODUCERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, produce_patiently, q), 0);
    while (count < (size_t)ITEMS * PRODUCERS - 2) {
        struct pollfd p = {.fd = queue_fd(q), .events = POLLIN};

        assert_int_equal(poll(&p, 1, 10000), 1);
        if (queue_pop(q))
            count++;
    }
    queue_hurry(q);
    for (size_t i = 0; i < PRODUCERS; i++) {
        void *failed;

        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
}

static void test_hurry(void **state)
{
    CLEANUP(queue_free_p) struct queue *q = queue_new(0, NULL);
    pthread_t thread;
    void *failed;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, produce_patiently, q), 0);
    queue_hurry(q); /* without this call the producer would wait for ever, because nobody pops */
    assert_int_equal(pthread_join(thread, &failed), 0);
    assert_null(failed);
}

static struct queue_share fast;

static void *produce_fast(void *arg)
{
    static int items[ITEMS];

    for (size_t i = 0; i < ITEMS; i++)
        if (queue_push_share(arg, &items[i], &fast, 3) < 0)
            return arg;
    return NULL;
}

/* A producer that has its share in the queue waits, and others do not. */
static void test_share(void **state)
{
    CLEANUP(queue_free_p) struct queue *q = queue_new(0, NULL);
    struct queue_share other = {0};
    pthread_t thread;
    size_t count = 0;
    int mine;
    void *failed;

    (void)state;
    fast = (struct queue_share){0};
    assert_int_equal(pthread_create(&thread, NULL, produce_fast, q), 0);
    while (count < ITEMS) {
        struct pollfd p = {.fd = queue_fd(q), .events = POLLIN};
        unsigned before = 0;

        assert_int_equal(poll(&p, 1, 10000), 1);
        assert_int_equal(queue_push_share(q, &mine, &other, 1), 0);
        for (void *item; (item = queue_pop(q)) != &mine; before++)
            assert_non_null(item);
        assert_true(before <= 3);
        count += before;
    }
    assert_int_equal(pthread_join(thread, &failed), 0);
    assert_null(failed);
    assert_int_equal(fast.count, 0);
    assert_int_equal(other.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order), cmocka_unit_test(test_bound), cmocka_unit_test(test_threads),
        cmocka_unit_test(test_wait),  cmocka_unit_test(test_hurry), cmocka_unit_test(test_share),
    };

    return cmocka_run_group_tests_name("queue", tests, NULL, NULL);
}
