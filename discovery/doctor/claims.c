#include "claims.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <linux/filter.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "discovery/base/clock.h"
#include "discovery/network/mdns-answer.h"
#include "discovery/network/mdns-probe.h"

enum { RECORDS_MAX = 16, /* looked at in one packet */ PACKETS_MAX = 4096 /* in one reading */ };

static struct claim *claim_of(struct claims *c, const struct address *from)
{
    for (size_t i = 0; i < c->count; i++)
        if (address_equal(&c->items[i].address, from))
            return &c->items[i];
    if (c->count == CLAIMS_MAX)
        return NULL;
    c->items[c->count].address = *from;
    return &c->items[c->count++];
}

void claims_take(struct claims *c, const struct links *links, const uint8_t *packet, size_t size,
                 const struct address *from)
{
    ns_msg message;
    int count;

    if (from->family != AF_INET || !links_is_near(links, from) || links_is_own(links, from) ||
        ns_initparse(packet, (int)size, &message) < 0 || ns_msg_getflag(message, ns_f_qr))
        return;
    count = ns_msg_count(message, ns_s_ns);
    for (int i = 0; i < count && i < RECORDS_MAX; i++) {
        struct claim *to;
        ns_rr record;

        if (ns_parserr(&message, ns_s_ns, i, &record) < 0)
            return;
        if (ns_rr_type(record) != ns_t_a || ns_rr_rdlen(record) != 4 ||
            memcmp(ns_rr_rdata(record), from->bytes, 4) != 0)
            continue;
        to = claim_of(c, from);
        if (to)
            (void)snprintf(to->name, sizeof(to->name), "%.*s", VIEW_CLAIM_MAX - 1,
                           ns_rr_name(record));
    }
}

/* Questions with records in their authority section, as claims are: a busy network's answers
 * do not fill the socket.  The filter sees the UDP header, too. */
static int hear_claims_only(int fd)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 8 + 2),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x80, 3, 0), /* an answer */
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 8 + 8),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0), /* no such records */
        BPF_STMT(BPF_RET | BPF_K, MDNS_PACKET_MAX),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    const struct sock_fprog program = {ARRAY_SIZE(code), code};

    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

int claims_open(const struct links *links)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(MDNS_PORT)};
    struct ip_mreqn group = {0};
    const int on = 1, off = 0;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    /* On the group alone: what is for this computer's address is for its Avahi. */
    here.sin_addr.s_addr = group.imr_multiaddr.s_addr = inet_addr("224.0.0.251");
    (void)setsockopt(fd, IPPROTO_IP, IP_MULTICAST_ALL, &off, sizeof(off));
    if (hear_claims_only(fd) < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        bind(fd, (const struct sockaddr *)&here, sizeof(here)) < 0) {
        close(fd);
        return -1;
    }
    for (size_t i = 0; i < links->count; i++) {
        group.imr_ifindex = (int)links->items[i].interface;
        if (links->items[i].v4)
            (void)setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof(group));
    }
    return fd;
}

/* False: nothing is there. */
static bool read_one(struct claims *c, const struct links *links, int fd)
{
    uint8_t packet[MDNS_PACKET_MAX];
    struct sockaddr_storage from = {0};
    socklen_t size = sizeof(from);
    struct address peer;
    ssize_t n = recvfrom(fd, packet, sizeof(packet), MSG_DONTWAIT, (struct sockaddr *)&from, &size);

    if (n < 0)
        return false;
    if (address_from_sockaddr(&from, &peer) == 0)
        claims_take(c, links, packet, (size_t)n, &peer);
    return true;
}

void claims_read(struct claims *c, const struct links *links, int fd, unsigned ms)
{
    int64_t now, end = clock_ms(CLOCK_MONOTONIC) + ms;
    unsigned packets = 0;

    if (fd < 0)
        return;
    do {
        struct pollfd p = {fd, POLLIN, 0};

        while (packets < PACKETS_MAX && read_one(c, links, fd))
            packets++;
        now = clock_ms(CLOCK_MONOTONIC);
        if (now < end && poll(&p, 1, (int)(end - now)) < 0)
            return;
    } while (now < end && packets < PACKETS_MAX);
}
