#include "daemon-view.h"

#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "discovery/base/hash.h"

enum { TOLD_V4 = 1, TOLD_V6 = 2, LOST = 10 /* a tenth is no packet loss */ };

struct daemon_instance {
    unsigned told;     /* protocols */
    bool heard;        /* it answers us … */
    uint64_t heard_at; /* … since then, ms */
    int interface;
    UT_hash_handle hh;
    char key[]; /* interface, name */
};

/* One interface's sums. */
struct link_view {
    int interface;
    size_t told, heard, missing; /* instances; `heard` and `missing`: for long enough */
};

static size_t key_size(const char *name)
{
    return sizeof(int) + strlen(name) + 1;
}

/* NULL: it is not there, or (with `make`) cannot be. */
static struct daemon_instance *find_instance(struct daemon_view *v, const struct sighting_key *key,
                                             bool make)
{
    size_t size = key_size(key->name);
    struct daemon_instance *made = calloc(1, sizeof(*made) + size), *found;

    if (!made)
        return NULL;
    made->interface = key->interface;
    memcpy(made->key, &key->interface, sizeof(int));
    memcpy(made->key + sizeof(int), key->name, size - sizeof(int));
    HASH_FIND(hh, v->instances, made->key, size, found);
    if (!found && make && HASH_COUNT(v->instances) < DAEMON_VIEW_MAX) {
        HASH_ADD_KEYPTR(hh, v->instances, made->key, size, made);
        if (HASH_WAS_ADDED(made))
            return made;
    }
    free(made);
    return found;
}

static void drop_if_unknown(struct daemon_view *v, struct daemon_instance *i)
{
    if (i->told || i->heard)
        return;
    HASH_DEL(v->instances, i);
    free(i);
}

void daemon_view_clear(struct daemon_view *v)
{
    struct daemon_instance *i, *next;

    HASH_ITER(hh, v->instances, i, next)
    {
        HASH_DEL(v->instances, i);
        free(i);
    }
    *v = (struct daemon_view){0};
}

void daemon_view_restart(struct daemon_view *v)
{
    struct daemon_instance *i, *next;

    memset(v->limits, 0, sizeof(v->limits));
    v->told_all = false;
    HASH_ITER(hh, v->instances, i, next)
    {
        i->told = 0;
        drop_if_unknown(v, i);
    }
}

void daemon_view_told(struct daemon_view *v, const struct sighting_key *key)
{
    struct daemon_instance *i = find_instance(v, key, true);

    if (i)
        i->told |= key->protocol == 0 ? TOLD_V4 : TOLD_V6;
}

void daemon_view_removed(struct daemon_view *v, const struct sighting_key *key)
{
    struct daemon_instance *i = find_instance(v, key, false);

    if (!i)
        return;
    i->told &= key->protocol == 0 ? ~(unsigned)TOLD_V4 : ~(unsigned)TOLD_V6;
    drop_if_unknown(v, i);
}

void daemon_view_heard(struct daemon_view *v, const struct sighting_key *key, uint64_t now)
{
    struct daemon_instance *i = find_instance(v, key, true);

    if (!i || i->heard)
        return;
    i->heard = true;
    i->heard_at = now;
}

void daemon_view_silent(struct daemon_view *v, const struct sighting_key *key)
{
    struct daemon_instance *i = find_instance(v, key, false);

    if (!i)
        return;
    i->heard = false;
    drop_if_unknown(v, i);
}

size_t daemon_view_interfaces(const struct daemon_view *v, int ret[static LINKS_MAX])
{
    size_t n = 0, at;

    for (const struct daemon_instance *i = v->instances; i; i = i->hh.next) {
        if (!i->heard)
            continue;
        for (at = 0; at < n && ret[at] != i->interface; at++)
            ;
        if (at == n && n < LINKS_MAX)
            ret[n++] = i->interface;
    }
    return n;
}

static bool is_due(const struct daemon_instance *i, uint64_t now)
{
    return i->heard && now >= i->heard_at + DAEMON_VIEW_SETTLE_MS;
}

bool daemon_view_is_settled(const struct daemon_view *v, uint64_t now)
{
    if (v->limits[AVAHI_LIMIT_CLIENTS])
        return true;
    for (const struct daemon_instance *i = v->instances; i; i = i->hh.next)
        if (i->heard && !i->told && (!v->told_all || !is_due(i, now)))
            return false;
    return true;
}

/* Adds up the instances by interface; how many interfaces there are. */
static size_t sum_links(const struct daemon_view *v, uint64_t now,
                        struct link_view ret[static LINKS_MAX])
{
    size_t n = 0, at;

    for (const struct daemon_instance *i = v->instances; i; i = i->hh.next) {
        for (at = 0; at < n && ret[at].interface != i->interface; at++)
            ;
        if (at == LINKS_MAX)
            continue;
        if (at == n)
            ret[n++] = (struct link_view){.interface = i->interface};
        ret[at].told += i->told != 0;
        ret[at].heard += is_due(i, now);
        ret[at].missing += is_due(i, now) && !i->told;
    }
    return n;
}

static bool link_lacks(const struct link_view *l, enum daemon_lack lack)
{
    if (lack == DAEMON_LACKS_LINK)
        return l->told == 0 && l->missing > 0;
    return l->told > 0 && l->missing * LOST >= l->heard &&
           l->missing >= (l->told < DAEMON_VIEW_CACHE_FULL ? DAEMON_VIEW_CACHE_MIN : 1);
}

unsigned daemon_view_lacks(const struct daemon_view *v, uint64_t now)
{
    struct link_view links[LINKS_MAX];
    size_t n = v->told_all ? sum_links(v, now, links) : 0;
    unsigned lacks = (v->limits[AVAHI_LIMIT_CLIENTS] ? 1U << DAEMON_LACKS_CLIENTS : 0) |
                     (v->limits[AVAHI_LIMIT_OBJECTS] ? 1U << DAEMON_LACKS_OBJECTS : 0);

    for (size_t i = 0; i < n; i++) {
        lacks |= link_lacks(&links[i], DAEMON_LACKS_CACHE) ? 1U << DAEMON_LACKS_CACHE : 0;
        lacks |= link_lacks(&links[i], DAEMON_LACKS_LINK) ? 1U << DAEMON_LACKS_LINK : 0;
    }
    return lacks;
}

static void explain_limit(const struct daemon_view *v, enum avahi_limit limit, size_t refused,
                          struct text *ret)
{
    if (!v->limits[limit])
        return;
    text_adds(ret, avahi_limit_words(limit));
    if (refused > 0)
        text_addf(ret, "; %zu machine%s that only Avahi knows %s missing here", refused,
                  refused == 1 ? "" : "s", refused == 1 ? "is" : "are");
    else
        text_adds(ret, "; machines that answer this program directly are found all the same");
}

static void explain_link(const struct link_view *l, enum daemon_lack lack, struct text *ret)
{
    char name[IF_NAMESIZE] = "?";

    (void)if_indextoname((unsigned)l->interface, name);
    if (ret->size > 0)
        text_adds(ret, "; ");
    if (lack == DAEMON_LACKS_LINK)
        text_addf(ret,
                  "Avahi may not use %s (allow-interfaces, deny-interfaces in avahi-daemon.conf), "
                  "or has not asked there lately: it has told of no machine there, and %zu "
                  "answered this program directly",
                  name, l->heard);
    else
        text_addf(
            ret,
            "Avahi's cache may be full (cache-entries-max): it has not told of %zu of %zu "
            "machines on %s that answered this program directly; raise it in " AVAHI_LIMIT_FILE,
            l->missing, l->heard, name);
}

void daemon_view_explain(const struct daemon_view *v, enum daemon_lack lack, uint64_t now,
                         size_t refused, struct text *ret)
{
    struct link_view links[LINKS_MAX];
    size_t n;

    switch (lack) {
    case DAEMON_LACKS_CLIENTS:
        explain_limit(v, AVAHI_LIMIT_CLIENTS, refused, ret);
        break;
    case DAEMON_LACKS_OBJECTS:
        explain_limit(v, AVAHI_LIMIT_OBJECTS, refused, ret);
        break;
    case DAEMON_LACKS_CACHE:
    case DAEMON_LACKS_LINK:
        n = v->told_all ? sum_links(v, now, links) : 0;
        for (size_t i = 0; i < n; i++)
            if (link_lacks(&links[i], lack))
                explain_link(&links[i], lack, ret);
        break;
    case DAEMON_LACKS:
        break;
    }
}
