/* What the daemon tells of: tuples, and their resolvers. */
#include <stdlib.h>
#include <string.h>

#include <avahi-common/error.h>
#include <avahi-common/malloc.h>

#include "browser-private.h"
#include "discovery/advert/sign.h"
#include "host-name.h"

enum {
    NAME_MAX_BYTES = 1024, /* an instance name or domain, escaped (RFC 1035 §2.3.4: 255 octets) */
    TXT_ROOM = 2 * ADVERT_TXT_MAX, /* more is refused by the parser, which says so */
};

static void settle_tuple(struct tuple *t)
{
    if (t->settled)
        return;
    t->settled = true;
    t->browser->pending--;
}

/* Writes the wire form (RFC 6763 §6.1), bounded; the parser refuses what is too
 * long. */
static size_t serialize_txt(AvahiStringList *txt, uint8_t ret[static TXT_ROOM])
{
    size_t size = 0;

    for (; txt; txt = avahi_string_list_get_next(txt)) {
        size_t n = avahi_string_list_get_size(txt);

        if (n > 255 || size + n + 1 > TXT_ROOM)
            return TXT_ROOM;
        ret[size++] = (uint8_t)n;
        memcpy(ret + size, avahi_string_list_get_text(txt), n);
        size += n;
    }
    return size;
}

static void set_address(struct address *ret, const AvahiAddress *a, AvahiIfIndex interface)
{
    *ret = (struct address){.family = AF_INET};
    if (a->proto == AVAHI_PROTO_INET) {
        memcpy(ret->bytes, &a->data.ipv4.address, 4);
        return;
    }
    ret->family = AF_INET6;
    memcpy(ret->bytes, a->data.ipv6.address, 16);
    if (address_is_link_local(ret) && interface > 0)
        ret->interface = (unsigned)interface;
}

static void push_resolved(struct tuple *t, const char *host, const AvahiAddress *address,
                          uint16_t port, AvahiStringList *txt)
{
    CLEANUP(browser_event_free_p) struct browser_event *e = browser_make_event(BROWSER_RESOLVED, t);
    const struct key *key = t->browser->key;
    uint8_t bytes[TXT_ROOM];
    struct error err = {0};
    size_t size;

    settle_tuple(t);
    if (!e)
        return;
    size = serialize_txt(txt, bytes);
    if (advert_parse(bytes, size, &e->advert, &err) < 0) {
        e->type = BROWSER_UNREADABLE;
        e->reason = strdup(err.text);
    } else {
        e->sighting.advert = &e->advert;
        e->sighting.verified =
            key && advert_verify(bytes, size, port, e->advert.id, e->advert.hostkey, key);
    }
    e->sighting.host = host ? host_name_from_escaped(host) : NULL;
    e->sighting.port = port;
    e->sighting.own = t->own;
    set_address(&e->address, address, t->key.interface);
    e->sighting.addresses = &e->address;
    e->sighting.n_addresses = 1;
    browser_push_event(t->browser, TAKE_PTR(e));
}

static void on_resolver(AvahiServiceResolver *resolver, AvahiIfIndex interface,
                        AvahiProtocol protocol, AvahiResolverEvent event, const char *name,
                        const char *type, const char *domain, const char *host,
                        const AvahiAddress *address, uint16_t port, AvahiStringList *txt,
                        AvahiLookupResultFlags flags, void *arg)
{
    struct tuple *t = arg;

    (void)interface, (void)protocol, (void)name, (void)type, (void)domain, (void)flags;
    if (event == AVAHI_RESOLVER_FOUND && address) {
        push_resolved(t, host, address, port, txt);
        return;
    }
    /* The record may still come later: the resolver stays open. */
    settle_tuple(t);
    browser_push_news(
        t->browser, BROWSER_UNRESOLVED, t,
        avahi_strerror(avahi_client_errno(avahi_service_resolver_get_client(resolver))));
}

/* Asks for an address of the tuple's own protocol, so that a machine's IPv4 and
 * IPv6 addresses both come, each from its own tuple.  A client that the daemon gives
 * fewer objects than we thought is full. */
static void start_resolver(struct tuple *t)
{
    struct browser *b = t->browser;
    int error = AVAHI_OK;

    while ((t->client = browser_pick_client(b))) {
        t->resolver = avahi_service_resolver_new(t->client->avahi, t->key.interface,
                                                 t->key.protocol, t->key.name, ADVERT_TYPE,
                                                 t->key.domain, t->key.protocol, 0, on_resolver, t);
        if (t->resolver) {
            t->client->objects++;
            return;
        }
        error = avahi_client_errno(t->client->avahi);
        if (!browser_is_limit(b, error))
            break;
        t->client->objects = BROWSER_OBJECTS_PER_CLIENT;
    }
    settle_tuple(t);
    if (!t->client && b->refused != AVAHI_LIMIT_NONE)
        browser_push_limit(b, BROWSER_UNRESOLVED, t, b->refused);
    else
        browser_push_news(b, BROWSER_UNRESOLVED, t,
                          error != AVAHI_OK ? avahi_strerror(error)
                                            : "no connection to the Avahi daemon");
}

static void stop_resolver(struct tuple *t)
{
    if (t->resolver) {
        avahi_service_resolver_free(t->resolver);
        t->client->objects--;
    }
    t->resolver = NULL;
    settle_tuple(t);
}

struct tuple *browser_make_tuple(struct browser *b, const struct sighting_key *key)
{
    size_t name = strnlen(key->name, NAME_MAX_BYTES) + 1;
    size_t domain = strnlen(key->domain, NAME_MAX_BYTES) + 1;
    size_t numbers = 2 * sizeof(int);
    struct tuple *t;

    if (name > NAME_MAX_BYTES || domain > NAME_MAX_BYTES)
        return NULL;
    t = calloc(1, sizeof(*t) + numbers + name + domain);
    if (!t)
        return NULL;
    memcpy(t->bytes, &key->interface, sizeof(int));
    memcpy(t->bytes + sizeof(int), &key->protocol, sizeof(int));
    memcpy(t->bytes + numbers, key->name, name);
    memcpy(t->bytes + numbers + name, key->domain, domain);
    t->size = numbers + name + domain;
    t->browser = b;
    t->key = *key;
    t->key.name = t->bytes + numbers;
    t->key.domain = t->bytes + numbers + name;
    return t;
}

static struct tuple *find_tuple(struct tuple *all, const struct tuple *like)
{
    struct tuple *t;

    HASH_FIND(hh, all, like->bytes, like->size, t);
    return t;
}

/* The same instance's tuple of another protocol, if there is one; it also finds the
 * instance among those that are heard. */
static struct tuple *find_sibling(struct tuple *all, const struct tuple *t, int protocol)
{
    const struct sighting_key key = {t->key.interface, protocol, t->key.name, t->key.domain};
    CLEANUP_FREE struct tuple *like = browser_make_tuple(t->browser, &key);

    return like ? find_tuple(all, like) : NULL;
}

static void free_tuple(struct tuple *t)
{
    HASH_DEL(t->browser->tuples, t);
    stop_resolver(t);
    free(t);
}

void browser_add_tuple(struct browser *b, const struct sighting_key *key, bool own)
{
    struct tuple *t;

    if (HASH_COUNT(b->tuples) >= BROWSER_TUPLES_MAX) {
        if (!b->told_many)
            browser_push_news(b, BROWSER_TOO_MANY, NULL, NULL);
        b->told_many = true;
        return;
    }
    t = browser_make_tuple(b, key);
    if (!t)
        return;
    t->own = own;
    if (!find_tuple(b->tuples, t))
        HASH_ADD_KEYPTR(hh, b->tuples, t->bytes, t->size, t);
    if (!HASH_WAS_ADDED(t)) {
        free(t);
        return;
    }
    b->pending++;
    if (find_sibling(b->heard, t, SIGHTING_DIRECT)) {
        settle_tuple(t);
        browser_push_news(b, BROWSER_RELEASED, t, NULL);
        return;
    }
    browser_push_news(b, BROWSER_FOUND, t, NULL);
    start_resolver(t);
}

void browser_remove_tuple(struct browser *b, const struct sighting_key *key)
{
    CLEANUP_FREE struct tuple *like = browser_make_tuple(b, key);
    struct tuple *t = like ? find_tuple(b->tuples, like) : NULL;

    if (!t)
        return;
    settle_tuple(t);
    browser_push_news(b, BROWSER_REMOVED, t, NULL);
    free_tuple(t);
    b->told_many = false;
}

void browser_take_order(struct browser *b, struct tuple *order)
{
    static const int protocols[] = {AVAHI_PROTO_INET, AVAHI_PROTO_INET6};
    struct tuple *before = find_tuple(b->heard, order);

    if (order->heard == (before != NULL) ||
        (order->heard && HASH_COUNT(b->heard) >= BROWSER_TUPLES_MAX)) {
        free(order);
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
        struct tuple *t = find_sibling(b->tuples, order, protocols[i]);

        if (!t)
            continue;
        if (order->heard) {
            stop_resolver(t);
            browser_push_news(b, BROWSER_RELEASED, t, NULL);
        } else {
            start_resolver(t);
        }
    }
    if (order->heard) {
        HASH_ADD_KEYPTR(hh, b->heard, order->bytes, order->size, order);
        if (HASH_WAS_ADDED(order))
            return;
    } else {
        HASH_DEL(b->heard, before); /* NOLINT(clang-analyzer-core.NullDereference): it is there */
        free(before);
    }
    free(order);
}
