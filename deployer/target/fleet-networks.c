#include "fleet-networks.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "discovery/base/cleanup.h"

/* Room for all is made at first. */
struct list {
    struct network *items;
    size_t count;
    struct address *known; /* where machines of the fleet were met, or say that their agents are */
    size_t n_known;
    unsigned prefix; /* of what is on no link of this computer */
};

static void list_clear(struct list *l)
{
    free(l->items);
    free(l->known);
}

static struct network network_of(const struct address *a, unsigned prefix)
{
    struct network n = {.address = {.family = AF_INET}, .prefix = prefix};
    uint32_t bits;

    memcpy(&bits, a->bytes, sizeof(bits));
    bits &= htonl(prefix > 0 ? UINT32_MAX << (32 - prefix) : 0);
    memcpy(n.address.bytes, &bits, sizeof(bits));
    return n;
}

/* The smallest one that it is in. */
static const struct network *link_network(const struct links *links, const struct address *a)
{
    const struct network *found = NULL;

    for (size_t i = 0; i < links->n_networks; i++)
        if (links->networks[i].prefix > 0 && links->networks[i].prefix < 32 &&
            network_has(&links->networks[i], a) &&
            (!found || links->networks[i].prefix > found->prefix))
            found = &links->networks[i];
    return found;
}

static void add_address(struct list *l, const struct links *links, const struct address *a,
                        bool certain)
{
    const struct network *near = a->family == AF_INET ? link_network(links, a) : NULL;

    if (a->family != AF_INET || !address_is_unicast(a) || (!near && !certain))
        return;
    l->items[l->count++] =
        near ? network_of(&near->address, near->prefix) : network_of(a, l->prefix);
}

static bool is_known(const struct list *l, const struct target *t)
{
    for (size_t i = 0; i < t->n_addresses; i++)
        for (size_t k = 0; k < l->n_known; k++)
            if (address_equal(&t->addresses[i], &l->known[k]))
                return true;
    return false;
}

/* One that is known counts as it does when it is no target. */
static void add_target(struct list *l, const struct links *links, const struct target *t)
{
    struct address given;

    if (t->agent_address && address_parse(t->agent_address, &given) == 0)
        add_address(l, links, &given, true);
    if (is_known(l, t))
        return;
    for (size_t i = 0; i < t->n_addresses; i++)
        add_address(l, links, &t->addresses[i], !t->advertised);
}

static const char *fleet_of(const char *fleet)
{
    return fleet ? fleet : ADVERT_FLEET_DEFAULT;
}

static bool is_of_fleet(const struct state_machine *m, const struct target *const *targets,
                        size_t n_targets)
{
    for (size_t i = 0; i < n_targets; i++)
        if (strcmp(fleet_of(m->fleet), fleet_of(targets[i]->fleet)) == 0)
            return true;
    return false;
}

static int list_init(struct list *l, const struct target *const *targets, size_t n_targets,
                     const struct state_machines *known)
{
    size_t most = 2 * known->count;

    *l = (struct list){.known = calloc(most + 1, sizeof(*l->known))};
    for (size_t i = 0; i < n_targets; i++)
        most += 1 + targets[i]->n_addresses;
    l->items = calloc(most + 1, sizeof(*l->items));
    if (!l->known || !l->items)
        return -ENOMEM;
    for (size_t i = 0; i < known->count; i++) {
        const struct state_machine *m = &known->items[i];
        const char *const texts[] = {m->address, m->agents_address};

        for (size_t k = 0; m->accepted && k < ARRAY_SIZE(texts); k++)
            if (texts[k] && address_parse(texts[k], &l->known[l->n_known]) == 0 &&
                is_of_fleet(m, targets, n_targets))
                l->n_known++;
    }
    return 0;
}

static int compare_networks(const void *a, const void *b)
{
    const struct network *x = a, *y = b;
    int order = memcmp(x->address.bytes, y->address.bytes, sizeof(struct in_addr));

    return order != 0 ? order : (int)x->prefix - (int)y->prefix;
}

/* In order, without those that another one covers, which is the last before them that stays. */
static void settle(struct list *l)
{
    size_t kept = 0;

    qsort(l->items, l->count, sizeof(*l->items), compare_networks);
    for (size_t i = 0; i < l->count; i++)
        if (kept == 0 || !network_has(&l->items[kept - 1], &l->items[i].address))
            l->items[kept++] = l->items[i];
    l->count = kept;
}

int fleet_networks(const struct target *const *targets, size_t n_targets,
                   const struct state_machines *known, const struct links *links, struct text *ret)
{
    CLEANUP(list_clear) struct list l;
    int r = list_init(&l, targets, n_targets, known);

    for (l.prefix = 32; l.prefix >= 16 && r == 0; l.prefix -= 8) {
        l.count = 0;
        for (size_t i = 0; i < n_targets; i++)
            add_target(&l, links, targets[i]);
        for (size_t i = 0; i < l.n_known; i++)
            add_address(&l, links, &l.known[i], true);
        settle(&l);
        if (l.count <= FLEET_NETWORKS_MAX)
            break;
    }
    for (size_t i = 0; i < l.count && i < FLEET_NETWORKS_MAX && r == 0; i++) {
        char address[ADDRESS_TEXT_MAX];

        address_format(&l.items[i].address, address);
        text_addf(ret, "%s%s/%u", i > 0 ? "," : "", address, l.items[i].prefix);
    }
    return r < 0 ? r : text_error(ret);
}

bool fleet_networks_have(const char *networks, const char *address)
{
    struct address a;

    if (address_parse(address, &a) < 0)
        return false;
    while (*networks) {
        size_t size = strcspn(networks, " ,");
        char one[ADDRESS_TEXT_MAX] = "", *slash;
        struct network n = {.prefix = 32};

        if (size < sizeof(one))
            memcpy(one, networks, size);
        slash = strchr(one, '/');
        if (slash) {
            *slash = '\0';
            n.prefix = (unsigned)strtoul(slash + 1, NULL, 10);
        }
        if (address_parse(one, &n.address) == 0 && n.address.family == AF_INET && n.prefix <= 32 &&
            network_has(&n, &a))
            return true;
        networks += size + (networks[size] != '\0');
    }
    return false;
}
