#include "liveness.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "discovery/base/hash.h"
#include "mdns-probe.h"
#include "mdns-socket.h"

enum {
    WHICH_MASK = ROSTER_ADDRESSES_MAX - 1,
    RESTARTS_MAX = 2, /* of one probe, because addresses changed */
    TICK_MS = 50,     /* due times are rounded up to it: one wake-up for many probes */
    KEY_MAX = 100,    /* clone number, id, host key */
};

enum phase {
    IDLE,      /* until `due` */
    ASKED,     /* the first mDNS query sent */
    ASKED_ALL, /* more, to every address */
    WAITING,   /* for its turn to connect */
    CONNECTING,
};

struct watched {
    struct liveness *liveness;
    char id[ADVERT_ID_LENGTH + 1];
    char *hostkey;
    unsigned clone;
    char instance[MDNS_PROBE_LABEL_MAX + 1]; /* that it is asked for */
    struct address addresses[ROSTER_ADDRESSES_MAX];
    size_t n_addresses;
    uint16_t port;
    enum phase phase;
    bool known, online;
    uint64_t due;      /* ms: when the phase ends */
    uint64_t give_up;  /* ms: when no more queries are sent */
    uint64_t last_tcp; /* ms; 0: never */
    size_t tcp_tried;  /* addresses, in this round */
    struct address connecting_to;
    uint16_t transaction;
    int fd;
    sd_event_source *source;
    UT_hash_handle hh;                /* in `all`, by key */
    UT_hash_handle hh_question;       /* in `questions`, by transaction, while ASKED… */
    UT_hash_handle hh_holder;         /* in `holders`, by address, while `holds` */
    struct address held, answered_at; /* answered_at: the last address, family 0: none */
    unsigned restarts;                /* of the probe that is under way */
    bool holds;                       /* this machine answered its last mDNS query at `held` */
    size_t key_size;
    char key[];
};

struct liveness {
    sd_event *loop;
    bool again;
    struct liveness_listener listener;
    struct watched *all, *questions, *holders;
    size_t unknown, connecting;
    struct mdns_socket *socket;
    sd_event_source *timer;
    uint64_t timer_due; /* ms, UINT64_MAX: off */
};

static struct machine_key key_of(const struct watched *w)
{
    return (struct machine_key){w->id, w->hostkey, w->clone};
}

static void start_probe(struct watched *w);
static void connect_next(struct watched *w);

static uint64_t now_ms(const struct liveness *l)
{
    uint64_t usec = 0;

    (void)sd_event_now(l->loop, CLOCK_MONOTONIC, &usec);
    return usec / 1000;
}

static void arm_timer(struct liveness *l, uint64_t due)
{
    due = (due / TICK_MS + 1) * TICK_MS;
    if (due >= l->timer_due)
        return;
    l->timer_due = due;
    (void)sd_event_source_set_time(l->timer, due * 1000);
    (void)sd_event_source_set_enabled(l->timer, SD_EVENT_ONESHOT);
}

static void set_phase(struct watched *w, enum phase phase, uint64_t patience)
{
    w->phase = phase;
    w->due = now_ms(w->liveness) + patience;
    arm_timer(w->liveness, w->due);
}

static void close_connection(struct watched *w)
{
    w->source = sd_event_source_disable_unref(w->source);
    if (w->fd >= 0) {
        close(w->fd);
        w->liveness->connecting--;
    }
    w->fd = -1;
}

static void end_question(struct watched *w)
{
    if (w->transaction)
        HASH_DELETE(hh_question, w->liveness->questions, w);
    w->transaction = 0;
}

/* An address as a hash key. */
static struct address address_key(const struct address *a)
{
    struct address key = {.family = a->family, .interface = a->interface};

    _Static_assert(sizeof(key) == sizeof(key.family) + sizeof(key.bytes) + sizeof(key.interface),
                   "no padding");
    memcpy(key.bytes, a->bytes, a->family == AF_INET ? 4 : sizeof(key.bytes));
    return key;
}

static struct watched *find_holder(const struct liveness *l, const struct address *a)
{
    const struct address key = address_key(a);
    struct watched *w;

    HASH_FIND(hh_holder, l->holders, &key, sizeof(key), w);
    return w;
}

static void end_holding(struct watched *w)
{
    if (w->holds)
        HASH_DELETE(hh_holder, w->liveness->holders, w);
    w->holds = false;
}

/* The machine answered from this address, so an earlier holder has left it. */
static void begin_holding(struct watched *w, const struct address *a)
{
    struct liveness *l = w->liveness;
    struct watched *before = find_holder(l, a);

    w->answered_at = *a;
    if (before == w)
        return;
    if (before)
        end_holding(before);
    end_holding(w);
    w->held = address_key(a);
    HASH_ADD(hh_holder, l->holders, held, sizeof(w->held), w);
    w->holds = w->hh_holder.tbl != NULL; /* no memory: TCP answers count as before */
}

/* Does another machine hold this address now?  Then a TCP answer there tells
 * nothing about this machine, whose record is old. */
static bool is_held_by_another(const struct watched *w, const struct address *a)
{
    const struct watched *holder = find_holder(w->liveness, a);

    return holder && (strcmp(holder->id, w->id) != 0 || holder->clone != w->clone);
}

static uint32_t random_number(const struct liveness *l)
{
    uint32_t random;

    if (getrandom(&random, sizeof(random), GRND_NONBLOCK) == sizeof(random))
        return random;
    return (uint32_t)now_ms(l); /* early in the boot: better than waiting */
}

/* First a random part of the period, so that a thousand machines found at once
 * are not probed at once again; then the full period. */
static uint64_t pause_after(const struct watched *w)
{
    uint64_t pause = (uint64_t)HASH_COUNT(w->liveness->all) * LIVENESS_PACE_MS;

    if (pause < LIVENESS_EVERY_MS)
        pause = LIVENESS_EVERY_MS;
    if (pause > LIVENESS_SELDOM_MS)
        pause = LIVENESS_SELDOM_MS;
    if (w->known)
        return pause;
    return pause / 4 + random_number(w->liveness) % (pause * 3 / 4);
}

static void finish_probe(struct watched *w, bool online, const struct address *from)
{
    struct liveness *l = w->liveness;
    const struct machine_key key = key_of(w);
    uint64_t pause = pause_after(w);

    end_question(w);
    close_connection(w);
    if (!w->known)
        l->unknown--;
    w->known = true;
    w->online = online;
    w->restarts = 0;
    w->phase = IDLE;
    w->due = UINT64_MAX;
    if (l->again)
        set_phase(w, IDLE, pause);
    /* Last: it may forget `w`. */
    l->listener.result(&key, online, from, l->listener.arg);
}

/* Which of the machine's addresses this is; SIZE_MAX: none. */
static size_t find_address(const struct watched *w, const struct address *from)
{
    for (size_t i = 0; i < w->n_addresses; i++) {
        struct address a = w->addresses[i];

        if (!a.interface) /* global, or on any interface */
            a.interface = from->interface;
        if (address_equal(&a, from))
            return i;
    }
    return SIZE_MAX;
}

/* A query that cannot be sent gets no answer, and the next phase follows. */
static void send_query(const struct watched *w, size_t which)
{
    if (w->transaction)
        mdns_socket_ask(w->liveness->socket, w->instance, (uint16_t)(w->transaction + which),
                        &w->addresses[which]);
}

static struct watched *find_question(const struct liveness *l, uint16_t transaction)
{
    struct watched *w;

    transaction = (uint16_t)(transaction & ~WHICH_MASK);
    HASH_FIND(hh_question, l->questions, &transaction, sizeof(transaction), w);
    return w;
}

/* A random transaction that no other question has.  Its lowest bits are the index of
 * the address that is asked: a responder may answer from another one. */
static void begin_question(struct watched *w)
{
    struct liveness *l = w->liveness;
    uint16_t transaction = (uint16_t)(random_number(l) & ~(unsigned)WHICH_MASK);
    size_t tries = 0;

    end_question(w);
    for (; tries <= UINT16_MAX / (WHICH_MASK + 1); tries++) {
        if (transaction && !find_question(l, transaction))
            break;
        transaction = (uint16_t)(transaction + WHICH_MASK + 1);
    }
    if (tries > UINT16_MAX / (WHICH_MASK + 1))
        return; /* all are in use: TCP decides */
    w->transaction = transaction;
    HASH_ADD(hh_question, l->questions, transaction, sizeof(w->transaction), w);
    if (!w->hh_question.tbl)
        w->transaction = 0; /* no memory: the answer will not be recognised; TCP decides */
}

/* The best address first. */
static void start_probe(struct watched *w)
{
    close_connection(w);
    begin_question(w);
    if (w->n_addresses > 0)
        send_query(w, 0);
    w->give_up =
        now_ms(w->liveness) + (w->known && w->online ? LIVENESS_ASK_MS : LIVENESS_FIRST_ASK_MS);
    set_phase(w, ASKED, LIVENESS_AGAIN_MS);
}

/* Asks every address, until that is enough. */
static void ask_again(struct watched *w)
{
    for (size_t i = 0; i < w->n_addresses; i++)
        send_query(w, i);
    set_phase(w, ASKED_ALL, LIVENESS_AGAIN_MS);
}

/* Connects to SSH's port, when that is due again. */
static void try_tcp(struct watched *w)
{
    struct liveness *l = w->liveness;
    uint64_t now = now_ms(l), next = w->last_tcp ? w->last_tcp + LIVENESS_TCP_EVERY_MS : 0;

    end_holding(w);
    if (next > now) {
        set_phase(w, WAITING, next - now);
        return;
    }
    if (l->connecting >= LIVENESS_TCP_MAX) {
        set_phase(w, WAITING, TICK_MS);
        return;
    }
    w->last_tcp = now;
    w->tcp_tried = 0;
    set_phase(w, CONNECTING, LIVENESS_TCP_MS);
    connect_next(w);
}

static int on_connected(sd_event_source *source, int fd, uint32_t events, void *arg)
{
    struct watched *w = arg;
    const struct address address = w->connecting_to;
    int error = 0;
    socklen_t size = sizeof(error);

    (void)source, (void)events;
    /* Who refuses a connection is there; whether it is this machine, only an earlier
     * answer at the same address tells. */
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 &&
        (error == 0 || (error == ECONNREFUSED && address_equal(&address, &w->answered_at))) &&
        !is_held_by_another(w, &w->connecting_to))
        finish_probe(w, true, &address);
    else
        connect_next(w);
    return 0;
}

static int begin_connect(struct watched *w, const struct address *a)
{
    struct sockaddr_storage to;
    socklen_t size = address_to_sockaddr(a, w->port, &to);

    w->fd = socket(a->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (w->fd < 0)
        return -errno;
    w->liveness->connecting++;
    if (connect(w->fd, (const struct sockaddr *)&to, size) < 0 && errno != EINPROGRESS)
        return -errno;
    return sd_event_add_io(w->liveness->loop, &w->source, w->fd, EPOLLOUT, on_connected, w);
}

/* Connects to the next address, while the round's time lasts.  When none is
 * left, the machine is offline. */
static void connect_next(struct watched *w)
{
    close_connection(w);
    while (w->tcp_tried < w->n_addresses) {
        size_t which = w->tcp_tried++;

        if (is_held_by_another(w, &w->addresses[which]))
            continue;
        w->connecting_to = w->addresses[which];
        if (begin_connect(w, &w->addresses[which]) >= 0)
            return;
        close_connection(w);
    }
    finish_probe(w, false, NULL);
}

/* The phase ended without an answer. */
static void next_phase(struct watched *w)
{
    const struct liveness *l = w->liveness;
    const struct machine_key key = key_of(w);

    switch (w->phase) {
    case IDLE:
        start_probe(w);
        break;
    case ASKED:
        ask_again(w);
        l->listener.missed(&key, l->listener.arg);
        break;
    case ASKED_ALL:
        if (now_ms(l) + LIVENESS_AGAIN_MS < w->give_up)
            ask_again(w);
        else
            try_tcp(w);
        break;
    case WAITING:
        try_tcp(w);
        break;
    case CONNECTING:
        finish_probe(w, false, NULL);
        break;
    }
}

static int on_timer(sd_event_source *source, uint64_t usec, void *arg)
{
    struct liveness *l = arg;
    uint64_t now = now_ms(l), next = UINT64_MAX;
    struct watched *w, *tmp;

    (void)source, (void)usec;
    l->timer_due = 0; /* makes arm_timer() do nothing during the loop */
    HASH_ITER(hh, l->all, w, tmp)
    if (w->due <= now)
        next_phase(w);
    for (w = l->all; w; w = w->hh.next)
        if (w->due < next)
            next = w->due;
    l->timer_due = UINT64_MAX;
    if (next != UINT64_MAX)
        arm_timer(l, next);
    return 0;
}

static void on_answer(uint16_t transaction, const struct address *from, void *arg)
{
    const struct liveness *l = arg;
    struct watched *w = find_question(l, transaction);
    size_t which = transaction & WHICH_MASK;
    struct address address;

    if (!w || which >= w->n_addresses || find_address(w, from) == SIZE_MAX)
        return;
    address = w->addresses[which];
    begin_holding(w, &address);
    finish_probe(w, true, &address);
}

/* Nobody answers there, so on to TCP at once. */
static void on_unreachable(uint16_t transaction, const struct address *to, void *arg)
{
    const struct liveness *l = arg;
    struct watched *w = find_question(l, transaction);

    if (w && (w->phase == ASKED || w->phase == ASKED_ALL) && find_address(w, to) == 0)
        try_tcp(w);
}

int liveness_new(sd_event *loop, bool again, const struct liveness_listener *listener,
                 struct liveness **ret, struct error *err)
{
    CLEANUP(liveness_free_p) struct liveness *l = calloc(1, sizeof(*l));
    int r;

    if (!l)
        return error_sys(err, -ENOMEM, "cannot probe machines");
    l->loop = sd_event_ref(loop);
    l->again = again;
    l->listener = *listener;
    l->timer_due = UINT64_MAX;
    r = sd_event_add_time(loop, &l->timer, CLOCK_MONOTONIC, 0, 1000, on_timer, l);
    if (r >= 0)
        r = sd_event_source_set_enabled(l->timer, SD_EVENT_OFF);
    if (r < 0)
        return error_sys(err, r, "cannot probe machines");
    r = mdns_socket_new(loop, on_answer, on_unreachable, l, &l->socket, err);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(l);
    return 0;
}

static void free_watched(struct watched *w)
{
    struct liveness *l = w->liveness;

    end_question(w);
    end_holding(w);
    close_connection(w);
    if (!w->known)
        l->unknown--;
    HASH_DEL(l->all, w);
    free(w->hostkey);
    free(w);
}

void liveness_free(struct liveness *l)
{
    struct watched *w, *tmp;

    if (!l)
        return;
    HASH_ITER(hh, l->all, w, tmp)
    free_watched(w);
    mdns_socket_free(l->socket);
    sd_event_source_disable_unref(l->timer);
    sd_event_unref(l->loop);
    free(l);
}

/* The host key's form is bounded by the advert's parser. */
static size_t make_key(const struct machine_key *k, char ret[static KEY_MAX])
{
    const size_t clone = sizeof(k->clone);
    size_t n = strnlen(k->id, ADVERT_ID_LENGTH), m = k->hostkey ? strlen(k->hostkey) : 0;

    if (clone + n + m > KEY_MAX)
        m = KEY_MAX - n - clone;
    memcpy(ret, &k->clone, clone);
    memcpy(ret + clone, k->id, n);
    if (m > 0)
        memcpy(ret + clone + n, k->hostkey, m);
    return clone + n + m;
}

static struct watched *find_watched(const struct liveness *l, const struct machine_key *k)
{
    char key[KEY_MAX];
    size_t size = make_key(k, key);
    struct watched *w;

    HASH_FIND(hh, l->all, key, size, w);
    return w;
}

static int add_watched(struct liveness *l, const struct machine *m, struct watched **ret)
{
    const struct machine_key name = machine_key_of(m);
    char key[KEY_MAX];
    size_t size = make_key(&name, key);
    struct watched *w = calloc(1, sizeof(*w) + size);

    if (!w)
        return -ENOMEM;
    w->liveness = l;
    w->fd = -1;
    memcpy(w->id, m->advert.id, sizeof(w->id));
    w->clone = m->clone;
    memcpy(w->key, key, size);
    w->key_size = size;
    if (m->advert.hostkey)
        w->hostkey = strdup(m->advert.hostkey);
    if (!m->advert.hostkey || w->hostkey)
        HASH_ADD_KEYPTR(hh, l->all, w->key, w->key_size, w);
    if (!HASH_WAS_ADDED(w)) {
        free(w->hostkey);
        free(w);
        return -ENOMEM;
    }
    l->unknown++;
    *ret = w;
    return 0;
}

/* With the next tick: an answer to a question to all may come first. */
static void probe_soon(struct watched *w)
{
    close_connection(w);
    end_question(w);
    set_phase(w, IDLE, 0);
}

static void set_instance(struct watched *w, const struct machine *m)
{
    if (m->instance)
        (void)snprintf(w->instance, sizeof(w->instance), "%s", m->instance);
    else
        (void)snprintf(w->instance, sizeof(w->instance), ADVERT_INSTANCE_PREFIX "%s", w->id);
}

int liveness_watch(struct liveness *l, const struct machine *m)
{
    const struct machine_key key = machine_key_of(m);
    struct watched *w = find_watched(l, &key);
    bool is_new = !w, moved = false;
    int r;

    if (is_new) {
        r = add_watched(l, m, &w);
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < m->n_addresses && i < ROSTER_ADDRESSES_MAX; i++)
        moved = moved || find_address(w, &m->addresses[i]) == SIZE_MAX;
    w->n_addresses = m->n_addresses < ROSTER_ADDRESSES_MAX ? m->n_addresses : ROSTER_ADDRESSES_MAX;
    for (size_t i = 0; i < w->n_addresses; i++)
        w->addresses[i] = m->addresses[i];
    w->port = m->port;
    set_instance(w, m);
    if (is_new || (moved && w->phase != IDLE && w->restarts++ < RESTARTS_MAX))
        probe_soon(w);
    else if (w->transaction)
        begin_question(w); /* its lowest bits are an index of the list before */
    return 0;
}

void liveness_forget(struct liveness *l, const struct machine_key *key)
{
    struct watched *w = find_watched(l, key);

    if (w)
        free_watched(w);
}

void liveness_probe_now(struct liveness *l, const struct machine_key *key)
{
    struct watched *w = find_watched(l, key);

    if (w && w->phase == IDLE)
        probe_soon(w);
}

void liveness_answered(struct liveness *l, const struct machine_key *key,
                       const struct address *from)
{
    struct watched *w = find_watched(l, key);

    if (!w)
        return;
    begin_holding(w, from);
    finish_probe(w, true, from);
}

size_t liveness_unknown(const struct liveness *l)
{
    return l->unknown;
}

bool liveness_is_known(const struct liveness *l, const struct machine_key *key)
{
    const struct watched *w = find_watched(l, key);

    return w && w->known;
}
