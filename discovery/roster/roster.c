#include "roster.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "discovery/base/hash.h"
#include "machine.h"

enum {
    ROOM_MADE = ROSTER_MACHINES_MAX / 16, /* at a time, as it takes a walk over all */
    ANSWERS_MAX = 4,                      /* addresses of a machine that answered */
    ANSWERS_LATELY_S = 15, /* longer ago than that before the last one does not count */
};

/* One of Avahi's tuples, or a direct one, and its resolved record.  A verified and an unverified
 * record of the same tuple are two of these. */
struct tuple {
    struct entry *entry;
    struct tuple *next; /* of the same machine */
    /* The newest first.  Only a direct or a verified tuple has several: an attacker
     * who replays a record under its name does not displace the earlier address. */
    struct address addresses[ROSTER_ADDRESSES_MAX];
    size_t n_addresses;
    bool direct;    /* SIGHTING_DIRECT */
    bool forgotten; /* the daemon that told it is gone */
    bool own_name;  /* the instance's name is the machine's own */
    bool chosen;    /* its own, or an alternative that a beacon takes */
    UT_hash_handle hh;
    size_t key_size;
    char key[]; /* see tuple_key */
};

/* An address that answered, and when. */
struct answer {
    struct address address;
    struct timespec at;
};

struct entry {
    struct machine machine;             /* first: listeners and callers get a pointer to it */
    struct answer answers[ANSWERS_MAX]; /* the newest first */
    bool probed;                        /* by a probe, the last time at `probed_at` */
    struct timespec probed_at;
    size_t n_answers;
    struct tuple *tuples;
    size_t n_tuples, n_fresh; /* fresh: not forgotten */
    struct entry *next;       /* same id, another host key, or a clone */
    struct ident *ident;
};

/* All machines that claim one id: one, or several in doubt. */
struct ident {
    char id[ADVERT_ID_LENGTH + 1];
    struct entry *entries;
    UT_hash_handle hh;
};

struct roster {
    struct ident *idents;
    struct tuple *tuples;
    size_t count, n_untrusted;
    const struct machine **sorted;
    bool is_sorted;
    bool none_departed; /* all machines have a tuple: do not look for others in vain */
    bool expects_signatures;
    struct network networks[ROSTER_NETWORKS_MAX];
    size_t n_networks;
    roster_listener *listener;
    void *listener_arg;
};

/* The longest key: two numbers, a DNS label and a domain in Avahi's escaped
 * form, and whether it is verified. */
enum { TUPLE_KEY_MAX = 2 * sizeof(int) + 4 * 256UL + 3 };

static const char *const change_names[] = {
    [ROSTER_APPEARED] = "appeared",
    [ROSTER_CHANGED] = "changed",
    [ROSTER_OFFLINE] = "offline",
};

const char *roster_change_name(enum roster_change change)
{
    return change_names[change];
}

struct roster *roster_new(void)
{
    return calloc(1, sizeof(struct roster));
}

static void entry_free(struct entry *e)
{
    machine_clear(&e->machine);
    free(e);
}

void roster_free(struct roster *r)
{
    struct ident *ident, *next_ident;
    struct tuple *tuple, *next_tuple;

    if (!r)
        return;
    HASH_ITER(hh, r->tuples, tuple, next_tuple)
    {
        HASH_DEL(r->tuples, tuple);
        free(tuple);
    }
    HASH_ITER(hh, r->idents, ident, next_ident)
    {
        for (struct entry *e; (e = ident->entries);) {
            ident->entries = e->next;
            entry_free(e);
        }
        HASH_DEL(r->idents, ident);
        free(ident);
    }
    free(r->sorted);
    free(r);
}

void roster_listen(struct roster *r, roster_listener *listener, void *arg)
{
    r->listener = listener;
    r->listener_arg = arg;
}

void roster_expect_signatures(struct roster *r)
{
    r->expects_signatures = true;
}

void roster_set_networks(struct roster *r, const struct network *networks, size_t count)
{
    r->n_networks = count < ROSTER_NETWORKS_MAX ? count : ROSTER_NETWORKS_MAX;
    for (size_t i = 0; i < r->n_networks; i++)
        r->networks[i] = networks[i];
}

static void notify_change(struct roster *r, const struct entry *e, enum roster_change change)
{
    r->is_sorted = false;
    if (r->listener)
        r->listener(&e->machine, change, r->listener_arg);
}

/* Interface, protocol, name, domain and whether it is verified, as bytes. */
static int tuple_key(const struct sighting_key *k, bool verified, char ret[static TUPLE_KEY_MAX],
                     size_t *ret_size)
{
    size_t name = strlen(k->name) + 1, domain = strlen(k->domain) + 1, numbers = 2 * sizeof(int);

    if (numbers + name + domain + 1 > TUPLE_KEY_MAX)
        return -ENOSPC;
    memcpy(ret, &k->interface, sizeof(int));
    memcpy(ret + sizeof(int), &k->protocol, sizeof(int));
    memcpy(ret + numbers, k->name, name);
    memcpy(ret + numbers + name, k->domain, domain);
    ret[numbers + name + domain] = (char)verified;
    *ret_size = numbers + name + domain + 1;
    return 0;
}

static struct tuple *find_tuple(const struct roster *r, const struct sighting_key *k, bool verified)
{
    char key[TUPLE_KEY_MAX];
    struct tuple *t;
    size_t size;

    if (tuple_key(k, verified, key, &size) < 0)
        return NULL;
    HASH_FIND(hh, r->tuples, key, size, t);
    return t;
}

static struct ident *find_ident(const struct roster *r, const char *id)
{
    struct ident *ident;

    HASH_FIND_STR(r->idents, id, ident);
    return ident;
}

static bool has_key(const struct entry *e, const char *hostkey, bool verified)
{
    return e->machine.verified == verified && string_equal(e->machine.advert.hostkey, hostkey);
}

static struct entry *find_entry(const struct ident *ident, const char *hostkey, bool verified,
                                unsigned clone)
{
    for (struct entry *e = ident ? ident->entries : NULL; e; e = e->next)
        if (has_key(e, hostkey, verified) && e->machine.clone == clone)
            return e;
    return NULL;
}

static struct entry *find_best(const struct roster *r, const struct machine_key *k)
{
    const struct ident *ident = find_ident(r, k->id);
    struct entry *e = find_entry(ident, k->hostkey, true, k->clone);

    return e ? e : find_entry(ident, k->hostkey, false, k->clone);
}

const struct machine *roster_find(const struct roster *r, const struct machine_key *key)
{
    const struct entry *e = find_best(r, key);

    return e ? &e->machine : NULL;
}

const struct machine *roster_find_record(const struct roster *r, const struct sighting_key *key,
                                         bool verified)
{
    const struct tuple *t = find_tuple(r, key, verified);

    return t ? &t->entry->machine : NULL;
}

bool roster_is_sighted(const struct machine *m)
{
    return ((const struct entry *)m)->tuples != NULL;
}

static void note_answer(struct entry *e, const struct address *a, struct timespec now)
{
    size_t at = 0;

    if (!a)
        return;
    while (at < e->n_answers && !address_equal(&e->answers[at].address, a))
        at++;
    if (at == e->n_answers && e->n_answers < ANSWERS_MAX)
        e->n_answers++;
    else if (at == e->n_answers)
        at--;
    for (; at > 0; at--)
        e->answers[at] = e->answers[at - 1];
    e->answers[0] = (struct answer){*a, now};
}

/* Has a probe asked its addresses lately? */
static bool is_probed(const struct entry *e)
{
    return e->probed && e->n_answers > 0 &&
           e->answers[0].at.tv_sec - e->probed_at.tv_sec <= ANSWERS_LATELY_S;
}

/* Those that answered lately. */
static size_t answering(const struct entry *e, struct address ret[static ANSWERS_MAX])
{
    size_t n = 0;

    while (n < e->n_answers &&
           e->answers[0].at.tv_sec - e->answers[n].at.tv_sec <= ANSWERS_LATELY_S) {
        ret[n] = e->answers[n].address;
        n++;
    }
    return n;
}

/* A direct record over IPv4 brings all addresses, one over IPv6 those of IPv6, so
 * Avahi's are older.  Not so where records are signed: whoever replays one may name
 * other addresses. */
static bool is_outdated(const struct entry *e, const struct tuple *t, const struct address *a)
{
    if (t->direct || e->machine.verified)
        return false;
    for (const struct tuple *other = e->tuples; other; other = other->next)
        for (size_t i = 0; other->direct && i < other->n_addresses; i++)
            if (other->addresses[i].family == a->family || other->addresses[i].family == AF_INET)
                return true;
    return false;
}

/* The addresses of all tuples; the newest under the machine's own name are
 * always kept. 1 when they changed, 0, or -ENOMEM. */
static int merge_addresses(const struct roster *r, struct entry *e)
{
    struct address list[ROSTER_ADDRESSES_MAX] = {0}, answered[ANSWERS_MAX];
    const struct address_order order = {answered, answering(e, answered), is_probed(e), r->networks,
                                        r->n_networks};
    size_t count = 0;

    for (const struct tuple *t = e->tuples; t; t = t->next)
        if (t->own_name && !is_outdated(e, t, &t->addresses[0]))
            addresses_insert(list, &count, &t->addresses[0], &order);
    for (const struct tuple *t = e->tuples; t; t = t->next)
        for (size_t i = 0; i < t->n_addresses && count < ROSTER_ADDRESSES_MAX; i++)
            if (!is_outdated(e, t, &t->addresses[i]))
                addresses_insert(list, &count, &t->addresses[i], &order);
    if (count == 0) /* gone: the last known addresses stay on display */
        return 0;
    return machine_set_addresses(&e->machine, list, count);
}

static void unlink_tuple(struct tuple *t)
{
    struct tuple **at = &t->entry->tuples;

    while (*at != t)
        at = &(*at)->next;
    *at = t->next;
    t->entry->n_tuples--;
    if (!t->forgotten)
        t->entry->n_fresh--;
    t->entry = NULL;
    t->next = NULL;
}

static void link_tuple(struct tuple *t, struct entry *e)
{
    t->entry = e;
    t->next = e->tuples;
    t->forgotten = false;
    e->tuples = t;
    e->n_tuples++;
    e->n_fresh++;
}

static void free_tuple(struct roster *r, struct tuple *t)
{
    HASH_DEL(r->tuples, t); /* NOLINT(clang-analyzer-core.NullDereference): it is in there */
    free(t);
}

/* Drops the tuples that the previous daemon reported. */
static void drop_forgotten(struct roster *r, struct entry *e)
{
    for (struct tuple *t = e->tuples, *next; t; t = next) {
        next = t->next;
        if (!t->forgotten)
            continue;
        unlink_tuple(t);
        free_tuple(r, t);
    }
}

/* Sets whether the machine is in doubt: all of an id are as soon as they have two host
 * keys, and clones while they are online.  Claims do not put a verified machine in
 * doubt. */
static bool judge(struct entry *e)
{
    const struct machine before = e->machine;
    struct machine *m = &e->machine;

    m->in_doubt = m->cloned = false;
    for (const struct entry *other = e->ident->entries; other; other = other->next) {
        if (other == e || (m->verified && !other->machine.verified))
            continue;
        if (!has_key(other, m->advert.hostkey, m->verified))
            m->in_doubt = true;
        else if (m->online && other->machine.online)
            m->in_doubt = m->cloned = true;
    }
    return before.in_doubt != m->in_doubt || before.cloned != m->cloned;
}

static void mark_doubt(struct roster *r, struct ident *ident)
{
    for (struct entry *e = ident->entries; e; e = e->next)
        if (judge(e) && e->machine.online)
            notify_change(r, e, ROSTER_CHANGED);
}

/* Only for entries without tuples. */
static void drop_entry(struct roster *r, struct entry *e)
{
    struct ident *ident = e->ident;
    struct entry **at = &ident->entries;

    while (*at != e)
        at = &(*at)->next;
    *at = e->next;
    r->count--;
    r->n_untrusted -= e->machine.untrusted;
    r->is_sorted = false;
    entry_free(e);
    if (ident->entries) {
        mark_doubt(r, ident);
        return;
    }
    HASH_DEL(r->idents, ident);
    free(ident);
}

static void go_offline(struct roster *r, struct entry *e)
{
    e->machine.online = false;
    mark_doubt(r, e->ident);
    notify_change(r, e, ROSTER_OFFLINE);
}

/* A machine has lost a tuple.  A claim is removed with its last one. */
static void after_loss(struct roster *r, struct entry *e)
{
    if (e->n_fresh == 0) {
        r->none_departed = false;
        drop_forgotten(r, e);
        if (e->machine.online)
            go_offline(r, e);
        if (e->machine.untrusted)
            drop_entry(r, e);
        return;
    }
    if (merge_addresses(r, e) > 0 && e->machine.online)
        notify_change(r, e, ROSTER_CHANGED);
}

static int compare_last_seen(const void *a, const void *b)
{
    const struct timespec *s = &(*(struct entry *const *)a)->machine.last_seen;
    const struct timespec *t = &(*(struct entry *const *)b)->machine.last_seen;

    if (s->tv_sec != t->tv_sec)
        return s->tv_sec < t->tv_sec ? -1 : 1;
    return (s->tv_nsec > t->tv_nsec) - (s->tv_nsec < t->tv_nsec);
}

/* Forgets machines that have left: whoever invents machines and says goodbye for them
 * must not keep real ones out for ever. */
static void forget_departed(struct roster *r)
{
    CLEANUP_FREE struct entry **departed = NULL;
    size_t n = 0;

    if (r->none_departed)
        return;
    departed = reallocarray(NULL, r->count, sizeof(struct entry *));
    if (!departed)
        return;
    for (const struct ident *ident = r->idents; ident; ident = ident->hh.next)
        for (struct entry *e = ident->entries; e; e = e->next)
            if (!e->tuples)
                departed[n++] = e;
    r->none_departed = n == 0;
    if (n > 0)
        qsort(departed, n, sizeof(*departed), compare_last_seen);
    for (size_t i = 0; i < n && i < ROOM_MADE; i++)
        drop_entry(r, departed[i]);
}

static struct ident *make_ident(struct roster *r, const char *id)
{
    struct ident *ident = find_ident(r, id);

    if (ident)
        return ident;
    ident = calloc(1, sizeof(*ident));
    if (!ident)
        return NULL;
    memcpy(ident->id, id, sizeof(ident->id));
    HASH_ADD_STR(r->idents, id, ident);
    if (!HASH_WAS_ADDED(ident)) {
        free(ident);
        return NULL;
    }
    return ident;
}

/* The lowest number that no other machine with this host key has. */
static unsigned free_number(const struct ident *ident, const char *hostkey, bool verified)
{
    unsigned clone = 0;

    while (find_entry(ident, hostkey, verified, clone))
        clone++;
    return clone;
}

static int make_entry(struct roster *r, const struct sighting *s, struct timespec now,
                      struct entry **ret)
{
    struct ident *ident;
    struct entry *e;
    bool untrusted = r->expects_signatures && !s->verified;
    size_t keys = 0;

    if (r->count >= ROSTER_MACHINES_MAX)
        forget_departed(r);
    if (r->count >= ROSTER_MACHINES_MAX || (untrusted && r->n_untrusted >= ROSTER_UNTRUSTED_MAX))
        return -ENOSPC;
    ident = make_ident(r, s->advert->id);
    if (!ident)
        return -ENOMEM;
    for (e = ident->entries; e; e = e->next)
        keys += e->machine.verified == s->verified;
    if (keys >= ROSTER_KEYS_MAX)
        return -ENOSPC;
    e = calloc(1, sizeof(*e));
    if (!e)
        return -ENOMEM; /* an ident without machines does no harm */
    if (machine_update(&e->machine, s) < 0) {
        entry_free(e);
        return -ENOMEM;
    }
    e->machine.clone = free_number(ident, s->advert->hostkey, s->verified);
    e->machine.beacon = true;
    e->machine.verified = s->verified;
    e->machine.untrusted = untrusted;
    e->machine.first_seen = now;
    e->ident = ident;
    e->next = ident->entries;
    ident->entries = e;
    r->count++;
    r->n_untrusted += untrusted;
    r->is_sorted = false;
    *ret = e;
    return 0;
}

/* The record has its machine's own name ("dcop-" and the id). */
static bool has_own_name(const struct sighting *s)
{
    size_t n = strlen(ADVERT_INSTANCE_PREFIX);

    return strncmp(s->key.name, ADVERT_INSTANCE_PREFIX, n) == 0 &&
           strcmp(s->key.name + n, s->advert->id) == 0;
}

static int make_tuple(struct roster *r, const struct sighting *s, struct tuple **ret)
{
    char key[TUPLE_KEY_MAX];
    struct tuple *t;
    size_t size;
    int n;

    n = tuple_key(&s->key, s->verified, key, &size);
    if (n < 0)
        return n;
    t = calloc(1, sizeof(*t) + size);
    if (!t)
        return -ENOMEM;
    memcpy(t->key, key, size);
    t->key_size = size;
    t->own_name = has_own_name(s);
    t->chosen = advert_is_name_of(s->key.name, s->advert->id);
    t->direct = s->key.protocol == SIGHTING_DIRECT;
    HASH_ADD_KEYPTR(hh, r->tuples, t->key, t->key_size, t);
    if (!HASH_WAS_ADDED(t)) {
        free(t);
        return -ENOMEM;
    }
    *ret = t;
    return 0;
}

/* Has the machine a record of this instance on this interface, over any protocol? */
static bool has_instance(const struct entry *e, const struct sighting *s)
{
    const size_t protocol = sizeof(int), name = 2 * sizeof(int); /* see tuple_key */
    char key[TUPLE_KEY_MAX];
    size_t size;

    if (tuple_key(&s->key, s->verified, key, &size) < 0)
        return false;
    for (const struct tuple *t = e->tuples; t; t = t->next)
        if (t->key_size == size && memcmp(t->key, key, protocol) == 0 &&
            memcmp(t->key + name, key + name, size - name) == 0)
            return true;
    return false;
}

static bool has_chosen_record(const struct entry *e)
{
    for (const struct tuple *t = e->tuples; t; t = t->next)
        if (t->chosen)
            return true;
    return false;
}

/* The machine with the sighting's id and host key; of clones, the one with its host;
 * else the one that had its instance before; else one that has left; else one that
 * cannot be told from it, for no host is known, or no beacon takes such a name. */
static struct entry *find_sighted(const struct roster *r, const struct sighting *s)
{
    const struct ident *ident = find_ident(r, s->advert->id);
    struct entry *before = NULL, *left = NULL, *any = NULL;

    for (struct entry *e = ident ? ident->entries : NULL; e; e = e->next) {
        const char *host = e->machine.host;

        if (!has_key(e, s->advert->hostkey, s->verified))
            continue;
        if (s->verified || (host && s->host && strcasecmp(host, s->host) == 0))
            return e;
        if (has_instance(e, s))
            before = e;
        else if (!e->tuples)
            left = e;
        else if (!host || !s->host || !advert_is_name_of(s->key.name, s->advert->id) || !has_chosen_record(e))
            any = e;
    }
    return before ? before : left ? left : any;
}

/* The machine of a sighting: a known one; or the machine without a host key
 * that this tuple belongs to; or a new one. */
static int entry_for(struct roster *r, const struct sighting *s, const struct tuple *t,
                     struct timespec now, struct entry **ret)
{
    struct entry *e = find_sighted(r, s);

    if (!e && t && !t->entry->machine.advert.hostkey &&
        strcmp(t->entry->machine.advert.id, s->advert->id) == 0) {
        e = t->entry;
        e->machine.clone = free_number(e->ident, s->advert->hostkey, s->verified);
    }
    if (!e)
        return make_entry(r, s, now, ret);
    *ret = e;
    return 0;
}

/* Moves the tuple to the machine; its earlier machine loses it. */
static void move_tuple(struct roster *r, struct tuple *t, struct entry *e)
{
    struct entry *before = t->entry;

    if (before)
        unlink_tuple(t);
    if (before != e)
        t->n_addresses = 0;
    link_tuple(t, e);
    if (before && before != e)
        after_loss(r, before);
}

/* A signed record that is older than the known one. */
static bool is_stale(const struct roster *r, const struct sighting *s)
{
    const struct entry *e;
    const struct machine *m;

    if (!r->expects_signatures || !s->verified)
        return false;
    e = find_entry(find_ident(r, s->advert->id), s->advert->hostkey, true, 0);
    if (!e)
        return false;
    m = &e->machine;
    if (s->advert->seq != m->advert.seq)
        return s->advert->seq < m->advert.seq;
    return s->port != m->port || !advert_equal(s->advert, &m->advert);
}

static bool has_answered(const struct entry *e, const struct address *a)
{
    for (size_t i = 0; i < e->n_answers; i++)
        if (address_equal(&e->answers[i].address, a))
            return true;
    return false;
}

/* The place of the address that makes room: the oldest that never answered. */
static size_t find_oldest(const struct tuple *t)
{
    for (size_t i = t->n_addresses; i > 0; i--)
        if (!has_answered(t->entry, &t->addresses[i - 1]))
            return i - 1;
    return t->n_addresses - 1;
}

/* Puts it in front.  1 when an earlier one had to make room. */
static int set_address(struct tuple *t, const struct address *a)
{
    size_t at = 0;
    int lost = 0;

    while (at < t->n_addresses && !address_equal(&t->addresses[at], a))
        at++;
    if (at == ROSTER_ADDRESSES_MAX) {
        at = find_oldest(t);
        lost = 1;
    } else if (at == t->n_addresses) {
        t->n_addresses++;
    }
    for (; at > 0; at--)
        t->addresses[at] = t->addresses[at - 1];
    t->addresses[0] = *a;
    return lost;
}

/* The sighting's addresses come first.  Earlier ones stay only where it is signed,
 * since the addresses are not: one record takes the place of one at most. */
static void set_addresses(struct tuple *t, const struct sighting *s)
{
    if (!s->verified)
        t->n_addresses = 0;
    for (size_t i = s->n_addresses; i > 0; i--)
        if (set_address(t, &s->addresses[i - 1]) > 0)
            break;
}

static void lose_tuple(struct roster *r, struct tuple *t)
{
    struct entry *e = t->entry;

    unlink_tuple(t);
    free_tuple(r, t);
    after_loss(r, e);
}

/* Makes room for one more tuple of the machine: its own name displaces
 * others. */
static int make_room(struct roster *r, struct entry *e, const struct sighting *s)
{
    if (e->n_tuples < ROSTER_SIGHTINGS_MAX)
        return 0;
    for (struct tuple *t = e->tuples; t && has_own_name(s); t = t->next)
        if (!t->own_name) {
            unlink_tuple(t);
            free_tuple(r, t);
            return 0;
        }
    return -ENOSPC;
}

/* Returns the sighting's tuple, now of this machine and with the new
 * address. */
static int take_tuple(struct roster *r, const struct sighting *s, struct tuple *t, struct entry *e)
{
    int n;

    if (!t || t->entry != e) {
        n = make_room(r, e, s);
        if (n < 0)
            return n;
    }
    if (!t) {
        n = make_tuple(r, s, &t);
        if (n < 0)
            return n;
    }
    move_tuple(r, t, e);
    set_addresses(t, s);
    return 0;
}

/* A record under another name is an old one that somebody else sends: the
 * machine itself has since sent a newer one under its own name. */
static void drop_replays(struct roster *r, struct entry *e)
{
    for (struct tuple *t = e->tuples, *next; t; t = next) {
        next = t->next;
        if (t->own_name)
            continue;
        unlink_tuple(t);
        free_tuple(r, t);
    }
}

static bool has_own_record(const struct entry *e)
{
    for (const struct tuple *t = e->tuples; t; t = t->next)
        if (t->own_name)
            return true;
    return false;
}

/* By which name it can be asked for: another than its own only where it has no record
 * under that.  1 when it changed, 0, -ENOMEM. */
static int set_instance(struct entry *e, const struct sighting *s)
{
    const char *name = has_own_record(e) ? NULL : s->key.name;
    char *copy;

    if (string_equal(e->machine.instance, name))
        return 0;
    copy = name ? strdup(name) : NULL;
    if (name && !copy)
        return -ENOMEM;
    free(e->machine.instance);
    e->machine.instance = copy;
    return 1;
}

/* Stores what the sighting says.  Who sends a machine's record under another name gives
 * it no other host. */
static int update_entry(struct entry *e, const struct sighting *s)
{
    struct sighting told = *s;
    int n, renamed = set_instance(e, s);

    if (!has_own_name(s) && has_own_record(e))
        told.host = NULL;
    n = machine_update(&e->machine, &told);
    return n < 0 ? n : renamed < 0 ? renamed : n || renamed;
}

int roster_see(struct roster *r, const struct sighting *s, struct timespec now)
{
    struct tuple *t = find_tuple(r, &s->key, s->verified), *claim;
    struct entry *e = NULL;
    bool news, was_unheard;
    int n, changed, merged;

    if (is_stale(r, s))
        return 0;
    n = entry_for(r, s, t, now, &e);
    if (n < 0)
        return n;
    assert(e);
    news = s->verified && has_own_name(s) && s->advert->seq > e->machine.advert.seq;
    n = take_tuple(r, s, t, e);
    if (n < 0)
        return n;
    if (news)
        drop_replays(r, e);
    changed = update_entry(e, s);
    note_answer(e, s->answered, now);
    merged = merge_addresses(r, e);
    e->machine.last_seen = now;
    was_unheard = e->machine.unheard;
    if (s->heard || !e->machine.online)
        e->machine.unheard = !s->heard && !e->machine.untrusted; /* those are not probed */
    if (!e->machine.online) {
        e->machine.online = true;
        notify_change(r, e, ROSTER_APPEARED);
    } else if (changed > 0 || merged > 0 || was_unheard != e->machine.unheard) {
        notify_change(r, e, ROSTER_CHANGED);
    }
    mark_doubt(r, e->ident);
    /* The claim under this tuple is signed now (for example after
     * enrolling). */
    claim = s->verified ? find_tuple(r, &s->key, false) : NULL;
    if (claim)
        lose_tuple(r, claim);
    return changed < 0 ? changed : merged < 0 ? merged : 0;
}

void roster_lose_record(struct roster *r, const struct sighting_key *key, bool verified,
                        struct timespec now)
{
    struct tuple *t = find_tuple(r, key, verified);

    (void)now; /* last_seen stays: the machine was not seen now */
    if (t)
        lose_tuple(r, t);
}

void roster_lose(struct roster *r, const struct sighting_key *key, struct timespec now)
{
    roster_lose_record(r, key, false, now);
    roster_lose_record(r, key, true, now);
}

bool roster_has_record(const struct roster *r, const struct sighting_key *key, bool verified)
{
    return find_tuple(r, key, verified) != NULL;
}

void roster_forget_sightings(struct roster *r)
{
    for (struct tuple *t = r->tuples; t; t = t->hh.next) {
        if (t->forgotten || t->direct)
            continue;
        t->forgotten = true;
        t->entry->n_fresh--;
    }
}

void roster_set_online(struct roster *r, const struct machine_key *key, bool online,
                       const struct address *answered, struct timespec now)
{
    struct entry *e = find_best(r, key);
    bool was_online, was_unheard;
    int merged = 0;

    if (!e || (online && !e->tuples))
        return;
    if (online) {
        e->machine.last_seen = now;
        note_answer(e, answered, now);
        e->probed = e->probed || answered;
        e->probed_at = now;
        merged = merge_addresses(r, e);
    }
    was_unheard = e->machine.unheard;
    e->machine.unheard = false;
    was_online = e->machine.online;
    if (was_online && !online) {
        go_offline(r, e);
        return;
    }
    e->machine.online = online;
    if (was_online != online) {
        notify_change(r, e, ROSTER_APPEARED);
        mark_doubt(r, e->ident);
    } else if (merged > 0 || was_unheard) {
        notify_change(r, e, ROSTER_CHANGED);
    }
}

static int compare_machines(const void *a, const void *b)
{
    return machine_compare(*(const struct machine *const *)a, *(const struct machine *const *)b);
}

const struct machine *const *roster_machines(struct roster *r, size_t *ret_count)
{
    const struct machine **sorted;
    size_t i = 0;

    *ret_count = r->is_sorted ? r->count : 0;
    if (r->is_sorted)
        return r->sorted;
    sorted = reallocarray(r->sorted, r->count + 1, sizeof(*sorted));
    if (!sorted)
        return r->sorted;
    r->sorted = sorted;
    for (const struct ident *ident = r->idents; ident; ident = ident->hh.next)
        for (const struct entry *e = ident->entries; e; e = e->next)
            sorted[i++] = &e->machine;
    qsort(sorted, i, sizeof(*sorted), compare_machines);
    r->is_sorted = true;
    *ret_count = r->count;
    return r->sorted;
}
