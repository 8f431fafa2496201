#include "roster.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "machine.h"
#include "roster-private.h"

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

void roster_know(struct roster *r, const struct known *known)
{
    r->known = known;
}

void roster_set_networks(struct roster *r, const struct network *networks, size_t count)
{
    r->n_networks = count < ROSTER_NETWORKS_MAX ? count : ROSTER_NETWORKS_MAX;
    for (size_t i = 0; i < r->n_networks; i++)
        r->networks[i] = networks[i];
}

void roster_notify(struct roster *r, const struct entry *e, enum roster_change change)
{
    r->is_sorted = false;
    if (r->listener)
        r->listener(&e->machine, change, r->listener_arg);
}

const struct machine *roster_find(const struct roster *r, const struct machine_key *key)
{
    const struct entry *e = entry_find_best(r, key);

    return e ? &e->machine : NULL;
}

const struct machine *roster_find_record(const struct roster *r, const struct sighting_key *key,
                                         bool verified)
{
    const struct tuple *t = tuple_find(r, key, verified);

    return t ? &t->entry->machine : NULL;
}

bool roster_is_sighted(const struct machine *m)
{
    return ((const struct entry *)m)->tuples != NULL;
}

static void go_offline(struct roster *r, struct entry *e)
{
    e->machine.online = false;
    ident_mark_doubt(r, e->ident);
    roster_notify(r, e, ROSTER_OFFLINE);
}

/* A machine has lost a tuple.  A claim is removed with its last one, and so is a machine
 * that only the state told of, if the state has `forgotten` it. */
static void after_loss(struct roster *r, struct entry *e, bool forgotten)
{
    if (e->n_fresh > 0)
        e->machine.by_hand = entry_is_by_hand(e);
    if (e->n_fresh == 0) {
        r->none_departed = false;
        entry_drop_forgotten(r, e);
        e->machine.forgotten = forgotten && e->machine.by_hand;
        if (e->machine.online || e->machine.forgotten)
            go_offline(r, e);
        if (e->machine.untrusted || e->machine.forgotten)
            entry_drop(r, e);
        return;
    }
    if (entry_merge_addresses(r, e) > 0 && e->machine.online)
        roster_notify(r, e, ROSTER_CHANGED);
}

/* Moves the tuple to the machine; its earlier machine loses it. */
static void move_tuple(struct roster *r, struct tuple *t, struct entry *e)
{
    struct entry *before = t->entry;

    if (before)
        tuple_unlink(t);
    if (before != e)
        t->n_addresses = 0;
    tuple_link(t, e);
    if (before && before != e)
        after_loss(r, before, t->by_hand); /* the state has another host key now */
}

/* A signed record that is older than the known one.  What the state has carries no number: the
 * rank alone decides on it. */
static bool is_stale(const struct roster *r, const struct sighting *s)
{
    const struct entry *e;
    const struct machine *m;

    if (!r->expects_signatures || !s->verified || s->key.protocol == SIGHTING_BY_HAND)
        return false;
    e = entry_find(ident_find(r, s->advert->id), s->advert->hostkey, true, 0);
    if (!e)
        return false;
    m = &e->machine;
    if (s->advert->seq != m->advert.seq)
        return s->advert->seq < m->advert.seq;
    /* The state's word about the machine is not from this record. */
    return !m->by_hand && (s->port != m->port || !advert_equal(s->advert, &m->advert));
}

/* A signed record under a name that is not its machine's is sent again by somebody else.  Nor
 * does any record take a machine's own name from it. */
static bool is_misplaced(const struct tuple *t, const struct sighting *s)
{
    if (s->verified && !advert_is_name_of(s->key.name, s->advert->id))
        return true;
    return t && t->own_name && strcmp(t->entry->machine.advert.id, s->advert->id) != 0;
}

static void lose_tuple(struct roster *r, struct tuple *t, bool forgotten)
{
    struct entry *e = t->entry;

    tuple_unlink(t);
    tuple_free(r, t);
    after_loss(r, e, forgotten);
}

/* Makes room for one more tuple of the machine: its own name displaces
 * others. */
static int make_room(struct roster *r, struct entry *e, const struct sighting *s)
{
    if (e->n_tuples < ROSTER_SIGHTINGS_MAX)
        return 0;
    for (struct tuple *t = e->tuples; t && sighting_has_own_name(s); t = t->next)
        if (!t->own_name) {
            tuple_unlink(t);
            tuple_free(r, t);
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
        n = tuple_make(r, s, &t);
        if (n < 0)
            return n;
    }
    move_tuple(r, t, e);
    tuple_set_addresses(t, s);
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
        tuple_unlink(t);
        tuple_free(r, t);
    }
}

/* By which name it can be asked for: another than its own only where it has no record
 * under that.  1 when it changed, 0, -ENOMEM. */
static int set_instance(struct entry *e, const struct sighting *s)
{
    const char *name = entry_has_own_record(e) ? NULL : s->key.name;
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
 * it no other host.  The state's word, which has no number, keeps the last signed record's: older
 * ones stay stale. */
static int update_entry(struct entry *e, const struct sighting *s)
{
    struct advert advert = *s->advert; /* borrows */
    struct sighting told = *s;
    int n, renamed = set_instance(e, s);

    if (s->key.protocol == SIGHTING_BY_HAND)
        advert.seq = e->machine.advert.seq;
    told.advert = &advert;

    if (!sighting_has_own_name(s) && entry_has_own_record(e))
        told.host = NULL;
    n = machine_update(&e->machine, &told);
    return n < 0 ? n : renamed < 0 ? renamed : n || renamed;
}

/* What somebody has written into a domain is older than what the machine tells the link, and
 * what the state has is older still. */
static bool is_outranked(const struct sighting *s, const struct entry *e)
{
    if (s->key.protocol == SIGHTING_BY_HAND)
        return !entry_is_by_hand(e);
    return s->key.protocol == SIGHTING_DOMAIN && entry_has_record_of(e, false);
}

/* A machine is on as soon as a record of it comes, but for one that does not answer: a record
 * that others send of it (a reflector, a cache, an old announcement) does not bring it back. */
static void come_online(struct roster *r, struct entry *e, const struct sighting *s, bool changed,
                        struct timespec now)
{
    bool was_unheard = e->machine.unheard;

    if (e->absent) {
        r->is_sorted = false; /* its names may be others */
        if (changed)
            roster_notify(r, e, ROSTER_CHANGED);
        return;
    }
    e->machine.last_seen = now;
    if (s->heard || !e->machine.online)
        e->machine.unheard = !s->heard && !e->machine.untrusted; /* those are not probed */
    if (!e->machine.online) {
        e->machine.online = true;
        roster_notify(r, e, ROSTER_APPEARED);
    } else if (changed || was_unheard != e->machine.unheard) {
        roster_notify(r, e, ROSTER_CHANGED);
    }
}

int roster_see(struct roster *r, const struct sighting *s, struct timespec now)
{
    struct tuple *t = tuple_find(r, &s->key, s->verified), *claim;
    struct entry *e = NULL;
    bool news, was_by_hand;
    int n, changed, merged;

    if (is_stale(r, s) || is_misplaced(t, s))
        return 0;
    n = entry_of_sighting(r, s, t, now, &e);
    if (n < 0)
        return n;
    assert(e);
    news = s->verified && sighting_has_own_name(s) && s->advert->seq > e->machine.advert.seq;
    n = take_tuple(r, s, t, e);
    if (n < 0)
        return n;
    if (news)
        drop_replays(r, e);
    changed = is_outranked(s, e) ? 0 : update_entry(e, s);
    entry_note_answer(e, s->answered, now);
    merged = entry_merge_addresses(r, e);
    was_by_hand = e->machine.by_hand;
    e->machine.by_hand = entry_is_by_hand(e);
    e->absent = e->absent && !s->heard;
    come_online(r, e, s, changed > 0 || merged > 0 || was_by_hand != e->machine.by_hand, now);
    ident_mark_doubt(r, e->ident);
    /* The claim under this tuple is signed now (for example after
     * enrolling). */
    claim = s->verified ? tuple_find(r, &s->key, false) : NULL;
    if (claim)
        lose_tuple(r, claim, false);
    return changed < 0 ? changed : merged < 0 ? merged : 0;
}

void roster_lose_record(struct roster *r, const struct sighting_key *key, bool verified,
                        struct timespec now)
{
    struct tuple *t = tuple_find(r, key, verified);

    (void)now; /* last_seen stays: the machine was not seen now */
    if (t)
        lose_tuple(r, t, false);
}

void roster_forget(struct roster *r, const struct sighting_key *key, bool verified)
{
    struct tuple *t = tuple_find(r, key, verified);

    if (t)
        lose_tuple(r, t, true);
}

void roster_lose(struct roster *r, const struct sighting_key *key, struct timespec now)
{
    roster_lose_record(r, key, false, now);
    roster_lose_record(r, key, true, now);
}

bool roster_has_record(const struct roster *r, const struct sighting_key *key, bool verified)
{
    return tuple_find(r, key, verified) != NULL;
}

void roster_forget_sightings(struct roster *r)
{
    for (struct tuple *t = r->tuples; t; t = t->hh.next) {
        if (t->forgotten || t->direct || t->remote || t->by_hand)
            continue;
        t->forgotten = true;
        t->entry->n_fresh--;
    }
}

void roster_set_online(struct roster *r, const struct machine_key *key, bool online,
                       const struct address *answered, struct timespec now)
{
    struct entry *e = entry_find_best(r, key);
    bool was_online, was_unheard;
    int merged = 0;

    if (!e || (online && !e->tuples))
        return;
    e->absent = !online;
    if (online) {
        e->machine.last_seen = now;
        entry_note_answer(e, answered, now);
        e->probed = e->probed || answered;
        e->probed_at = now;
        merged = entry_merge_addresses(r, e);
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
        roster_notify(r, e, ROSTER_APPEARED);
        ident_mark_doubt(r, e->ident);
    } else if (merged > 0 || was_unheard) {
        roster_notify(r, e, ROSTER_CHANGED);
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
