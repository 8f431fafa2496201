#include "arp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/filter.h>
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

/* It depends on nothing but the address: who have the same one are near in the same place. */
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
    unsigned questions; /* of this computer: ours, and those of its other programs */
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

/* What was heard: a reply to this computer, or a question that it sends. */
struct heard {
    struct ether_arp packet;
    unsigned index; /* the interface */
    bool question;
};

/* Questions of others tell nothing, nor do replies to others, nor this computer's other network
 * cards.  Another program of this computer may ask the same: its questions are heard, so that
 * the replies to them are known.  False: it is neither. */
static bool hear(int fd, const struct ifaddrs *all, struct heard *ret)
{
    struct sockaddr_ll from = {0};
    socklen_t from_size = sizeof(from);
    ssize_t size = recvfrom(fd, &ret->packet, sizeof(ret->packet), MSG_DONTWAIT,
                            (struct sockaddr *)&from, &from_size);

    if (size < (ssize_t)sizeof(ret->packet))
        return false;
    ret->index = (unsigned)from.sll_ifindex;
    ret->question = from.sll_pkttype == PACKET_OUTGOING;
    if (ret->question)
        return ret->packet.ea_hdr.ar_op == htons(ARPOP_REQUEST);
    /* Link-local addresses are answered by broadcast (RFC 3927 §2.5). */
    return (from.sll_pkttype == PACKET_HOST || from.sll_pkttype == PACKET_BROADCAST) &&
           ret->packet.ea_hdr.ar_op == htons(ARPOP_REPLY) && !is_own_mac(all, ret->packet.arp_sha);
}

/* A bridge's packets are seen at its port, too: those of the interface that asked count. */
static bool is_reply(const struct heard *h, const struct near *near, const struct address *a)
{
    return !h->question && h->index == near->index && memcmp(h->packet.arp_spa, a->bytes, 4) == 0 &&
           memcmp(h->packet.arp_tha, near->mac, 6) == 0 &&
           memcmp(h->packet.arp_tpa, near->address, 4) == 0;
}

static bool is_question(const struct heard *h, const struct near *near, const struct address *a)
{
    return h->question && h->index == near->index && memcmp(h->packet.arp_tpa, a->bytes, 4) == 0;
}

static void take_packet(int fd, const struct ifaddrs *all, struct round *rounds, size_t n)
{
    struct heard h;

    if (!hear(fd, all, &h))
        return;
    for (size_t i = 0; i < n; i++) {
        const struct address *a = &rounds[i].machine->address;

        rounds[i].questions += is_question(&h, &rounds[i].near, a);
        if (is_reply(&h, &rounds[i].near, a))
            add_reply(&rounds[i], h.packet.arp_sha);
    }
}

static void ask_round(int fd, const struct ifaddrs *all, struct round *rounds, size_t n)
{
    int64_t now, end;

    for (size_t i = 0; i < n; i++) {
        send_request(fd, &rounds[i].near, &rounds[i].machine->address, everybody);
        rounds[i].questions++;
    }
    end = clock_ms(CLOCK_MONOTONIC) + ARP_MS;
    while ((now = clock_ms(CLOCK_MONOTONIC)) < end) {
        struct pollfd p = {fd, POLLIN, 0};

        if (poll(&p, 1, (int)(end - now)) > 0)
            take_packet(fd, all, rounds, n);
    }
    for (size_t i = 0; i < n; i++) {
        struct view_probe *p = &rounds[i].machine->probe;

        p->arp_asked++;
        p->arp_doubled += p->n_macs == 1 && rounds[i].replies[0] > rounds[i].questions;
    }
}

/* The first machine with its address: several records, or cards that were written anew, may
 * have the same one.  Their replies would be taken for those of two machines. */
static size_t first_of_address(const struct view_machine *machines, size_t at)
{
    size_t i = 0;

    while (i < at && !address_equal(&machines[i].address, &machines[at].address))
        i++;
    return i;
}

/* Those that have always been answered twice so far are asked again. */
static void ask_some(int fd, const struct ifaddrs *all, struct view_machine *machines, size_t from,
                     size_t to)
{
    struct round rounds[ARP_AT_ONCE];

    for (unsigned times = 0; times < ARP_DOUBLED; times++) {
        size_t count = 0;

        for (size_t i = from; i < to; i++) {
            struct view_machine *m = &machines[i];
            struct round *r = &rounds[count];

            *r = (struct round){.machine = m};
            if (m->near && m->address.family == AF_INET && m->probe.arp_asked == times &&
                m->probe.arp_doubled == times && first_of_address(machines, i) == i &&
                find_near(all, &m->address, &r->near))
                count++;
        }
        if (count == 0)
            return;
        ask_round(fd, all, rounds, count);
    }
}

static void copy_to_others(struct view_machine *machines, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct view_probe *from = &machines[first_of_address(machines, i)].probe;
        struct view_probe *to = &machines[i].probe;

        if (from == to)
            continue;
        memcpy(to->macs, from->macs, sizeof(to->macs));
        to->n_macs = from->n_macs;
        to->arp_asked = from->arp_asked;
        to->arp_doubled = from->arp_doubled;
    }
}

/* ARP alone, but of all directions, which takes all protocols. */
static int open_arp(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PROTOCOL)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETHERTYPE_ARP, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, UINT16_MAX),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    const struct sock_fprog program = {ARRAY_SIZE(code), code};
    const struct sockaddr_ll every = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
    int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd >= 0 && (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0 ||
                    bind(fd, (const struct sockaddr *)&every, sizeof(every)) < 0)) {
        close(fd);
        return -1;
    }
    return fd;
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
        ask_some(fd, all, machines, i, n - i < ARP_AT_ONCE ? n : i + ARP_AT_ONCE);
    copy_to_others(machines, n);
    freeifaddrs(all);
    return true;
}

/* ---- one MAC address at two addresses ---- */

void arp_find_links(struct view_machine *machines, size_t n)
{
    struct ifaddrs *all = NULL;

    if (getifaddrs(&all) < 0)
        return;
    for (size_t i = 0; i < n; i++) {
        struct near near;

        if (machines[i].near && machines[i].address.family == AF_INET &&
            find_near(all, &machines[i].address, &near))
            machines[i].link = near.index;
    }
    freeifaddrs(all);
}

struct crossing {
    int fd;
    const struct ifaddrs *all;
    struct near near;
};

/* Asks `to` for an address: does anybody have it?  A question to everybody may have to wait
 * until a wireless card wakes up. */
static bool is_answered(const struct crossing *c, const struct address *a,
                        const uint8_t to[static 6])
{
    int64_t now, end = clock_ms(CLOCK_MONOTONIC) + (to == everybody ? ARP_MS : ARP_REPLY_MS);

    send_request(c->fd, &c->near, a, to);
    while ((now = clock_ms(CLOCK_MONOTONIC)) < end) {
        struct pollfd p = {c->fd, POLLIN, 0};
        struct heard h;

        if (poll(&p, 1, (int)(end - now)) > 0 && hear(c->fd, c->all, &h) &&
            is_reply(&h, &c->near, a))
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

void arp_cross(const struct view_machine *first, struct view_machine *other, int64_t end)
{
    CLEANUP_CLOSE int fd = open_arp();
    struct crossing c = {.fd = fd};
    struct ifaddrs *all = NULL;

    if (fd < 0 || getifaddrs(&all) < 0)
        return;
    c.all = all;
    if (find_near(all, &other->address, &c.near))
        for (unsigned i = 0; i < ARP_CROSSINGS && clock_ms(CLOCK_MONOTONIC) < end; i++) {
            unsigned got = 0;

            /* One of them alone proves nothing: the other may have gone. */
            if (!cross_once(&c, first, other, &got) || !cross_once(&c, other, first, &got))
                break;
            other->cross_asked += 2;
            other->cross_got += got;
        }
    freeifaddrs(all);
}
