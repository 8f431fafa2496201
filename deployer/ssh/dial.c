#include "dial.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "discovery/base/cause.h"
#include "discovery/base/cleanup.h"
#include "discovery/base/clock.h"
#include "keepalive.h"

static socklen_t to_sockaddr(const struct address *a, uint16_t port, struct sockaddr_storage *ret)
{
    memset(ret, 0, sizeof(*ret));
    if (a->family == AF_INET) {
        struct sockaddr_in *in = (struct sockaddr_in *)ret;

        in->sin_family = AF_INET;
        in->sin_port = htons(port);
        memcpy(&in->sin_addr, a->bytes, sizeof(in->sin_addr));
        return sizeof(*in);
    } else {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;

        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(port);
        in6->sin6_scope_id = a->interface;
        memcpy(&in6->sin6_addr, a->bytes, sizeof(in6->sin6_addr));
        return sizeof(*in6);
    }
}

/* A machine that was unplugged must not occupy a worker for the kernel's fifteen
 * minutes (tcp(7)): the connection ends when nothing was acknowledged for as long as
 * the machine may be silent (keepalive_limit_ms). */
static void tune_socket(int fd, unsigned timeout_ms)
{
    int on = 1, dead = (int)keepalive_limit_ms(timeout_ms), idle = KEEPALIVE_BEAT_MS / 1000;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &idle, sizeof(idle));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead, sizeof(dead));
}

static int wait_connected(int fd, int cancel_fd, unsigned timeout_ms)
{
    int64_t deadline = clock_ms(CLOCK_MONOTONIC) + timeout_ms;
    struct pollfd fds[] = {{.fd = fd, .events = POLLOUT}, {.fd = cancel_fd, .events = POLLIN}};
    int problem = 0;
    socklen_t size = sizeof(problem);

    for (;;) {
        int64_t left = deadline - clock_ms(CLOCK_MONOTONIC);
        int n = left > 0 ? poll(fds, 2, (int)left) : 0;

        if (n == 0)
            return -ETIMEDOUT;
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0 && fds[1].revents)
            return -ECANCELED;
        if (n > 0 && fds[0].revents)
            break;
    }
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &size) < 0)
        return -errno;
    return -problem;
}

static int connect_one(const struct address *a, uint16_t port, unsigned timeout_ms,
                       unsigned silence_ms, int cancel_fd, int *ret_fd)
{
    CLEANUP_CLOSE int fd = -1;
    struct sockaddr_storage to;
    socklen_t size = to_sockaddr(a, port, &to);
    int r;

    fd = socket(a->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    tune_socket(fd, silence_ms);
    if (connect(fd, (struct sockaddr *)&to, size) < 0 && errno != EINPROGRESS)
        return -errno;
    r = wait_connected(fd, cancel_fd, timeout_ms);
    if (r < 0)
        return r;
    *ret_fd = TAKE_FD(fd);
    return 0;
}

int dial(const struct address *addresses, size_t n, uint16_t port, unsigned timeout_ms,
         int cancel_fd, struct address *ret_peer, int *ret_fd, struct error *err)
{
    int r, first = -EDESTADDRREQ; /* the error of the best address, which is reported */
    char text[ADDRESS_TEXT_MAX];

    for (size_t i = 0; i < n; i++) {
        /* The best addresses come first: three share the time, further ones get as much. */
        unsigned share = timeout_ms / (unsigned)(n > 3 ? 3 : n);

        r = connect_one(&addresses[i], port, share, timeout_ms, cancel_fd, ret_fd);
        if (r == 0) {
            *ret_peer = addresses[i];
            return 0;
        }
        if (r == -ECANCELED)
            return error_set(err, r, "interrupted");
        if (i == 0)
            first = r;
    }
    if (n == 0)
        return error_set(err, first,
                         "its address is not known; check whether dcop-discover lists it");
    address_format(&addresses[0], text);
    return cause_explain(&(struct cause_seen){.phase = CAUSE_CONNECT,
                                              .code = first,
                                              .library = strerror(-first),
                                              .address = text,
                                              .port = port},
                         err);
}
