#include "browser-private.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include <avahi-common/error.h>

#include "discovery/base/clock.h"

enum {
    ORDERS_MAX = 4096,              /* that the thread has not read yet */
    RETRY_USEC = 500 * 1000,        /* between attempts to reach a daemon */
    REFUSED_USEC = 5 * 1000 * 1000, /* … and to browse where one has refused */
};

static uint64_t now_ms(void)
{
    return (uint64_t)clock_ms(CLOCK_MONOTONIC);
}

static void destroy_event(void *event)
{
    browser_event_free(event);
}

/* Freeing a client frees all its objects, without a call to the daemon for
 * each. */
static void drop_everything(struct browser *b)
{
    struct tuple *t, *next;

    HASH_ITER(hh, b->tuples, t, next)
    {
        HASH_DEL(b->tuples, t);
        free(t);
    }
    b->avahi = NULL;
    b->pending = 0;
    b->refused = AVAHI_LIMIT_NONE;
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        if (b->clients[i].avahi)
            avahi_client_free(b->clients[i].avahi);
        b->clients[i] = (struct client){0};
    }
}

/* Restarts later: this may be called inside a callback of an object that the
 * restart frees. */
static void schedule_restart(struct browser *b, uint64_t after_usec)
{
    (void)sd_event_source_set_time_relative(b->retry, after_usec);
    (void)sd_event_source_set_enabled(b->retry, SD_EVENT_ONESHOT);
}

static void daemon_gone(struct browser *b, const char *reason)
{
    bool told = b->told_gone;

    b->there = false;
    b->told_gone = true;
    schedule_restart(b, told ? RETRY_USEC : 0);
    if (!told)
        browser_push_news(b, BROWSER_DAEMON_GONE, NULL, reason);
}

static void on_client(AvahiClient *client, AvahiClientState state, void *arg)
{
    struct browser *b = arg;

    if (state == AVAHI_CLIENT_FAILURE)
        daemon_gone(b, avahi_strerror(avahi_client_errno(client)));
}

struct client *browser_pick_client(struct browser *b)
{
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        struct client *c = &b->clients[i];
        int error;

        if (!c->avahi)
            c->avahi = avahi_client_new(avahi_poll_get(b->poll), 0, on_client, b, &error);
        if (!c->avahi)
            return NULL;
        if (c->objects < BROWSER_OBJECTS_PER_CLIENT)
            return c;
    }
    return NULL;
}

static int on_orders(sd_event_source *source, int fd, uint32_t events, void *arg)
{
    struct browser *b = arg;

    (void)source, (void)fd, (void)events;
    for (size_t i = 0; i < ORDERS_MAX; i++) {
        struct tuple *order = queue_pop(b->orders);

        if (!order)
            break;
        browser_take_order(b, order);
    }
    return 0;
}

void browser_set_heard(struct browser *b, const struct sighting_key *key, bool heard)
{
    const struct sighting_key direct = {key->interface, SIGHTING_DIRECT, key->name, key->domain};
    struct tuple *order = browser_make_tuple(b, &direct);

    if (!order)
        return;
    order->heard = heard;
    if (queue_push(b->orders, order) < 0)
        free(order);
}

static void on_browser(AvahiServiceBrowser *avahi, AvahiIfIndex interface, AvahiProtocol protocol,
                       AvahiBrowserEvent event, const char *name, const char *type,
                       const char *domain, AvahiLookupResultFlags flags, void *arg)
{
    struct browser *b = arg;
    const struct sighting_key key = {interface, protocol, name, domain};

    (void)type;
    switch (event) {
    case AVAHI_BROWSER_NEW:
        /* avahi-common/defs.h: this flag comes with a new record only. */
        browser_add_tuple(b, &key, (flags & AVAHI_LOOKUP_RESULT_LOCAL) != 0);
        break;
    case AVAHI_BROWSER_REMOVE:
        browser_remove_tuple(b, &key);
        break;
    case AVAHI_BROWSER_ALL_FOR_NOW:
        browser_push_news(b, BROWSER_ALL_FOR_NOW, NULL, NULL);
        break;
    case AVAHI_BROWSER_CACHE_EXHAUSTED: /* means only that the cache has been read */
        break;
    case AVAHI_BROWSER_FAILURE:
        daemon_gone(b, avahi_strerror(avahi_client_errno(avahi_service_browser_get_client(avahi))));
        break;
    }
}

/* A daemon that refuses is there all the same. */
static void start_browsing(struct browser *b, AvahiClient *client)
{
    b->avahi = avahi_service_browser_new(client, AVAHI_IF_UNSPEC, AVAHI_PROTO_UNSPEC, b->type, NULL,
                                         0, on_browser, b);
    if (b->avahi) {
        if (b->told_limit[AVAHI_LIMIT_CLIENTS])
            browser_push_news(b, BROWSER_ACCEPTED, NULL, NULL);
        b->told_limit[AVAHI_LIMIT_CLIENTS] = false;
        return;
    }
    if (browser_is_limit(b, avahi_client_errno(client)))
        schedule_restart(b, REFUSED_USEC);
    else
        daemon_gone(b, avahi_strerror(avahi_client_errno(client)));
}

static void daemon_there(struct browser *b, AvahiClient *client)
{
    if (b->avahi)
        return;
    if (!b->there) {
        memset(b->told_limit, 0, sizeof(b->told_limit));
        browser_push_news(b, BROWSER_DAEMON_THERE, NULL, NULL);
    }
    b->there = true;
    b->told_gone = false;
    start_browsing(b, client);
}

/* The first client waits for a daemon; the others are made when one is there. */
static void on_first_client(AvahiClient *client, AvahiClientState state, void *arg)
{
    struct browser *b = arg;

    switch (state) {
    case AVAHI_CLIENT_S_REGISTERING:
    case AVAHI_CLIENT_S_RUNNING:
    case AVAHI_CLIENT_S_COLLISION:
        daemon_there(b, client); /* browsing does not need the daemon's own name */
        break;
    case AVAHI_CLIENT_CONNECTING:
        if (!b->told_gone)
            browser_push_news(b, BROWSER_DAEMON_GONE, NULL, avahi_strerror(AVAHI_ERR_NO_DAEMON));
        b->told_gone = true;
        b->there = false;
        break;
    case AVAHI_CLIENT_FAILURE:
        daemon_gone(b, avahi_strerror(avahi_client_errno(client)));
        break;
    }
}

static int on_retry(sd_event_source *source, uint64_t usec, void *arg)
{
    struct browser *b = arg;
    int error = AVAHI_ERR_FAILURE;

    (void)source, (void)usec;
    drop_everything(b);
    b->clients[0].objects = 1; /* the browser */
    b->clients[0].avahi =
        avahi_client_new(avahi_poll_get(b->poll), AVAHI_CLIENT_NO_FAIL, on_first_client, b, &error);
    if (!b->clients[0].avahi)
        daemon_gone(b, avahi_strerror(error));
    return 0;
}

static int on_stop(sd_event_source *source, int fd, uint32_t events, void *arg)
{
    const struct browser *b = arg;

    (void)source, (void)fd, (void)events;
    return sd_event_exit(b->loop, 0);
}

static void drop_user(struct browser *b)
{
    if (atomic_fetch_sub(&b->users, 1) != 1)
        return;
    queue_free(b->queue);
    queue_free(b->orders);
    if (b->stop_fd >= 0)
        close(b->stop_fd);
    if (b->done_fd >= 0)
        close(b->done_fd);
    free(b->type);
    if (b->key)
        key_clear(b->key);
    free(b->key);
    free(b);
}

static int setup_thread(struct browser *b)
{
    int r;

    r = sd_event_new(&b->loop);
    if (r < 0)
        return r;
    r = avahi_poll_new(b->loop, &b->poll);
    if (r < 0)
        return r;
    r = sd_event_add_io(b->loop, NULL, b->stop_fd, EPOLLIN, on_stop, b);
    if (r < 0)
        return r;
    r = sd_event_add_io(b->loop, NULL, queue_fd(b->orders), EPOLLIN, on_orders, b);
    if (r < 0)
        return r;
    return sd_event_add_time_relative(b->loop, &b->retry, CLOCK_MONOTONIC, 0, 1, on_retry, b);
}

/* One turn of the loop; `busy_since` has the start time meanwhile. */
static int run_turn(struct browser *b)
{
    int r;

    r = sd_event_prepare(b->loop);
    if (r == 0)
        r = sd_event_wait(b->loop, UINT64_MAX);
    if (r <= 0)
        return r;
    atomic_store(&b->busy_since, now_ms());
    r = sd_event_dispatch(b->loop);
    atomic_store(&b->busy_since, 0);
    return r;
}

static void *run_thread(void *arg)
{
    struct browser *b = arg;
    struct tuple *t, *next;
    int r;

    r = setup_thread(b);
    while (r >= 0 && sd_event_get_state(b->loop) != SD_EVENT_FINISHED)
        r = run_turn(b);
    if (r < 0)
        browser_push_news(b, BROWSER_DAEMON_GONE, NULL, strerror(-r));
    drop_everything(b);
    HASH_ITER(hh, b->heard, t, next)
    {
        HASH_DEL(b->heard, t);
        free(t);
    }
    sd_event_source_unref(b->retry);
    avahi_poll_free(b->poll);
    sd_event_unref(b->loop);
    (void)eventfd_write(b->done_fd, 1);
    drop_user(b);
    return NULL;
}

/* Signals are for the program's own loop. */
static int start_thread(struct browser *b)
{
    sigset_t all, before;
    int r;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    r = pthread_create(&b->thread, NULL, run_thread, b);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -r;
}

static struct key *copy_key(const struct key *key)
{
    struct key *copy = malloc(sizeof(*copy));

    if (copy)
        *copy = *key;
    return copy;
}

int browser_new(const char *fleet, const struct key *key, struct browser **ret, struct error *err)
{
    struct browser *b = calloc(1, sizeof(*b));
    int r = -ENOMEM;

    if (!b)
        return error_sys(err, r, "cannot browse");
    atomic_init(&b->users, 1);
    atomic_init(&b->busy_since, 0);
    b->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    b->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    b->queue = queue_new(BROWSER_QUEUE_MAX, destroy_event);
    b->orders = queue_new(ORDERS_MAX, free);
    if (!fleet)
        b->type = strdup(ADVERT_TYPE);
    else if (asprintf(&b->type, "_%s._sub." ADVERT_TYPE, fleet) < 0)
        b->type = NULL;
    if (key)
        b->key = copy_key(key);
    if ((!key || b->key) && b->stop_fd >= 0 && b->done_fd >= 0 && b->queue && b->orders &&
        b->type) {
        atomic_store(&b->users, 2);
        r = start_thread(b);
        if (r == 0) {
            *ret = b;
            return 0;
        }
        atomic_store(&b->users, 1);
    }
    drop_user(b);
    return error_sys(err, r, "cannot browse");
}

void browser_free(struct browser *b)
{
    struct pollfd done;

    if (!b)
        return;
    done = (struct pollfd){.fd = b->done_fd, .events = POLLIN};
    (void)eventfd_write(b->stop_fd, 1);
    if (poll(&done, 1, BROWSER_STOP_MS) > 0)
        pthread_join(b->thread, NULL);
    else
        pthread_detach(b->thread);
    drop_user(b);
}

int browser_fd(const struct browser *b)
{
    return queue_fd(b->queue);
}

struct browser_event *browser_take(struct browser *b)
{
    return queue_pop(b->queue);
}

unsigned browser_stuck_ms(const struct browser *b)
{
    uint64_t since = atomic_load(&b->busy_since);

    return since ? (unsigned)(now_ms() - since) : 0;
}
