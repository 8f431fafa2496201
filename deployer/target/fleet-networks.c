#include "fleet-networks.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "discovery/base/cleanup.h"

struct list {
    struct network items[FLEET_NETWORKS_MAX];
    size_t count;
    unsigned prefix; /* of what is on no link of this computer */
    bool full;
};

static struct network network_of(const struct address *a, unsigned prefix)
{
    struct network n = {.address = {.family = AF_INET}, .prefix = prefix};
    uint32_t bits;

    memcpy(&bits, a->bytes, sizeof(bits));
    bits &= htonl(prefix > 0 ? UINT32_MAX << (32 - prefix) : 0);
    memcpy(n.address.bytes, &bits, sizeof(bits));
    return n;
}

static void add_network(struct list *l, const struct network *n)
{
    for (size_t i = 0; i < l->count; i++)
        if (l->items[i].prefix == n->prefix && address_equal(&l->items[i].address, &n->address))
            return;
    l->full = l->full || l->count == FLEET_NETWORKS_MAX;
    if (!l->full)
        l->items[l->count++] = *n;
}

static const struct network *link_network(const struct links *links, const struct address *a)
{
    for (size_t i = 0; i < links->n_networks; i++)
        if (links->networks[i].prefix > 0 && links->networks[i].prefix < 32 &&
            network_has(&links->networks[i], a))
            return &links->networks[i];
    return NULL;
}

static void add_address(struct list *l, const struct links *links, const struct address *a,
                        bool certain)
{
    const struct network *near = a->family == AF_INET ? link_network(links, a) : NULL;
    struct network n;

    if (a->family != AF_INET || !address_is_unicast(a) || (!near && !certain))
        return;
    n = near ? network_of(&near->address, near->prefix) : network_of(a, l->prefix);
    add_network(l, &n);
}

static void add_target(struct list *l, const struct links *links, const struct target *t)
{
    struct address given;

    if (t->agent_address && address_parse(t->agent_address, &given) == 0)
        add_address(l, links, &given, true);
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

void fleet_networks(const struct target *const *targets, size_t n_targets,
                    const struct state_machines *known, const struct links *links, struct text *ret)
{
    struct list l;

    for (l.prefix = 32; l.prefix >= 16; l.prefix -= 8) {
        l.count = 0;
        l.full = false;
        for (size_t i = 0; i < n_targets; i++)
            add_target(&l, links, targets[i]);
        for (size_t i = 0; i < known->count; i++) {
            struct address a;

            if (known->items[i].address && address_parse(known->items[i].address, &a) == 0 &&
                is_of_fleet(&known->items[i], targets, n_targets))
                add_address(&l, links, &a, true);
        }
        if (!l.full)
            break;
    }
    for (size_t i = 0; i < l.count; i++) {
        char address[ADDRESS_TEXT_MAX];

        address_format(&l.items[i].address, address);
        text_addf(ret, "%s%s/%u", i > 0 ? "," : "", address, l.items[i].prefix);
    }
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
