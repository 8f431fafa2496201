/* Which machine a record is of, and which machines are in doubt. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "machine.h"
#include "roster-private.h"

enum { ROOM_MADE = ROSTER_MACHINES_MAX / 16 }; /* at a time, as it takes a walk over all */

struct ident *ident_find(const struct roster *r, const char *id)
{
    struct ident *ident;

    HASH_FIND_STR(r->idents, id, ident);
    return ident;
}

static bool has_key(const struct entry *e, const char *hostkey, bool verified)
{
    return e->machine.verified == verified && string_equal(e->machine.advert.hostkey, hostkey);
}

struct entry *entry_find(const struct ident *ident, const char *hostkey, bool verified,
                         unsigned clone)
{
    for (struct entry *e = ident ? ident->entries : NULL; e; e = e->next)
        if (has_key(e, hostkey, verified) && e->machine.clone == clone)
            return e;
    return NULL;
}

struct entry *entry_find_best(const struct roster *r, const struct machine_key *k)
{
    const struct ident *ident = ident_find(r, k->id);
    struct entry *e = entry_find(ident, k->hostkey, true, k->clone);

    return e ? e : entry_find(ident, k->hostkey, false, k->clone);
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

void ident_mark_doubt(struct roster *r, struct ident *ident)
{
    for (struct entry *e = ident->entries; e; e = e->next)
        if (judge(e) && e->machine.online)
            roster_notify(r, e, ROSTER_CHANGED);
}

void entry_free(struct entry *e)
{
    machine_clear(&e->machine);
    free(e);
}

void entry_drop(struct roster *r, struct entry *e)
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
        ident_mark_doubt(r, ident);
        return;
    }
    HASH_DEL(r->idents, ident);
    free(ident);
}

static int compare_last_seen(const void *a, const void *b)
{
    const struct timespec *s = &(*(struct entry *const *)a)->machine.last_seen;
    const struct timespec *t = &(*(struct entry *const *)b)->machine.last_seen;

    if (s->tv_sec != t->tv_sec)
        return s->tv_sec < t->tv_sec ? -1 : 1;
    return (s->tv_nsec > t->tv_nsec) - (s->tv_nsec < t->tv_nsec);
}

static bool is_known(const struct roster *r, const char *id)
{
    return r->known && known_has(r->known, id);
}

/* Forgets machines that have left, but none that is known: whoever invents machines and says
 * goodbye for them must not keep real ones out for ever. */
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
            if (!e->tuples && !is_known(r, ident->id))
                departed[n++] = e;
    r->none_departed = n == 0;
    if (n > 0)
        qsort(departed, n, sizeof(*departed), compare_last_seen);
    for (size_t i = 0; i < n && i < ROOM_MADE; i++)
        entry_drop(r, departed[i]);
}

static struct ident *make_ident(struct roster *r, const char *id)
{
    struct ident *ident = ident_find(r, id);

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

    while (entry_find(ident, hostkey, verified, clone))
        clone++;
    return clone;
}

/* How many machines with this id there may be is bounded: how many are there, of those
 * that the sighting's competes with.  Others cannot keep out the host key that is known. */
static size_t count_rivals(const struct roster *r, const struct ident *ident,
                           const struct sighting *s)
{
    bool pinned = r->known && known_has_key(r->known, s->advert->id, s->advert->hostkey);
    size_t n = 0;

    for (const struct entry *e = ident->entries; e; e = e->next)
        n += e->machine.verified == s->verified &&
             (!pinned || has_key(e, s->advert->hostkey, s->verified));
    return n;
}

static int make_entry(struct roster *r, const struct sighting *s, struct timespec now,
                      struct entry **ret)
{
    struct ident *ident;
    struct entry *e;
    bool untrusted = r->expects_signatures && !s->verified;
    if (r->count >= ROSTER_MACHINES_MAX)
        forget_departed(r);
    if ((r->count >= ROSTER_MACHINES_MAX && !is_known(r, s->advert->id)) ||
        (untrusted && r->n_untrusted >= ROSTER_UNTRUSTED_MAX))
        return -ENOSPC;
    ident = make_ident(r, s->advert->id);
    if (!ident)
        return -ENOMEM;
    if (count_rivals(r, ident, s) >= ROSTER_KEYS_MAX)
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

/* The machine with the sighting's id and host key; of clones, the one with its host;
 * else the one that had its instance before; else one that has left; else one that
 * cannot be told from it, for no host is known, or no beacon takes such a name, or it is
 * known from the link and this is a domain's record, where the host's name ends otherwise, or
 * one of them is the state's, where the host may be an address. */
static struct entry *find_sighted(const struct roster *r, const struct sighting *s)
{
    const struct ident *ident = ident_find(r, s->advert->id);
    struct entry *before = NULL, *left = NULL, *any = NULL;

    for (struct entry *e = ident ? ident->entries : NULL; e; e = e->next) {
        const char *host = e->machine.host;

        if (!has_key(e, s->advert->hostkey, s->verified))
            continue;
        if (s->verified || (host && s->host && strcasecmp(host, s->host) == 0))
            return e;
        if (entry_has_instance(e, s))
            before = e;
        else if (!e->tuples)
            left = e;
        else if (!host || !s->host || s->key.protocol == SIGHTING_BY_HAND ||
                 !advert_is_name_of(s->key.name, s->advert->id) || !entry_has_chosen_record(e) ||
                 !entry_has_record_of(e, s->key.protocol == SIGHTING_DOMAIN))
            any = e;
    }
    return before ? before : left ? left : any;
}

int entry_of_sighting(struct roster *r, const struct sighting *s, const struct tuple *t,
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
