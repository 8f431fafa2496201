#include "arp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <netinet/if_ether.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "discovery/base/cleanup.h"
#include "discovery/base/clock.h"

/* Where an address is asked for: this computer's interface in its network. */
struct near {
    unsigned index;
    uint8_t address[4], mac[6];
};

static bool find_mac(const struct ifaddrs *all, const char *name, struct near *ret)
{
    for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
        struct sockaddr_ll link;

        if (!i->ifa_addr || i->ifa_addr->sa_family != AF_PACKET || strcmp(i->ifa_name, name) != 0)
            continue;
        memcpy(&link, i->ifa_addr, sizeof(link));
        if (link.sll_halen != sizeof(ret->mac))
            return false;
        memcpy(ret->mac, link.sll_addr, sizeof(ret->mac));
        ret->index = (unsigned)link.sll_ifindex;
        return true;
    }
    return false;
}

static bool find_near(const struct ifaddrs *all, const struct address *a, struct near *ret)
{
    for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
        struct sockaddr_in own, mask;
        uint32_t to;

        if (!i->ifa_addr || !i->ifa_netmask || i->ifa_addr->sa_family != AF_INET ||
            (i->ifa_flags & (IFF_LOOPBACK | IFF_NOARP)) || !(i->ifa_flags & IFF_RUNNING))
            continue;
        memcpy(&own, i->ifa_addr, sizeof(own));
        memcpy(&mask, i->ifa_netmask, sizeof(mask));
        memcpy(&to, a->bytes, sizeof(to));
        if (((to ^ own.sin_addr.s_addr) & mask.sin_addr.s_addr) != 0)
            continue;
        memcpy(ret->address, &own.sin_addr, sizeof(ret->address));
        return find_mac(all, i->ifa_name, ret);
    }
    return false;
}

static const uint8_t everybody[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static void send_request(int fd, const struct near *near, const struct address *a,
                         const uint8_t mac[static 6])
{
    struct ether_arp packet = {
        .ea_hdr = {htons(ARPHRD_ETHER), htons(ETHERTYPE_IP), 6, 4, htons(ARPOP_REQUEST)},
    };
    struct sockaddr_ll to = {
        .sll_family = AF_PACKET,
        .sll_protocol = htons(ETHERTYPE_ARP),
        .sll_ifindex = (int)near->index,
        .sll_halen = 6,
    };

    memcpy(to.sll_addr, mac, 6);
    memcpy(packet.arp_sha, near->mac, 6);
    memcpy(packet.arp_spa, near->address, 4);
    memcpy(packet.arp_tpa, a->bytes, 4);
    (void)sendto(fd, &packet, sizeof(packet), MSG_NOSIGNAL, (const struct sockaddr *)&to,
                 sizeof(to));
}

/* What answers one round of questions. */
struct round {
    struct view_machine *machine;
    struct near near;
    unsigned replies[VIEW_MACS_MAX];
};

static void add_reply(struct round *r, const uint8_t mac[static 6])
{
    struct view_probe *p = &r->machine->probe;
    size_t i = 0;

    while (i < p->n_macs && memcmp(p->macs[i], mac, 6) != 0)
        i++;
    if (i == VIEW_MACS_MAX)
        return;
    if (i == p->n_macs)
        memcpy(p->macs[p->n_macs++], mac, 6);
    r->replies[i]++;
}

static bool is_own_mac(const struct ifaddrs *all, const uint8_t mac[static 6])
{
    for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
        struct near own;

        if (find_mac(i, i->ifa_name, &own) && memcmp(own.mac, mac, 6) == 0)
            return true;
    }
    return false;
}

/* Takes one packet.  Requests of others tell nothing, nor do this computer's other network
 * cards.  False: it is no reply, or none from there. */
static bool read_reply(int fd, const struct ifaddrs *all, struct ether_arp *ret, int *ret_index)
{
    struct sockaddr_ll from = {0};
    socklen_t from_size = sizeof(from);
    ssize_t size =
        recvfrom(fd, ret, sizeof(*ret), MSG_DONTWAIT, (struct sockaddr *)&from, &from_size);

    *ret_index = from.sll_ifindex;
    return size >= (ssize_t)sizeof(*ret) && ret->ea_hdr.ar_op == htons(ARPOP_REPLY) &&
           !is_own_mac(all, ret->arp_sha);
}

/* A bridge's packets are seen at its port, too: those of the interface that asked count. */
static void take_reply(int fd, const struct ifaddrs *all, struct round *rounds, size_t n)
{
    struct ether_arp packet;
    int index;

    if (!read_reply(fd, all, &packet, &index))
        return;
    for (size_t i = 0; i < n; i++)
        if ((int)rounds[i].near.index == index &&
            memcmp(rounds[i].machine->address.bytes, packet.arp_spa, 4) == 0)
            add_reply(&rounds[i], packet.arp_sha);
}

static void ask_round(int fd, const struct ifaddrs *all, struct round *rounds, size_t n)
{
    int64_t now, end;

    for (size_t i = 0; i < n; i++)
        send_request(fd, &rounds[i].near, &rounds[i].machine->address, everybody);
    end = clock_ms(CLOCK_MONOTONIC) + ARP_MS;
    while ((now = clock_ms(CLOCK_MONOTONIC)) < end) {
        struct pollfd p = {fd, POLLIN, 0};

        if (poll(&p, 1, (int)(end - now)) > 0)
            take_reply(fd, all, rounds, n);
    }
    for (size_t i = 0; i < n; i++) {
        struct view_probe *p = &rounds[i].machine->probe;

        p->arp_asked++;
        p->arp_doubled += p->n_macs == 1 && rounds[i].replies[0] > 1;
    }
}

/* Those that have always been answered twice so far are asked again. */
static void ask_some(int fd, const struct ifaddrs *all, struct view_machine *machines, size_t n)
{
    struct round rounds[ARP_AT_ONCE];

    for (unsigned times = 0; times < ARP_DOUBLED; times++) {
        size_t count = 0;

        for (size_t i = 0; i < n; i++) {
            struct round *r = &rounds[count];

            *r = (struct round){.machine = &machines[i]};
            if (machines[i].near && machines[i].address.family == AF_INET &&
                machines[i].probe.arp_asked == times && machines[i].probe.arp_doubled == times &&
                find_near(all, &machines[i].address, &r->near))
                count++;
        }
        if (count == 0)
            return;
        ask_round(fd, all, rounds, count);
    }
}

static int open_arp(void)
{
    return socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, htons(ETHERTYPE_ARP));
}

bool arp_ask(struct view_machine *machines, size_t n)
{
    CLEANUP_CLOSE int fd = -1;
    struct ifaddrs *all = NULL;

    if (n == 0)
        return true;
    fd = open_arp();
    if (fd < 0)
        return false;
    if (getifaddrs(&all) < 0)
        return true;
    for (size_t i = 0; i < n; i += ARP_AT_ONCE)
        ask_some(fd, all, machines + i, n - i < ARP_AT_ONCE ? n - i : ARP_AT_ONCE);
    freeifaddrs(all);
    return true;
}

/* ---- one MAC address at two addresses ---- */

struct crossing {
    int fd;
    const struct ifaddrs *all;
    struct near near;
};

/* Asks `to` for an address: does anybody have it? */
static bool is_answered(const struct crossing *c, const struct address *a,
                        const uint8_t to[static 6])
{
    int64_t now, end = clock_ms(CLOCK_MONOTONIC) + ARP_REPLY_MS;
    struct ether_arp packet;
    int index;

    send_request(c->fd, &c->near, a, to);
    while ((now = clock_ms(CLOCK_MONOTONIC)) < end) {
        struct pollfd p = {c->fd, POLLIN, 0};

        if (poll(&p, 1, (int)(end - now)) > 0 && read_reply(c->fd, c->all, &packet, &index) &&
            memcmp(packet.arp_spa, a->bytes, 4) == 0)
            return true;
    }
    return false;
}

/* `speaker` answers everybody, and its MAC address: then switches know where that is.  False:
 * it does not; `ret_got`: the silent one answers, too. */
static bool cross_once(const struct crossing *c, const struct view_machine *speaker,
                       const struct view_machine *silent, unsigned *ret_got)
{
    const uint8_t *mac = speaker->probe.macs[0];

    if (!is_answered(c, &speaker->address, everybody) || !is_answered(c, &speaker->address, mac))
        return false;
    *ret_got += is_answered(c, &silent->address, mac);
    return true;
}

void arp_cross(const struct view_machine *first, struct view_machine *other)
{
    CLEANUP_CLOSE int fd = open_arp();
    struct crossing c = {.fd = fd};
    struct ifaddrs *all = NULL;

    if (fd < 0 || getifaddrs(&all) < 0)
        return;
    c.all = all;
    if (find_near(all, &other->address, &c.near))
        for (unsigned i = 0; i < ARP_CROSSINGS; i++) {
            unsigned got = 0;

            /* One of them alone proves nothing: the other may have gone. */
            if (!cross_once(&c, first, other, &got) || !cross_once(&c, other, first, &got))
                continue;
            other->cross_asked += 2;
            other->cross_got += got;
        }
    freeifaddrs(all);
}
