#include "members.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "discovery/base/digest.h"
#include "discovery/roster/machine.h"

struct member *member_of(const struct machine *m)
{
    return (struct member *)((uintptr_t)m - offsetof(struct member, machine));
}

static void member_free(struct member *m)
{
    machine_clear(&m->machine);
    standing_clear(&m->standing);
    strings_clear(&m->assigned);
    free(m);
}

void members_clear(struct members *d)
{
    struct member *m, *next;

    HASH_ITER(hh, d->members, m, next)
    {
        HASH_DEL(d->members, m);
        member_free(m);
    }
    d->count = 0;
}

static void set_ref(struct member *m)
{
    const char *hostkey = m->machine.advert.hostkey;
    char digest[DIGEST_LENGTH + 1];
    size_t n;

    digest_bytes(hostkey ? hostkey : "", hostkey ? strlen(hostkey) : 0, digest);
    (void)snprintf(m->ref, sizeof(m->ref), "%s.%.8s%s", m->machine.advert.id, digest,
                   m->machine.untrusted ? "u" : "");
    n = strlen(m->ref);
    if (m->machine.clone > 0)
        (void)snprintf(m->ref + n, sizeof(m->ref) - n, "-%u", m->machine.clone);
}

struct member *members_take(struct members *d, const void *key, struct machine *machine,
                            bool *ret_new)
{
    struct member *m;

    HASH_FIND(hh, d->members, &key, sizeof(key), m);
    *ret_new = !m;
    if (!m) {
        m = calloc(1, sizeof(*m));
        if (!m)
            return NULL;
        m->key = key;
        HASH_ADD(hh, d->members, key, sizeof(m->key), m);
        if (!HASH_WAS_ADDED(m)) {
            free(m);
            return NULL;
        }
        d->count++;
    }
    machine_clear(&m->machine);
    m->machine = *machine;
    *machine = (struct machine){0};
    set_ref(m);
    return m;
}

void members_drop(struct members *d, struct member *m)
{
    HASH_DEL(d->members, m);
    d->count--;
    member_free(m);
}

int members_find(const struct members *d, const char *ref, struct member **ret)
{
    bool whole = strchr(ref, '.') != NULL;
    size_t found = 0;

    for (struct member *m = d->members; m; m = m->hh.next) {
        if (strcmp(whole ? m->ref : m->machine.advert.id, ref) != 0)
            continue;
        if (found++ == 0)
            *ret = m;
    }
    return found > 1 ? -EEXIST : (int)found;
}

static int compare_members(const void *a, const void *b)
{
    const struct member *x = *(struct member *const *)a, *y = *(struct member *const *)b;
    int r = machine_compare(&x->machine, &y->machine);

    return r != 0 ? r : strcmp(x->ref, y->ref);
}

static bool shares_name(const struct strings *a, const struct strings *b)
{
    for (size_t i = 0; i < a->count; i++)
        if (strings_has(b, a->items[i]))
            return true;
    return false;
}

bool members_is_impostor(const struct members *d, const struct member *m)
{
    const struct advert *advert = &m->machine.advert;

    if (m->standing.state != STANDING_CHANGED)
        return false;
    for (const struct member *other = d->members; other; other = other->hh.next)
        if (other->standing.state == STANDING_ACCEPTED &&
            (strcmp(other->machine.advert.id, advert->id) == 0 ||
             shares_name(&advert->agents, &other->machine.advert.agents)))
            return true;
    return false;
}

struct member **members_list(const struct members *d, size_t *ret_count)
{
    struct member **list = calloc(d->count + 1, sizeof(*list));
    size_t n = 0;

    if (!list)
        return NULL;
    for (struct member *m = d->members; m; m = m->hh.next)
        list[n++] = m;
    qsort(list, n, sizeof(struct member *), compare_members);
    *ret_count = n;
    return list;
}
