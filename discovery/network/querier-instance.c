/* The instances that the querier knows: how many of each sender, and how long. */
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "querier-private.h"

enum {
    KEY_MAX = sizeof(int) + MDNS_LABEL_MAX + 1,
    KEEP_S = 120,           /* RFC 6762 §10: SRV and address records */
    KEEP_ANSWERED_S = 4500, /* … and others */
    ANSWERS_BITS = 64,
};

const char *instance_name(const struct instance *i)
{
    return i->key + sizeof(int);
}

int instance_interface(const struct instance *i)
{
    int interface;

    memcpy(&interface, i->key, sizeof(interface));
    return interface;
}

bool instance_is_complete(const struct instance *i)
{
    return i->txt && i->located;
}

static size_t make_key(int interface, const char *name, char ret[static KEY_MAX])
{
    size_t n = strnlen(name, MDNS_LABEL_MAX);

    memcpy(ret, &interface, sizeof(interface));
    memcpy(ret + sizeof(interface), name, n);
    ret[sizeof(interface) + n] = '\0';
    return sizeof(interface) + n + 1;
}

struct instance *instance_find(const struct querier *q, int interface, const char *name)
{
    char key[KEY_MAX];
    size_t size = make_key(interface, name, key);
    struct instance *i;

    HASH_FIND(hh, q->instances, key, size, i);
    return i;
}

/* The sender, with room for one more instance; NULL without, or without memory.  For a
 * machine that is known (`known`) there is room. */
static struct source *source_for(struct querier *q, const struct address *from, bool known)
{
    const struct address key = address_key(from);
    struct source *s;

    HASH_FIND(hh, q->sources, &key, sizeof(key), s);
    if (s) {
        if (known || s->count < QUERIER_PER_SOURCE_MAX)
            return s;
        if (!s->told)
            q->listener.too_many(from, q->listener.arg);
        s->told = true;
        return NULL;
    }
    s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    s->address = key;
    HASH_ADD(hh, q->sources, address, sizeof(s->address), s);
    if (!HASH_WAS_ADDED(s)) {
        free(s);
        return NULL;
    }
    return s;
}

static void source_leave(struct querier *q, struct source *s)
{
    if (s->count > 0)
        s->count--;
    if (s->count > 0)
        return;
    HASH_DEL(q->sources, s); /* NOLINT(clang-analyzer-core.NullDereference): it is in there */
    free(s);
}

/* Adds an instance of this sender.  NULL without memory. */
static struct instance *add_instance(struct querier *q, struct source *source, const char *key,
                                     size_t size)
{
    struct instance *i = calloc(1, sizeof(*i) + size);

    if (!i)
        return NULL;
    memcpy(i->key, key, size);
    i->key_size = size;
    i->first_round = q->round;
    q->heard_at = querier_now_ms(q);
    HASH_ADD_KEYPTR(hh, q->instances, i->key, i->key_size, i);
    if (!HASH_WAS_ADDED(i)) {
        free(i);
        return NULL;
    }
    i->source = source;
    source->count++;
    querier_ask_soon(q);
    return i;
}

struct instance *instance_make(struct querier *q, const struct packet *p, const char *name)
{
    struct instance *i = instance_find(q, p->interface, name);
    char key[KEY_MAX];
    size_t size = make_key(p->interface, name, key);
    bool known = querier_knows(q, name);
    struct source *source;

    if (i)
        return i;
    /* The listener hears of what does not fit from Avahi, if at all. */
    if (!known && HASH_COUNT(q->instances) >= QUERIER_INSTANCES_MAX) {
        q->listener.too_many(NULL, q->listener.arg);
        return NULL;
    }
    source = source_for(q, &p->from, known);
    if (!source)
        return NULL;
    i = add_instance(q, source, key, size);
    if (!i && source->count == 0)
        source_leave(q, source);
    return i;
}

bool instance_answers(struct instance *i, unsigned round)
{
    unsigned later = round > i->last_answer ? round - i->last_answer : 0;
    unsigned before = i->last_answer - round;

    if (round == 0)
        return false;
    if (i->answers == 0) {
        i->first_answer = i->last_answer = round;
        i->answers_before = 1;
    } else if (later > 0) {
        i->answers_before = later < ANSWERS_BITS ? i->answers_before << later | 1 : 1;
        i->last_answer = round;
    } else if (before < ANSWERS_BITS && !(i->answers_before >> before & 1)) {
        i->answers_before |= (uint64_t)1 << before;
        i->first_answer = round < i->first_answer ? round : i->first_answer;
    } else {
        return false;
    }
    i->answers++;
    return true;
}

void instance_keep(const struct querier *q, struct instance *i, uint32_t ttl)
{
    uint32_t least = i->answered ? KEEP_ANSWERED_S : KEEP_S;

    ttl = ttl > KEEP_ANSWERED_S ? KEEP_ANSWERED_S : ttl < least ? least : ttl;
    i->expires = querier_now_ms(q) + (uint64_t)ttl * 1000;
}

void instance_free(struct querier *q, struct instance *i)
{
    HASH_DEL(q->instances, i); /* NOLINT(clang-analyzer-core.NullDereference): it is in there */
    source_leave(q, i->source);
    free(i->host);
    free(i->txt);
    free(i);
}

void querier_drop_gone(struct querier *q)
{
    char name[IF_NAMESIZE];
    uint64_t now = querier_now_ms(q);
    struct instance *i, *next;
    int exists = -1; /* the last interface that was asked for */

    HASH_ITER(hh, q->instances, i, next)
    {
        char instance[MDNS_LABEL_MAX + 1];
        struct sighting_key key = {instance_interface(i), SIGHTING_DIRECT, instance, "local"};

        if (key.interface != exists && key.interface > 0 &&
            if_indextoname((unsigned)key.interface, name))
            exists = key.interface;
        if (key.interface == exists && now < i->expires)
            continue;
        (void)snprintf(instance, sizeof(instance), "%s", instance_name(i));
        instance_free(q, i);
        q->listener.silent(&key, false, q->listener.arg);
    }
}
