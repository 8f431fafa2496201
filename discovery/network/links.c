#include "links.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>

/* The number of leading one bits. */
static unsigned prefix_of(const struct sockaddr *mask, int family)
{
    struct sockaddr_storage s = {0};
    struct address a;
    unsigned n = 0, max = family == AF_INET ? 32 : 128;

    if (!mask)
        return max;
    memcpy(&s, mask, family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
    s.ss_family = (sa_family_t)family; /* some drivers leave it 0 in a mask */
    if (address_from_sockaddr(&s, &a) < 0)
        return max;
    while (n < max && (a.bytes[n / 8] >> (7 - n % 8) & 1))
        n++;
    return n;
}

static struct link *link_of(struct links *l, unsigned interface)
{
    for (size_t i = 0; i < l->count; i++)
        if (l->items[i].interface == interface)
            return &l->items[i];
    if (l->count == LINKS_MAX)
        return NULL;
    l->items[l->count] = (struct link){.interface = interface};
    return &l->items[l->count++];
}

static void add_address(struct links *l, const struct ifaddrs *i)
{
    const unsigned asked = IFF_UP | IFF_RUNNING | IFF_MULTICAST;
    int family = i->ifa_addr->sa_family;
    struct sockaddr_storage storage = {0};
    struct network n = {.prefix = prefix_of(i->ifa_netmask, family)};
    struct link *link;

    if (i->ifa_flags & IFF_LOOPBACK)
        return;
    memcpy(&storage, i->ifa_addr,
           family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
    if (address_from_sockaddr(&storage, &n.address) == 0 && l->n_networks < LINKS_NETWORKS_MAX)
        l->networks[l->n_networks++] = n;
    if ((i->ifa_flags & asked) != asked || (i->ifa_flags & IFF_POINTOPOINT))
        return;
    link = link_of(l, if_nametoindex(i->ifa_name));
    if (!link)
        return;
    link->v4 = link->v4 || family == AF_INET;
    link->v6 = link->v6 || family == AF_INET6;
}

void links_read(struct links *ret)
{
    struct ifaddrs *all = NULL;

    ret->count = ret->n_networks = 0;
    if (getifaddrs(&all) < 0)
        return;
    for (const struct ifaddrs *i = all; i; i = i->ifa_next)
        if (i->ifa_addr &&
            (i->ifa_addr->sa_family == AF_INET || i->ifa_addr->sa_family == AF_INET6))
            add_address(ret, i);
    freeifaddrs(all);
}

void links_explain(const struct links *l, struct text *ret)
{
    struct ifaddrs *all = NULL;
    size_t n = 0;

    if (l->count > 0 || getifaddrs(&all) < 0)
        return;
    for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
        if (!i->ifa_addr || i->ifa_addr->sa_family != AF_PACKET || (i->ifa_flags & IFF_LOOPBACK))
            continue;
        if (n++ == LINKS_EXPLAINED)
            break;
        text_addf(ret, "%s%s %s", n > 1 ? ", " : "", i->ifa_name,
                  !(i->ifa_flags & IFF_UP)        ? "is switched off"
                  : !(i->ifa_flags & IFF_RUNNING) ? "has no link (is the cable in?)"
                                                  : "has no address, or does no multicast");
    }
    if (n == 0)
        text_adds(ret, "this computer has no network interface");
    freeifaddrs(all);
}

void links_explain_ipv4(const struct links *l, struct text *ret)
{
    char name[IF_NAMESIZE];
    size_t n = 0;

    for (size_t i = 0; i < l->count; i++)
        if (l->items[i].v4)
            return;
    for (size_t i = 0; i < l->count && n < LINKS_EXPLAINED; i++)
        if (if_indextoname(l->items[i].interface, name))
            text_addf(ret, "%s%s", n++ > 0 ? ", " : "", name);
}

bool links_is_near(const struct links *l, const struct address *a)
{
    for (size_t i = 0; i < l->n_networks; i++)
        if (network_has(&l->networks[i], a))
            return true;
    return false;
}

bool links_is_own(const struct links *l, const struct address *a)
{
    for (size_t i = 0; i < l->n_networks; i++)
        if (address_equal(&l->networks[i].address, a))
            return true;
    return false;
}

bool links_is_own_anywhere(const struct links *l, const struct address *a)
{
    for (size_t i = 0; i < l->n_networks; i++) {
        struct address own = l->networks[i].address;

        own.interface = a->interface;
        if (address_equal(&own, a))
            return true;
    }
    return false;
}

/* All bits behind the prefix are 1: RFC 919.  A network of two addresses has none: RFC
 * 3021. */
static bool is_broadcast(const struct network *n, const struct address *a)
{
    uint32_t bits, host;

    if (a->family != AF_INET || n->prefix == 0 || n->prefix > 30 || !network_has(n, a))
        return false;
    memcpy(&bits, a->bytes, sizeof(bits));
    host = UINT32_MAX >> n->prefix;
    return (ntohl(bits) & host) == host;
}

const char *links_refuse(const struct links *l, const struct address *a, bool own)
{
    if (!address_is_unicast(a))
        return "is a loopback, unspecified, multicast or broadcast address";
    for (size_t i = 0; i < l->n_networks; i++)
        if (is_broadcast(&l->networks[i], a))
            return "is the broadcast address of its network";
    return !own && links_is_own(l, a) ? "is this computer's own" : NULL;
}
