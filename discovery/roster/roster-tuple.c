/* The tuples of the roster: where a record came from, and of which machine it is. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "roster-private.h"

/* The longest key: two numbers, a DNS label and a domain in Avahi's escaped
 * form, and whether it is verified. */
enum { TUPLE_KEY_MAX = 2 * sizeof(int) + 4 * 256UL + 3 };

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

struct tuple *tuple_find(const struct roster *r, const struct sighting_key *k, bool verified)
{
    char key[TUPLE_KEY_MAX];
    struct tuple *t;
    size_t size;

    if (tuple_key(k, verified, key, &size) < 0)
        return NULL;
    HASH_FIND(hh, r->tuples, key, size, t);
    return t;
}

int tuple_make(struct roster *r, const struct sighting *s, struct tuple **ret)
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
    t->own_name = sighting_has_own_name(s);
    t->chosen = advert_is_name_of(s->key.name, s->advert->id);
    t->direct = s->key.protocol == SIGHTING_DIRECT;
    t->remote = s->key.protocol == SIGHTING_DOMAIN;
    t->by_hand = s->key.protocol == SIGHTING_BY_HAND;
    HASH_ADD_KEYPTR(hh, r->tuples, t->key, t->key_size, t);
    if (!HASH_WAS_ADDED(t)) {
        free(t);
        return -ENOMEM;
    }
    *ret = t;
    return 0;
}

void tuple_free(struct roster *r, struct tuple *t)
{
    HASH_DEL(r->tuples, t); /* NOLINT(clang-analyzer-core.NullDereference): it is in there */
    free(t);
}

void tuple_link(struct tuple *t, struct entry *e)
{
    t->entry = e;
    t->next = e->tuples;
    t->forgotten = false;
    e->tuples = t;
    e->n_tuples++;
    e->n_fresh++;
}

void tuple_unlink(struct tuple *t)
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

void entry_drop_forgotten(struct roster *r, struct entry *e)
{
    for (struct tuple *t = e->tuples, *next; t; t = next) {
        next = t->next;
        if (!t->forgotten)
            continue;
        tuple_unlink(t);
        tuple_free(r, t);
    }
}

bool sighting_has_own_name(const struct sighting *s)
{
    size_t n = strlen(ADVERT_INSTANCE_PREFIX);

    return strncmp(s->key.name, ADVERT_INSTANCE_PREFIX, n) == 0 &&
           strcmp(s->key.name + n, s->advert->id) == 0;
}

bool entry_has_instance(const struct entry *e, const struct sighting *s)
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

bool entry_has_record_of(const struct entry *e, bool remote)
{
    for (const struct tuple *t = e->tuples; t; t = t->next)
        if (t->remote == remote && !t->by_hand && !t->forgotten)
            return true;
    return false;
}

bool entry_is_by_hand(const struct entry *e)
{
    for (const struct tuple *t = e->tuples; t; t = t->next)
        if (!t->by_hand && !t->forgotten)
            return false;
    return e->n_fresh > 0;
}

bool entry_has_chosen_record(const struct entry *e)
{
    for (const struct tuple *t = e->tuples; t; t = t->next)
        if (t->chosen)
            return true;
    return false;
}

bool entry_has_own_record(const struct entry *e)
{
    for (const struct tuple *t = e->tuples; t; t = t->next)
        if (t->own_name)
            return true;
    return false;
}
