#include "browser.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <systemd/sd-event.h>

#include <avahi-client/client.h>
#include <avahi-client/lookup.h>
#include <avahi-common/error.h>
#include <avahi-common/malloc.h>

#include "discovery/advert/sign.h"
#include "discovery/base/avahi-poll.h"
#include "discovery/base/clock.h"
#include "discovery/base/hash.h"
#include "discovery/base/queue.h"
#include "host-name.h"

enum {
    CLIENTS_MAX = (BROWSER_TUPLES_MAX + BROWSER_OBJECTS_PER_CLIENT) / BROWSER_OBJECTS_PER_CLIENT,
    ORDERS_MAX = 4096,       /* that the thread has not read yet */
    RETRY_USEC = 500 * 1000, /* between attempts to reach a daemon */
    NAME_MAX_BYTES = 1024, /* an instance name or domain, escaped (RFC 1035 §2.3.4: 255 octets) */
    TXT_ROOM = 2 * ADVERT_TXT_MAX, /* more is refused by the parser, which says so */
};

/* One (interface, protocol, name, domain), with its resolver kept open; or, with the
 * protocol SIGHTING_DIRECT, an instance that is heard without Avahi. */
struct tuple {
    struct browser *browser;
    AvahiServiceResolver *resolver;
    struct client *client;
    struct sighting_key key; /* strings point into `bytes` */
    bool settled;            /* resolved, or failed to, at least once */
    bool heard;              /* of an order: what browser_set_heard was told */
    bool own;                /* this host announces it */
    UT_hash_handle hh;
    size_t size;
    char bytes[];
};

/* Limits of the daemon that it says it has reached. */
enum limit { LIMIT_CLIENTS, LIMIT_OBJECTS, LIMITS };

struct client {
    AvahiClient *avahi;
    size_t objects;
};

/*
 * The queues, the two descriptors, `count`, `users` and `busy_since` are shared; the rest belongs
 * to the thread once it runs.
 */
struct browser {
    struct queue *queue;
    struct queue *orders; /* to the thread: tuples for browser_set_heard */
    int stop_fd;          /* readable: the owner asks the thread to end */
    int done_fd;          /* readable: the thread has ended, but for its last lines */
    pthread_t thread;
    atomic_size_t count;         /* of `tuples` */
    atomic_int users;            /* the owner and the thread; the last one frees */
    _Atomic uint64_t busy_since; /* ms, CLOCK_MONOTONIC; 0: waiting for events */

    char *type;      /* what is browsed for: ADVERT_TYPE or a subtype of it */
    struct key *key; /* the fleet's; NULL: none */
    sd_event *loop;
    struct avahi_poll *poll;
    sd_event_source *retry; /* timer: rebuild everything */
    struct client clients[CLIENTS_MAX];
    AvahiServiceBrowser *avahi;
    struct tuple *tuples;
    struct tuple *heard; /* instances */
    size_t pending;
    bool there;     /* the daemon's state as last reported */
    bool told_gone; /* so that one absence is reported once */
    bool told_many;
    bool told_limit[LIMITS];
};

static uint64_t now_ms(void)
{
    return (uint64_t)clock_ms(CLOCK_MONOTONIC);
}

void browser_event_free(struct browser_event *e)
{
    if (!e)
        return;
    free((char *)e->sighting.key.name);
    free((char *)e->sighting.key.domain);
    free((char *)e->sighting.host);
    advert_clear(&e->advert);
    free(e->reason);
    free(e);
}

DEFINE_CLEANUP(struct browser_event *, browser_event_free);

static void destroy_event(void *event)
{
    browser_event_free(event);
}

/* A full queue means that the user is behind: waits for room, or for the
 * end. */
static void push_event(struct browser *b, struct browser_event *e)
{
    e->pending = b->pending;
    for (;;) {
        struct pollfd stop = {.fd = b->stop_fd, .events = POLLIN};
        int r = queue_push(b->queue, e);

        if (r == 0)
            return;
        if (poll(&stop, 1, 5) > 0) {
            browser_event_free(e);
            return;
        }
    }
}

/* A new event, with the tuple's key if one is given; NULL without memory. */
static struct browser_event *make_event(enum browser_event_type type, const struct tuple *t)
{
    CLEANUP(browser_event_free_p) struct browser_event *e = calloc(1, sizeof(*e));

    if (!e)
        return NULL;
    e->type = type;
    if (!t)
        return TAKE_PTR(e);
    e->sighting.key = t->key;
    e->sighting.key.name = strdup(t->key.name);
    e->sighting.key.domain = strdup(t->key.domain);
    if (!e->sighting.key.name || !e->sighting.key.domain)
        return NULL;
    return TAKE_PTR(e);
}

/* Without memory an event is lost; the next record or daemon brings another. */
static void push_news(struct browser *b, enum browser_event_type type, const struct tuple *t,
                      const char *reason)
{
    struct browser_event *e = make_event(type, t);

    if (!e)
        return;
    e->reason = reason ? strdup(reason) : NULL;
    push_event(b, e);
}

/* Is this error a limit of the daemon?  If so, reports it, once. */
static bool is_limit(struct browser *b, int error)
{
    static const char *const settings[LIMITS] = {"clients-max", "objects-per-client-max"};
    enum limit limit = error == AVAHI_ERR_TOO_MANY_CLIENTS   ? LIMIT_CLIENTS
                       : error == AVAHI_ERR_TOO_MANY_OBJECTS ? LIMIT_OBJECTS
                                                             : LIMITS;

    if (limit == LIMITS)
        return false;
    if (!b->told_limit[limit])
        push_news(b, BROWSER_LIMIT, NULL, settings[limit]);
    b->told_limit[limit] = true;
    return true;
}

static void settle_tuple(struct tuple *t)
{
    if (t->settled)
        return;
    t->settled = true;
    t->browser->pending--;
}

static void stop_resolver(struct tuple *t)
{
    if (t->resolver) {
        avahi_service_resolver_free(t->resolver);
        t->client->objects--;
    }
    t->resolver = NULL;
    settle_tuple(t);
}

static void free_tuple(struct tuple *t)
{
    HASH_DEL(t->browser->tuples, t);
    atomic_store(&t->browser->count, HASH_COUNT(t->browser->tuples));
    stop_resolver(t);
    free(t);
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
    atomic_store(&b->count, 0);
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
        push_news(b, BROWSER_DAEMON_GONE, NULL, reason);
}

/* Writes the wire form (RFC 6763 §6.1), bounded; the parser refuses what is too
 * long. */
static size_t serialize_txt(AvahiStringList *txt, uint8_t ret[static TXT_ROOM])
{
    size_t size = 0;

    for (; txt; txt = avahi_string_list_get_next(txt)) {
        size_t n = avahi_string_list_get_size(txt);

        if (n > 255 || size + n + 1 > TXT_ROOM)
            return TXT_ROOM;
        ret[size++] = (uint8_t)n;
        memcpy(ret + size, avahi_string_list_get_text(txt), n);
        size += n;
    }
    return size;
}

static void set_address(struct address *ret, const AvahiAddress *a, AvahiIfIndex interface)
{
    *ret = (struct address){.family = AF_INET};
    if (a->proto == AVAHI_PROTO_INET) {
        memcpy(ret->bytes, &a->data.ipv4.address, 4);
        return;
    }
    ret->family = AF_INET6;
    memcpy(ret->bytes, a->data.ipv6.address, 16);
    if (address_is_link_local(ret) && interface > 0)
        ret->interface = (unsigned)interface;
}

static void push_resolved(struct tuple *t, const char *host, const AvahiAddress *address,
                          uint16_t port, AvahiStringList *txt)
{
    CLEANUP(browser_event_free_p) struct browser_event *e = make_event(BROWSER_RESOLVED, t);
    const struct key *key = t->browser->key;
    uint8_t bytes[TXT_ROOM];
    struct error err = {0};
    size_t size;

    settle_tuple(t);
    if (!e)
        return;
    size = serialize_txt(txt, bytes);
    if (advert_parse(bytes, size, &e->advert, &err) < 0) {
        e->type = BROWSER_UNREADABLE;
        e->reason = strdup(err.text);
    } else {
        e->sighting.advert = &e->advert;
        e->sighting.verified = key && advert_verify(bytes, size, port, e->advert.id, key);
    }
    e->sighting.host = host ? host_name_from_escaped(host) : NULL;
    e->sighting.port = port;
    e->sighting.own = t->own;
    set_address(&e->address, address, t->key.interface);
    e->sighting.addresses = &e->address;
    e->sighting.n_addresses = 1;
    push_event(t->browser, TAKE_PTR(e));
}

static void on_resolver(AvahiServiceResolver *resolver, AvahiIfIndex interface,
                        AvahiProtocol protocol, AvahiResolverEvent event, const char *name,
                        const char *type, const char *domain, const char *host,
                        const AvahiAddress *address, uint16_t port, AvahiStringList *txt,
                        AvahiLookupResultFlags flags, void *arg)
{
    struct tuple *t = arg;

    (void)interface, (void)protocol, (void)name, (void)type, (void)domain, (void)flags;
    if (event == AVAHI_RESOLVER_FOUND && address) {
        push_resolved(t, host, address, port, txt);
        return;
    }
    /* The record may still come later: the resolver stays open. */
    settle_tuple(t);
    push_news(t->browser, BROWSER_UNRESOLVED, t,
              avahi_strerror(avahi_client_errno(avahi_service_resolver_get_client(resolver))));
}

static void on_client(AvahiClient *client, AvahiClientState state, void *arg)
{
    struct browser *b = arg;

    if (state == AVAHI_CLIENT_FAILURE)
        daemon_gone(b, avahi_strerror(avahi_client_errno(client)));
}

/* A client that has room for one more resolver; NULL: there is none. */
static struct client *pick_client(struct browser *b)
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

/* Makes a tuple with its hash key: numbers, name, domain. */
static struct tuple *make_tuple(struct browser *b, const struct sighting_key *key)
{
    size_t name = strnlen(key->name, NAME_MAX_BYTES) + 1;
    size_t domain = strnlen(key->domain, NAME_MAX_BYTES) + 1;
    size_t numbers = 2 * sizeof(int);
    struct tuple *t;

    if (name > NAME_MAX_BYTES || domain > NAME_MAX_BYTES)
        return NULL;
    t = calloc(1, sizeof(*t) + numbers + name + domain);
    if (!t)
        return NULL;
    memcpy(t->bytes, &key->interface, sizeof(int));
    memcpy(t->bytes + sizeof(int), &key->protocol, sizeof(int));
    memcpy(t->bytes + numbers, key->name, name);
    memcpy(t->bytes + numbers + name, key->domain, domain);
    t->size = numbers + name + domain;
    t->browser = b;
    t->key = *key;
    t->key.name = t->bytes + numbers;
    t->key.domain = t->bytes + numbers + name;
    return t;
}

static struct tuple *find_tuple(struct tuple *all, const struct tuple *like)
{
    struct tuple *t;

    HASH_FIND(hh, all, like->bytes, like->size, t);
    return t;
}

/* The same instance's tuple of another protocol, if there is one; it also finds the
 * instance among those that are heard. */
static struct tuple *find_sibling(struct tuple *all, const struct tuple *t, int protocol)
{
    const struct sighting_key key = {t->key.interface, protocol, t->key.name, t->key.domain};
    CLEANUP_FREE struct tuple *like = make_tuple(t->browser, &key);

    return like ? find_tuple(all, like) : NULL;
}

/* Asks for an address of the tuple's own protocol, so that a machine's IPv4 and
 * IPv6 addresses both come, each from its own tuple.  A client that the daemon gives
 * fewer objects than we thought is full. */
static void start_resolver(struct tuple *t)
{
    struct browser *b = t->browser;
    int error = AVAHI_OK;

    while ((t->client = pick_client(b))) {
        t->resolver = avahi_service_resolver_new(t->client->avahi, t->key.interface,
                                                 t->key.protocol, t->key.name, ADVERT_TYPE,
                                                 t->key.domain, t->key.protocol, 0, on_resolver, t);
        if (t->resolver) {
            t->client->objects++;
            return;
        }
        error = avahi_client_errno(t->client->avahi);
        if (!is_limit(b, error))
            break;
        t->client->objects = BROWSER_OBJECTS_PER_CLIENT;
    }
    settle_tuple(t);
    push_news(b, BROWSER_UNRESOLVED, t,
              error != AVAHI_OK ? avahi_strerror(error) : "no connection to the Avahi daemon");
}

static void add_tuple(struct browser *b, const struct sighting_key *key, bool own)
{
    struct tuple *t;

    if (HASH_COUNT(b->tuples) >= BROWSER_TUPLES_MAX) {
        if (!b->told_many)
            push_news(b, BROWSER_TOO_MANY, NULL, NULL);
        b->told_many = true;
        return;
    }
    t = make_tuple(b, key);
    if (!t)
        return;
    t->own = own;
    if (!find_tuple(b->tuples, t))
        HASH_ADD_KEYPTR(hh, b->tuples, t->bytes, t->size, t);
    if (!HASH_WAS_ADDED(t)) {
        free(t);
        return;
    }
    atomic_store(&b->count, HASH_COUNT(b->tuples));
    b->pending++;
    if (find_sibling(b->heard, t, SIGHTING_DIRECT)) {
        settle_tuple(t);
        return;
    }
    push_news(b, BROWSER_FOUND, t, NULL);
    start_resolver(t);
}

static void remove_tuple(struct browser *b, const struct sighting_key *key)
{
    CLEANUP_FREE struct tuple *like = make_tuple(b, key);
    struct tuple *t = like ? find_tuple(b->tuples, like) : NULL;

    if (!t)
        return;
    settle_tuple(t);
    push_news(b, BROWSER_REMOVED, t, NULL);
    free_tuple(t);
    b->told_many = false;
}

/* Takes the order, which it frees or keeps. */
static void take_order(struct browser *b, struct tuple *order)
{
    static const int protocols[] = {AVAHI_PROTO_INET, AVAHI_PROTO_INET6};
    struct tuple *before = find_tuple(b->heard, order);

    if (order->heard == (before != NULL) ||
        (order->heard && HASH_COUNT(b->heard) >= BROWSER_TUPLES_MAX)) {
        free(order);
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
        struct tuple *t = find_sibling(b->tuples, order, protocols[i]);

        if (!t)
            continue;
        if (order->heard) {
            stop_resolver(t);
            push_news(b, BROWSER_RELEASED, t, NULL);
        } else {
            start_resolver(t);
        }
    }
    if (order->heard) {
        HASH_ADD_KEYPTR(hh, b->heard, order->bytes, order->size, order);
        if (HASH_WAS_ADDED(order))
            return;
    } else {
        HASH_DEL(b->heard, before); /* NOLINT(clang-analyzer-core.NullDereference): it is there */
        free(before);
    }
    free(order);
}

static int on_orders(sd_event_source *source, int fd, uint32_t events, void *arg)
{
    struct browser *b = arg;

    (void)source, (void)fd, (void)events;
    for (size_t i = 0; i < ORDERS_MAX; i++) {
        struct tuple *order = queue_pop(b->orders);

        if (!order)
            break;
        take_order(b, order);
    }
    return 0;
}

void browser_set_heard(struct browser *b, const struct sighting_key *key, bool heard)
{
    const struct sighting_key direct = {key->interface, SIGHTING_DIRECT, key->name, key->domain};
    struct tuple *order = make_tuple(b, &direct);

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
        add_tuple(b, &key, (flags & AVAHI_LOOKUP_RESULT_LOCAL) != 0);
        break;
    case AVAHI_BROWSER_REMOVE:
        remove_tuple(b, &key);
        break;
    case AVAHI_BROWSER_ALL_FOR_NOW:
        push_news(b, BROWSER_ALL_FOR_NOW, NULL, NULL);
        break;
    case AVAHI_BROWSER_CACHE_EXHAUSTED: /* means only that the cache has been read */
        break;
    case AVAHI_BROWSER_FAILURE:
        daemon_gone(b, avahi_strerror(avahi_client_errno(avahi_service_browser_get_client(avahi))));
        break;
    }
}

static void daemon_there(struct browser *b, AvahiClient *client)
{
    if (b->there)
        return;
    b->there = true;
    b->told_gone = false;
    push_news(b, BROWSER_DAEMON_THERE, NULL, NULL);
    b->avahi = avahi_service_browser_new(client, AVAHI_IF_UNSPEC, AVAHI_PROTO_UNSPEC, b->type, NULL,
                                         0, on_browser, b);
    if (b->avahi)
        return;
    if (is_limit(b, avahi_client_errno(client))) { /* it runs all the same */
        b->there = false;
        schedule_restart(b, RETRY_USEC);
    } else {
        daemon_gone(b, avahi_strerror(avahi_client_errno(client)));
    }
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
            push_news(b, BROWSER_DAEMON_GONE, NULL, avahi_strerror(AVAHI_ERR_NO_DAEMON));
        b->told_gone = true;
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
        push_news(b, BROWSER_DAEMON_GONE, NULL, strerror(-r));
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
    atomic_init(&b->count, 0);
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

size_t browser_count(const struct browser *b)
{
    return atomic_load(&b->count);
}

unsigned browser_stuck_ms(const struct browser *b)
{
    uint64_t since = atomic_load(&b->busy_since);

    return since ? (unsigned)(now_ms() - since) : 0;
}
