#include "mdns-socket.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "mdns-probe.h"

enum { READS_PER_TURN = 64 };

struct mdns_socket {
    mdns_listener *answer, *unreachable;
    void *arg;
    int fd[2]; /* IPv4, IPv6; -1: the protocol is not available */
    sd_event_source *io[2];
};

void mdns_socket_ask(const struct mdns_socket *s, const char *instance, uint16_t transaction,
                     const struct address *to)
{
    int fd = s->fd[to->family == AF_INET6];
    struct sockaddr_storage peer;
    socklen_t size = address_to_sockaddr(to, MDNS_PORT, &peer);
    uint8_t query[MDNS_PROBE_MAX];

    if (fd >= 0)
        (void)sendto(fd, query, mdns_probe_write(instance, transaction, query), MSG_NOSIGNAL,
                     (const struct sockaddr *)&peer, size);
}

/* One datagram, or with MSG_ERRQUEUE one ICMP error to a query (ip(7),
 * IP_RECVERR): its payload is the query, the address is where it went. */
static bool read_datagram(const struct mdns_socket *s, int fd, int flags)
{
    uint8_t bytes[MDNS_ANSWER_MAX];
    char control[512]; /* of the error; not read: after any of them TCP is tried */
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
    ssize_t n = recvmsg(fd, &message, flags | MSG_DONTWAIT);
    struct address peer;
    uint16_t transaction;

    if (n < 0)
        return errno != EAGAIN && errno != EWOULDBLOCK && errno != EBADF;
    if (address_from_sockaddr(&from, &peer) < 0)
        return true;
    if (!(flags & MSG_ERRQUEUE)) {
        if (mdns_answer_read(bytes, (size_t)n, &transaction))
            s->answer(transaction, &peer, s->arg);
    } else if (n >= 2) {
        s->unreachable((uint16_t)(bytes[0] << 8 | bytes[1]), &peer, s->arg);
    }
    return true;
}

static int on_datagram(sd_event_source *source, int fd, uint32_t events, void *arg)
{
    const struct mdns_socket *s = arg;

    (void)source;
    for (size_t i = 0; (events & EPOLLERR) && i < READS_PER_TURN; i++)
        if (!read_datagram(s, fd, MSG_ERRQUEUE))
            break;
    for (size_t i = 0; i < READS_PER_TURN; i++)
        if (!read_datagram(s, fd, 0))
            break;
    return 0;
}

static int open_socket(struct mdns_socket *s, sd_event *loop, int family, size_t which)
{
    int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int on = 1, room = 1 << 20;
    int r;

    if (fd < 0)
        return -errno;
    s->fd[which] = fd;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
    if (family == AF_INET) {
        (void)setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on));
    } else {
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof(on));
    }
    r = sd_event_add_io(loop, &s->io[which], fd, EPOLLIN, on_datagram, s);
    if (r < 0) {
        close(fd);
        s->fd[which] = -1;
    }
    return r;
}

int mdns_socket_new(sd_event *loop, mdns_listener *answer, mdns_listener *unreachable, void *arg,
                    struct mdns_socket **ret, struct error *err)
{
    struct mdns_socket *s = calloc(1, sizeof(*s));
    int r, r6;

    if (!s)
        return error_sys(err, -ENOMEM, "cannot probe machines");
    s->answer = answer;
    s->unreachable = unreachable;
    s->arg = arg;
    s->fd[0] = s->fd[1] = -1;
    r = open_socket(s, loop, AF_INET, 0);
    r6 = open_socket(s, loop, AF_INET6, 1);
    if (r < 0 && r6 < 0) {
        mdns_socket_free(s);
        return error_sys(err, r, "cannot open a socket to probe machines");
    }
    *ret = s;
    return 0;
}

void mdns_socket_free(struct mdns_socket *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < 2; i++) {
        sd_event_source_disable_unref(s->io[i]);
        if (s->fd[i] >= 0)
            close(s->fd[i]);
    }
    free(s);
}
