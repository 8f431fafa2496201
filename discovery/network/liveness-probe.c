/* The probe of one machine: questions, then a connection. */
#include <errno.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "liveness-private.h"

enum {
    WHICH_MASK = ROSTER_ADDRESSES_MAX - 1,
};

static void connect_next(struct watched *w);

static struct machine_key key_of(const struct watched *w)
{
    return (struct machine_key){w->id, w->hostkey, w->clone};
}

static void set_phase(struct watched *w, enum phase phase, uint64_t patience)
{
    w->phase = phase;
    w->due = liveness_now_ms(w->liveness) + patience;
    liveness_arm_timer(w->liveness, w->due);
}

void probe_close_connection(struct watched *w)
{
    w->source = sd_event_source_disable_unref(w->source);
    if (w->fd >= 0) {
        close(w->fd);
        w->liveness->connecting--;
    }
    w->fd = -1;
}

void probe_end_question(struct watched *w)
{
    if (w->transaction)
        HASH_DELETE(hh_question, w->liveness->questions, w);
    w->transaction = 0;
}

static uint32_t random_number(const struct liveness *l)
{
    uint32_t random;

    if (getrandom(&random, sizeof(random), GRND_NONBLOCK) == sizeof(random))
        return random;
    return (uint32_t)liveness_now_ms(l); /* early in the boot: better than waiting */
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

void probe_finish(struct watched *w, bool online, const struct address *from)
{
    struct liveness *l = w->liveness;
    const struct machine_key key = key_of(w);
    uint64_t pause = pause_after(w);

    probe_end_question(w);
    probe_close_connection(w);
    if (!w->known)
        l->unknown--;
    w->known = true;
    w->online = online;
    w->restarts = 0;
    w->phase = IDLE;
    w->due = UINT64_MAX;
    if (l->again)
        set_phase(w, IDLE, w->wanted && !online ? 0 : pause);
    w->wanted = false;
    /* Last: it may forget `w`. */
    l->listener.result(&key, online, from, l->listener.arg);
}

size_t probe_find_address(const struct watched *w, const struct address *from)
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

void probe_begin_question(struct watched *w)
{
    struct liveness *l = w->liveness;
    uint16_t transaction = (uint16_t)(random_number(l) & ~(unsigned)WHICH_MASK);
    size_t tries = 0;

    probe_end_question(w);
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
    probe_close_connection(w);
    probe_begin_question(w);
    if (w->n_addresses > 0)
        send_query(w, 0);
    w->give_up = liveness_now_ms(w->liveness) +
                 (w->known && w->online ? LIVENESS_ASK_MS : LIVENESS_FIRST_ASK_MS);
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
    uint64_t now = liveness_now_ms(l), next = w->last_tcp ? w->last_tcp + LIVENESS_TCP_EVERY_MS : 0;

    holding_end(w);
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
        !holding_is_anothers(w, &w->connecting_to))
        probe_finish(w, true, &address);
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
    probe_close_connection(w);
    while (w->tcp_tried < w->n_addresses) {
        size_t which = w->tcp_tried++;

        if (holding_is_anothers(w, &w->addresses[which]))
            continue;
        w->connecting_to = w->addresses[which];
        if (begin_connect(w, &w->addresses[which]) >= 0)
            return;
        probe_close_connection(w);
    }
    probe_finish(w, false, NULL);
}

void probe_next_phase(struct watched *w)
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
        if (liveness_now_ms(l) + LIVENESS_AGAIN_MS < w->give_up)
            ask_again(w);
        else
            try_tcp(w);
        break;
    case WAITING:
        try_tcp(w);
        break;
    case CONNECTING:
        probe_finish(w, false, NULL);
        break;
    }
}

void probe_take_answer(uint16_t transaction, const struct address *from, void *arg)
{
    const struct liveness *l = arg;
    struct watched *w = find_question(l, transaction);
    size_t which = transaction & WHICH_MASK;
    struct address address;

    if (!w || which >= w->n_addresses || probe_find_address(w, from) == SIZE_MAX)
        return;
    address = w->addresses[which];
    holding_begin(w, &address);
    probe_finish(w, true, &address);
}

/* Nobody answers there, so on to TCP at once. */
void probe_take_unreachable(uint16_t transaction, const struct address *to, void *arg)
{
    const struct liveness *l = arg;
    struct watched *w = find_question(l, transaction);

    if (w && (w->phase == ASKED || w->phase == ASKED_ALL) && probe_find_address(w, to) == 0)
        try_tcp(w);
}

void probe_soon(struct watched *w)
{
    probe_close_connection(w);
    probe_end_question(w);
    set_phase(w, IDLE, 0);
}
