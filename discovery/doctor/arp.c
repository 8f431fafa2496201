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

static void send_request(int fd, const struct near *near, const struct address *a)
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

    memset(to.sll_addr, 0xff, 6);
    memcpy(packet.arp_sha, near->mac, 6);
    memcpy(packet.arp_spa, near->address, 4);
    memcpy(packet.arp_tpa, a->bytes, 4);
    (void)sendto(fd, &packet, sizeof(packet), MSG_NOSIGNAL, (const struct sockaddr *)&to,
                 sizeof(to));
}

static void add_mac(struct view_probe *p, const uint8_t mac[static 6])
{
    for (size_t i = 0; i < p->n_macs; i++)
        if (memcmp(p->macs[i], mac, 6) == 0)
            return;
    if (p->n_macs < VIEW_MACS_MAX)
        memcpy(p->macs[p->n_macs++], mac, 6);
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

/* Requests of others tell nothing, nor do this computer's other network cards. */
static void take_reply(int fd, const struct ifaddrs *all, struct view_machine *machines, size_t n)
{
    struct ether_arp packet;
    ssize_t size = recv(fd, &packet, sizeof(packet), MSG_DONTWAIT);

    if (size < (ssize_t)sizeof(packet) || packet.ea_hdr.ar_op != htons(ARPOP_REPLY) ||
        is_own_mac(all, packet.arp_sha))
        return;
    for (size_t i = 0; i < n; i++)
        if (machines[i].near && machines[i].address.family == AF_INET &&
            memcmp(machines[i].address.bytes, packet.arp_spa, 4) == 0)
            add_mac(&machines[i].probe, packet.arp_sha);
}

static void ask_some(int fd, const struct ifaddrs *all, struct view_machine *machines, size_t n)
{
    int64_t now, end;

    for (size_t i = 0; i < n; i++) {
        struct near near;

        if (machines[i].near && machines[i].address.family == AF_INET &&
            find_near(all, &machines[i].address, &near))
            send_request(fd, &near, &machines[i].address);
    }
    end = clock_ms(CLOCK_MONOTONIC) + ARP_MS;
    while ((now = clock_ms(CLOCK_MONOTONIC)) < end) {
        struct pollfd p = {fd, POLLIN, 0};

        if (poll(&p, 1, (int)(end - now)) > 0)
            take_reply(fd, all, machines, n);
    }
}

bool arp_ask(struct view_machine *machines, size_t n)
{
    CLEANUP_CLOSE int fd = -1;
    struct ifaddrs *all = NULL;

    if (n == 0)
        return true;
    fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, htons(ETHERTYPE_ARP));
    if (fd < 0)
        return false;
    if (getifaddrs(&all) < 0)
        return true;
    for (size_t i = 0; i < n; i += ARP_AT_ONCE)
        ask_some(fd, all, machines + i, n - i < ARP_AT_ONCE ? n - i : ARP_AT_ONCE);
    freeifaddrs(all);
    return true;
}
