#include "candidates.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "discovery/advert/advert.h"
#include "discovery/base/hash.h"
#include "machine.h"

static const char *const types[CANDIDATE_SERVICES] = {
    [CANDIDATE_SSH] = "_ssh._tcp",
    [CANDIDATE_SFTP] = "_sftp-ssh._tcp",
    [CANDIDATE_WORKSTATION] = "_workstation._tcp",
    [CANDIDATE_BEACON] = ADVERT_TYPE,
};

/* A host on one link: on two links, one name may be two hosts. */
struct host {
    struct address from; /* who told of it first */
    struct address addresses[ROSTER_ADDRESSES_MAX];
    size_t n_addresses;
    uint16_t port; /* 0: unknown */
    char mac[CANDIDATE_MAC_MAX];
    unsigned services;
    char *name; /* as it was written first */
    UT_hash_handle hh;
    size_t key_size;
    char key[]; /* interface, name in small letters */
};

struct candidates {
    struct host *hosts;
    bool too_many;
};

const char *candidate_service_type(enum candidate_service service)
{
    return types[service];
}

struct candidates *candidates_new(void)
{
    return calloc(1, sizeof(struct candidates));
}

static void host_free(struct host *h)
{
    free(h->name);
    free(h);
}

void candidates_free(struct candidates *c)
{
    struct host *h, *next;

    if (!c)
        return;
    HASH_ITER(hh, c->hosts, h, next)
    {
        HASH_DEL(c->hosts, h);
        host_free(h);
    }
    free(c);
}

bool candidates_too_many(const struct candidates *c)
{
    return c->too_many;
}

/* ---- what is told ---- */

static bool has_room(const struct candidates *c, const struct address *from)
{
    size_t told = 0;

    if (HASH_COUNT(c->hosts) >= CANDIDATES_MAX)
        return false;
    for (const struct host *h = c->hosts; h; h = h->hh.next)
        told += address_equal(&h->from, from);
    return told < CANDIDATES_PER_SOURCE_MAX;
}

static struct host *host_new(const struct candidate_record *record)
{
    size_t n = strlen(record->host);
    struct host *h = calloc(1, sizeof(*h) + sizeof(record->interface) + n);

    if (!h)
        return NULL;
    h->from = record->from;
    h->key_size = sizeof(record->interface) + n;
    memcpy(h->key, &record->interface, sizeof(record->interface));
    for (size_t i = 0; i < n; i++)
        h->key[sizeof(record->interface) + i] = (char)tolower((unsigned char)record->host[i]);
    h->name = strdup(record->host);
    if (!h->name) {
        host_free(h);
        return NULL;
    }
    return h;
}

/* The host of a record; NULL without memory or room. */
static struct host *make_host(struct candidates *c, const struct candidate_record *record)
{
    struct host *h = host_new(record), *known;

    if (!h)
        return NULL;
    HASH_FIND(hh, c->hosts, h->key, h->key_size, known);
    if (known) {
        host_free(h);
        return known;
    }
    if (!has_room(c, &record->from)) {
        c->too_many = true;
        host_free(h);
        return NULL;
    }
    HASH_ADD_KEYPTR(hh, c->hosts, h->key, h->key_size, h);
    if (!HASH_WAS_ADDED(h)) {
        host_free(h);
        return NULL;
    }
    return h;
}

bool candidates_see(struct candidates *c, const struct candidate_record *record)
{
    /* The address that the packet came from has just proved that it can be reached. */
    const struct address_order order = {.answering = &record->from,
                                        .n_answering = 1,
                                        .networks = record->networks,
                                        .n_networks = record->n_networks};
    struct host *h = make_host(c, record);
    size_t known;
    bool news;

    if (!h)
        return false;
    known = h->n_addresses;
    news = (h->services & 1U << record->service) == 0;
    h->services |= 1U << record->service;
    for (size_t i = 0; i < record->n_addresses; i++)
        addresses_insert(h->addresses, &h->n_addresses, &record->addresses[i], &order);
    if (record->port > 0)
        h->port = record->port;
    if (record->mac)
        (void)snprintf(h->mac, sizeof(h->mac), "%s", record->mac);
    return news || h->n_addresses > known;
}

/* ---- the list ---- */

static bool share_address(const struct address *a, size_t n_a, const struct address *b, size_t n_b)
{
    for (size_t i = 0; i < n_a; i++)
        for (size_t k = 0; k < n_b; k++)
            if (address_equal(&a[i], &b[k]))
                return true;
    return false;
}

/* Does it have a beacon, which is there?  One that is off may have left its name or its address to
 * another machine. */
static bool has_beacon(const struct host *h, const struct machine *const *machines, size_t n)
{
    if (h->services & 1U << CANDIDATE_BEACON)
        return true;
    for (size_t i = 0; i < n; i++) {
        const struct machine *m = machines[i];

        if (m->beacon && machine_is_there(m) &&
            ((m->host && strcasecmp(m->host, h->name) == 0) ||
             share_address(h->addresses, h->n_addresses, m->addresses, m->n_addresses)))
            return true;
    }
    return false;
}

/* The same host that is heard on another link, too. */
static struct candidate *find_same(const struct candidate_list *l, const struct host *h)
{
    for (size_t i = 0; i < l->count; i++) {
        struct candidate *c = &l->items[i];

        if (strcasecmp(c->machine.host, h->name) == 0 &&
            share_address(h->addresses, h->n_addresses, c->machine.addresses,
                          c->machine.n_addresses))
            return c;
    }
    return NULL;
}

static int add_host(struct candidate_list *l, const struct host *h)
{
    struct candidate *c = find_same(l, h);

    if (c) {
        c->services |= h->services;
        return 0;
    }
    c = &l->items[l->count++];
    c->machine.port = h->port ? h->port : SSH_PORT;
    c->machine.online = true;
    c->machine.host = strdup(h->name);
    memcpy(c->mac, h->mac, sizeof(c->mac));
    c->services = h->services;
    return c->machine.host && machine_set_addresses(&c->machine, h->addresses, h->n_addresses) >= 0
               ? 0
               : -ENOMEM;
}

static int compare_candidates(const void *a, const void *b)
{
    const struct machine *x = &((const struct candidate *)a)->machine;
    const struct machine *y = &((const struct candidate *)b)->machine;
    char names[2][MACHINE_LABEL_MAX];
    int order = strverscmp(machine_label(x, names[0]), machine_label(y, names[1]));

    return order != 0 ? order
                      : memcmp(x->addresses[0].bytes, y->addresses[0].bytes,
                               sizeof(x->addresses[0].bytes));
}

int candidates_list(const struct candidates *c, const struct machine *const *machines, size_t n,
                    struct candidate_list *ret)
{
    CLEANUP(candidate_list_clear) struct candidate_list l = CANDIDATE_LIST_INIT;
    size_t most = HASH_COUNT(c->hosts);

    l.items = calloc(most + 1, sizeof(*l.items));
    l.pointers = calloc(most + 1, sizeof(*l.pointers));
    if (!l.items || !l.pointers)
        return -ENOMEM;
    for (const struct host *h = c->hosts; h; h = h->hh.next)
        if (h->n_addresses > 0 && !has_beacon(h, machines, n) && add_host(&l, h) < 0)
            return -ENOMEM;
    qsort(l.items, l.count, sizeof(*l.items), compare_candidates);
    for (size_t i = 0; i < l.count; i++)
        l.pointers[i] = &l.items[i].machine;
    *ret = l;
    l = CANDIDATE_LIST_INIT;
    return 0;
}

void candidate_list_clear(struct candidate_list *l)
{
    for (size_t i = 0; i < l->count; i++)
        machine_clear(&l->items[i].machine);
    free(l->items);
    free(l->pointers);
    *l = CANDIDATE_LIST_INIT;
}
