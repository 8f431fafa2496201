#include "liveness-private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    RESTARTS_MAX = 2, /* of one probe, because addresses changed */
    KEY_MAX = 100,    /* clone number, id, host key */
};

uint64_t liveness_now_ms(const struct liveness *l)
{
    uint64_t usec = 0;

    (void)sd_event_now(l->loop, CLOCK_MONOTONIC, &usec);
    return usec / 1000;
}

void liveness_arm_timer(struct liveness *l, uint64_t due)
{
    due = (due / TICK_MS + 1) * TICK_MS;
    if (due >= l->timer_due)
        return;
    l->timer_due = due;
    (void)sd_event_source_set_time(l->timer, due * 1000);
    (void)sd_event_source_set_enabled(l->timer, SD_EVENT_ONESHOT);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *arg)
{
    struct liveness *l = arg;
    uint64_t now = liveness_now_ms(l), next = UINT64_MAX;
    struct watched *w, *tmp;

    (void)source, (void)usec;
    l->timer_due = 0; /* makes liveness_arm_timer() do nothing during the loop */
    HASH_ITER(hh, l->all, w, tmp)
    if (w->due <= now)
        probe_next_phase(w);
    for (w = l->all; w; w = w->hh.next)
        if (w->due < next)
            next = w->due;
    l->timer_due = UINT64_MAX;
    if (next != UINT64_MAX)
        liveness_arm_timer(l, next);
    return 0;
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
    r = mdns_socket_new(loop, probe_take_answer, probe_take_unreachable, l, &l->socket, err);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(l);
    return 0;
}

static void free_watched(struct watched *w)
{
    struct liveness *l = w->liveness;

    probe_end_question(w);
    holding_end(w);
    probe_close_connection(w);
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

static void set_instance(struct watched *w, const struct machine *m)
{
    if (m->instance)
        (void)snprintf(w->instance, sizeof(w->instance), "%s", m->instance);
    else
        (void)snprintf(w->instance, sizeof(w->instance), ADVERT_INSTANCE_PREFIX "%s", w->id);
}

/* Are they what they were, in the same order? */
static bool set_addresses(struct watched *w, const struct machine *m)
{
    size_t n = m->n_addresses < ROSTER_ADDRESSES_MAX ? m->n_addresses : ROSTER_ADDRESSES_MAX;
    bool same = n == w->n_addresses;

    for (size_t i = 0; i < n; i++) {
        same = same && address_equal(&w->addresses[i], &m->addresses[i]);
        w->addresses[i] = m->addresses[i];
    }
    w->n_addresses = n;
    return same;
}

int liveness_watch(struct liveness *l, const struct machine *m)
{
    const struct machine_key key = machine_key_of(m);
    struct watched *w = find_watched(l, &key);
    bool is_new = !w, moved = false, same;
    int r;

    if (is_new) {
        r = add_watched(l, m, &w);
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < m->n_addresses && i < ROSTER_ADDRESSES_MAX; i++)
        moved = moved || probe_find_address(w, &m->addresses[i]) == SIZE_MAX;
    same = set_addresses(w, m);
    w->port = m->port;
    set_instance(w, m);
    if (is_new || (moved && w->phase != IDLE && w->restarts++ < RESTARTS_MAX))
        probe_soon(w);
    else if (w->transaction && !same)
        probe_begin_question(w); /* its lowest bits are an index of the list before */
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
    else if (w)
        w->wanted = true;
}

void liveness_answered(struct liveness *l, const struct machine_key *key,
                       const struct address *from)
{
    struct watched *w = find_watched(l, key);

    if (!w)
        return;
    holding_begin(w, from);
    probe_finish(w, true, from);
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
