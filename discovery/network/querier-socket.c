/* The querier's sockets: one on the multicast group, two with ports of their own. */
#include <arpa/inet.h>
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "candidate-answer.h"
#include "discovery/base/clock.h"
#include "mdns-probe.h"
#include "querier-private.h"

enum {
    READS_PER_TURN = 256,
    TURN_MS = 5,
    ROOM = 8 << 20, /* receive buffer; the system may grant less */
};

static void send_v4(int fd, unsigned interface, const uint8_t *bytes, size_t size)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(MDNS_PORT)};
    struct ip_mreqn out = {.imr_ifindex = (int)interface};

    to.sin_addr.s_addr = inet_addr("224.0.0.251");
    if (setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &out, sizeof(out)) == 0)
        (void)sendto(fd, bytes, size, MSG_NOSIGNAL, (const struct sockaddr *)&to, sizeof(to));
}

static void send_v6(int fd, unsigned interface, const uint8_t *bytes, size_t size)
{
    struct sockaddr_in6 to = {
        .sin6_family = AF_INET6, .sin6_port = htons(MDNS_PORT), .sin6_scope_id = interface};

    if (inet_pton(AF_INET6, "ff02::fb", &to.sin6_addr) == 1)
        (void)sendto(fd, bytes, size, MSG_NOSIGNAL, (const struct sockaddr *)&to, sizeof(to));
}

/* On every link, or on one. */
static void send_question(const struct querier *q, const uint8_t *bytes, size_t size, int interface)
{
    for (size_t i = 0; i < q->links.count; i++) {
        const struct link *link = &q->links.items[i];

        if (interface >= 0 && (unsigned)interface != link->interface)
            continue;
        if (link->v4)
            send_v4(q->ears[EAR_V4].fd, link->interface, bytes, size);
        if (link->v6)
            send_v6(q->ears[EAR_V6].fd, link->interface, bytes, size);
    }
}

void querier_send(const struct querier *q, const char *instance, int interface)
{
    uint8_t bytes[MDNS_QUESTION_MAX];
    uint16_t transaction = querier_transaction(q, instance ? 0 : q->round);

    send_question(q, bytes,
                  mdns_question_write(instance, transaction, querier_is_unanswered(q), bytes),
                  interface);
    /* In a packet of its own: an answer to both might not fit into one. */
    if (!instance && q->candidates)
        send_question(q, bytes, candidate_question_write(transaction, bytes), interface);
}

/* A socket on a multicast address sends from the interface's own one (ip(7)). */
static void send_question_openly(const struct querier *q, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < q->links.count; i++)
        if (q->links.items[i].v4)
            send_v4(q->ears[EAR_GROUP].fd, q->links.items[i].interface, bytes, size);
    for (size_t i = 0; i < LINKS_MAX; i++)
        if (q->groups[i].interface > 0)
            send_v6(q->groups[i].fd, q->groups[i].interface, bytes, size);
}

void querier_send_openly(const struct querier *q, const char *instance)
{
    uint8_t bytes[MDNS_QUESTION_MAX];

    send_question_openly(q, bytes, mdns_question_write(instance, 0, false, bytes));
    if (!instance && q->candidates)
        send_question_openly(q, bytes, candidate_question_write(0, bytes));
}

static int interface_of(struct msghdr *message)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        struct in_pktinfo v4;
        struct in6_pktinfo v6;

        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            memcpy(&v4, CMSG_DATA(c), sizeof(v4));
            return v4.ipi_ifindex;
        }
        if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            memcpy(&v6, CMSG_DATA(c), sizeof(v6));
            return (int)v6.ipi6_ifindex;
        }
    }
    return -1;
}

static void take_candidates(struct querier *q, const uint8_t *bytes, size_t size,
                            const struct packet *p)
{
    if (!q->candidates || p->own ||
        !candidate_answer_take(q->candidates, bytes, size, &p->from, p->interface, &q->links))
        return;
    q->answered = q->answered || p->ours;
    if (q->listener.candidate)
        q->listener.candidate(q->listener.arg);
}

static bool read_datagram(struct ear *ear)
{
    struct querier *q = ear->querier;
    uint8_t bytes[MDNS_PACKET_MAX];
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct in6_pktinfo))];
    struct sockaddr_storage from = {0};
    struct iovec iov = {.iov_base = bytes, .iov_len = sizeof(bytes)};
    struct msghdr message = {
        .msg_name = &from,
        .msg_namelen = sizeof(from),
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = control,
        .msg_controllen = sizeof(control),
    };
    ssize_t n = recvmsg(ear->fd, &message, MSG_DONTWAIT);
    struct packet p;

    if (n < 0)
        return errno == EINTR;
    if (address_from_sockaddr(&from, &p.from) < 0)
        return true;
    p.own = links_is_own(&q->links, &p.from);
    q->heard_others = q->heard_others || !links_is_own_anywhere(&q->links, &p.from);
    /* RFC 6762 §6: answers come from the mDNS port. */
    if (((const struct sockaddr_in *)&from)->sin_port != htons(MDNS_PORT) ||
        !mdns_answer_parse(bytes, (size_t)n, &q->answer) ||
        (!ear->group && (q->answer.transaction & ~ROUND_MASK) != q->transaction))
        return true;
    p.interface = interface_of(&message);
    p.ours = !ear->group;
    p.round = p.ours ? querier_round_of(q, q->answer.transaction) : 0;
    querier_take_answer(q, &p);
    take_candidates(q, bytes, (size_t)n, &p);
    return true;
}

static int on_datagram(sd_event_source *source, int fd, uint32_t events, void *arg)
{
    struct ear *ear = arg;
    int64_t end = clock_ms(CLOCK_MONOTONIC) + TURN_MS;

    (void)source, (void)fd, (void)events;
    /* Turns are short, so that a flood stops neither probes nor Avahi's events. */
    for (size_t i = 0; i < READS_PER_TURN && clock_ms(CLOCK_MONOTONIC) < end; i++)
        if (!read_datagram(ear))
            break;
    querier_look_for_flood(ear->querier);
    return 0;
}

static void make_room(int fd)
{
    const int room = ROOM;

    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) < 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
}

/* Bound to the group's address: packets to this host's own address go to the
 * daemon. */
static int open_group(int fd)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(MDNS_PORT)};
    const int on = 1, off = 0, ttl = 255;

    here.sin_addr.s_addr = inet_addr("224.0.0.251");
    (void)setsockopt(fd, IPPROTO_IP, IP_MULTICAST_ALL, &off, sizeof(off));
    (void)setsockopt(fd, IPPROTO_IP, IP_MULTICAST_TTL, &ttl, sizeof(ttl));
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)) < 0 ||
        bind(fd, (const struct sockaddr *)&here, sizeof(here)) < 0)
        return -errno;
    return 0;
}

static int open_group_v6(int fd, unsigned interface)
{
    struct sockaddr_in6 here = {
        .sin6_family = AF_INET6, .sin6_port = htons(MDNS_PORT), .sin6_scope_id = interface};
    struct ipv6_mreq group = {.ipv6mr_interface = interface};
    const int on = 1, hops = 255;

    if (inet_pton(AF_INET6, "ff02::fb", &here.sin6_addr) != 1)
        return -EINVAL;
    group.ipv6mr_multiaddr = here.sin6_addr;
    (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    (void)setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof(hops));
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on)) < 0 ||
        bind(fd, (const struct sockaddr *)&here, sizeof(here)) < 0 ||
        setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &group, sizeof(group)) < 0)
        return -errno;
    return 0;
}

static int open_own(int fd, int family)
{
    const int on = 1, ttl = 255;
    int r;

    if (family == AF_INET6) {
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &ttl, sizeof(ttl));
        r = setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
    } else {
        (void)setsockopt(fd, IPPROTO_IP, IP_MULTICAST_TTL, &ttl, sizeof(ttl));
        r = setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on));
    }
    return r < 0 ? -errno : 0;
}

static void close_ear(struct ear *e)
{
    sd_event_source_disable_unref(e->io);
    if (e->fd >= 0)
        close(e->fd);
    *e = (struct ear){.fd = -1};
}

/* Opens it as its family, group and interface say; on failure it is closed. */
static int open_ear(struct querier *q, struct ear *e)
{
    int r;

    e->querier = q;
    e->fd = socket(e->family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (e->fd < 0)
        r = -errno;
    else if (!e->group)
        r = open_own(e->fd, e->family);
    else if (e->family == AF_INET)
        r = open_group(e->fd);
    else
        r = open_group_v6(e->fd, e->interface);
    if (r >= 0) {
        make_room(e->fd);
        r = sd_event_add_io(q->loop, &e->io, e->fd, EPOLLIN, on_datagram, e);
    }
    if (r < 0)
        close_ear(e);
    return r;
}

/* Is the group to be heard over IPv6 there? */
static bool is_wanted(const struct links *links, unsigned interface)
{
    for (size_t i = 0; i < links->count; i++)
        if (links->items[i].interface == interface)
            return links->items[i].v6 && !links->items[i].v4;
    return false;
}

/* 0: an unused one.  NULL: none. */
static struct ear *find_group(struct querier *q, unsigned interface)
{
    for (size_t i = 0; i < LINKS_MAX; i++)
        if (q->groups[i].interface == interface)
            return &q->groups[i];
    return NULL;
}

/* The group over IPv6: a socket for each link that has nothing else.  One that cannot be
 * opened is tried again with the next question. */
static void follow_links(struct querier *q)
{
    for (size_t i = 0; i < LINKS_MAX; i++)
        if (q->groups[i].interface > 0 && !is_wanted(&q->links, q->groups[i].interface))
            close_ear(&q->groups[i]);
    for (size_t i = 0; i < q->links.count; i++) {
        unsigned interface = q->links.items[i].interface;
        struct ear *e = find_group(q, 0);

        if (!e || !is_wanted(&q->links, interface) || find_group(q, interface))
            continue;
        *e = (struct ear){.family = AF_INET6, .group = true, .interface = interface};
        (void)open_ear(q, e);
    }
}

/* Joins the group on new links; joining it again fails without harm. */
void querier_read_links(struct querier *q)
{
    links_read(&q->links);
    follow_links(q);
    for (size_t i = 0; i < q->links.count; i++) {
        struct ip_mreqn group = {.imr_ifindex = (int)q->links.items[i].interface};

        group.imr_multiaddr.s_addr = inet_addr("224.0.0.251");
        if (q->links.items[i].v4)
            (void)setsockopt(q->ears[EAR_GROUP].fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group,
                             sizeof(group));
    }
    querier_drop_gone(q);
    if (q->listener.links)
        q->listener.links(&q->links, q->listener.arg);
}

/* Without IPv6 or without the group, the others will do. */
int querier_open(struct querier *q)
{
    int group, v4, v6;

    q->ears[EAR_GROUP] = (struct ear){.family = AF_INET, .group = true};
    q->ears[EAR_V4] = (struct ear){.family = AF_INET};
    q->ears[EAR_V6] = (struct ear){.family = AF_INET6};
    group = open_ear(q, &q->ears[EAR_GROUP]);
    v4 = open_ear(q, &q->ears[EAR_V4]);
    v6 = open_ear(q, &q->ears[EAR_V6]);
    q->port_taken = group == -EADDRINUSE;
    return v4 < 0 && v6 < 0 ? v4 : 0;
}

void querier_close(struct querier *q)
{
    for (size_t i = 0; i < EARS; i++)
        close_ear(&q->ears[i]);
    for (size_t i = 0; i < LINKS_MAX; i++)
        if (q->groups[i].interface > 0)
            close_ear(&q->groups[i]);
}
