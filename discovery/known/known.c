#include "known.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "discovery/base/hash.h"
#include "discovery/base/text.h"

struct known_id {
    char id[ADVERT_ID_LENGTH + 1];
    char *hostkey;       /* SHA256:…; NULL: any */
    struct strings held; /* "FLEET AGENT"; a fleet has no blank */
    UT_hash_handle hh;
};

static struct known_id *find(const struct known *k, const char *id)
{
    struct known_id *found;

    HASH_FIND_STR(k->ids, id, found);
    return found;
}

void known_clear(struct known *k)
{
    struct known_id *i, *next;

    HASH_ITER(hh, k->ids, i, next)
    {
        HASH_DEL(k->ids, i);
        strings_clear(&i->held);
        free(i->hostkey);
        free(i);
    }
    for (size_t n = 0; n < k->n_hosts; n++) {
        advert_clear(&k->hosts[n].advert);
        free(k->hosts[n].host);
    }
    free(k->hosts);
    *k = (struct known){0};
}

int known_add(struct known *k, const char *id, const char *hostkey)
{
    struct known_id *i;

    if (!advert_id_valid(id) || find(k, id) || HASH_COUNT(k->ids) >= KNOWN_MAX)
        return 0;
    i = calloc(1, sizeof(*i));
    if (!i)
        return -ENOMEM;
    memcpy(i->id, id, sizeof(i->id));
    if (!hostkey || (i->hostkey = strdup(hostkey)))
        HASH_ADD_STR(k->ids, id, i);
    if (HASH_WAS_ADDED(i))
        return 0;
    free(i->hostkey);
    free(i);
    return -ENOMEM;
}

bool known_has(const struct known *k, const char *id)
{
    return find(k, id) != NULL;
}

bool known_has_instance(const struct known *k, const char *name)
{
    const size_t n = strlen(ADVERT_INSTANCE_PREFIX);

    return strncmp(name, ADVERT_INSTANCE_PREFIX, n) == 0 && known_has(k, name + n);
}

bool known_has_key(const struct known *k, const char *id, const char *hostkey)
{
    const struct known_id *i = find(k, id);

    return i && (!i->hostkey || string_equal(i->hostkey, hostkey));
}

static int name_in_fleet(const char *fleet, const char *agent, struct text *ret)
{
    text_addf(ret, "%s %s", fleet ? fleet : ADVERT_FLEET_DEFAULT, agent);
    return text_error(ret);
}

int known_add_name(struct known *k, const char *id, const char *fleet, const char *agent)
{
    CLEANUP_TEXT struct text name = TEXT_INIT;
    struct known_id *i = find(k, id);

    if (!i || i->held.count >= ADVERT_AGENTS_MAX)
        return 0;
    if (name_in_fleet(fleet, agent, &name) < 0 ||
        (!strings_has(&i->held, text_str(&name)) && strings_add(&i->held, text_str(&name)) < 0))
        return -ENOMEM;
    return 0;
}

bool known_holds(const struct known *k, const char *id, const char *hostkey, const char *fleet,
                 const char *agent)
{
    CLEANUP_TEXT struct text name = TEXT_INIT;
    const struct known_id *i = find(k, id);

    return i && i->hostkey && string_equal(i->hostkey, hostkey) &&
           name_in_fleet(fleet, agent, &name) == 0 && strings_has(&i->held, text_str(&name));
}

const char *known_walk(const struct known *k, const struct known_id **at)
{
    *at = *at ? (*at)->hh.next : k->ids;
    return *at ? (*at)->id : NULL;
}

const struct known_host *known_host_find(const struct known *k, const char *id)
{
    for (size_t i = 0; i < k->n_hosts; i++)
        if (strcmp(k->hosts[i].advert.id, id) == 0)
            return &k->hosts[i];
    return NULL;
}

static bool is_same(const struct known_host *a, const struct known_host *b)
{
    return advert_equal(&a->advert, &b->advert) && string_equal(a->host, b->host) &&
           address_equal(&a->address, &b->address) && a->port == b->port;
}

void known_inherit(struct known *k, const struct known *before)
{
    for (size_t i = 0; i < k->n_hosts; i++) {
        struct known_host *now = &k->hosts[i];
        const struct known_host *old = known_host_find(before, now->advert.id);

        now->listed = old && old->listed;
        now->changed = old && (old->changed || !is_same(old, now));
    }
}
