/*
 * A wire that is long and loses frames, for tests where the kernel has no netem.
 *
 * usage: slow-wire FROM TO DELAY_MS LOSS_PERCENT
 *
 * Carries frames between two interfaces of this network namespace. Those that come in at
 * FROM leave at TO after DELAY_MS, but for LOSS_PERCENT of them, which never leave; those that
 * come in at TO leave at FROM at once. The same frames are lost in each run: it counts
 * with a seed. Neither interface may be of a bridge. Ends with SIGTERM.
 *
 * A frame crosses with its header of packet(7)'s PACKET_VNET_HDR, so that checksums and segments
 * that the sender left to the card are made where they would have been. For a loss of
 * single packets the sender's gso_max_segs has to be 1.
 */
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>

#ifndef PACKET_IGNORE_OUTGOING /* linux/if_packet.h before 4.20 */
#define PACKET_IGNORE_OUTGOING 23
#endif

enum { FRAME_MAX = 70000, QUEUE_MAX = 8192 };

struct frame {
    int64_t due_ns;
    size_t size;
    void *bytes;
};

/* First in, first out: the delay is the same for all. */
struct queue {
    struct frame frames[QUEUE_MAX];
    size_t first, count;
};

static void __attribute__((noreturn)) fail(const char *what)
{
    fprintf(stderr, "slow-wire: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int open_end(const char *name)
{
    struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
    struct packet_mreq all = {.mr_type = PACKET_MR_PROMISC};
    const int one = 1, room = 8 * 1024 * 1024;
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

    at.sll_ifindex = (int)if_nametoindex(name);
    all.mr_ifindex = at.sll_ifindex;
    if (fd < 0 || at.sll_ifindex == 0)
        fail(name);
    if (setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)) < 0 ||
        setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) < 0 ||
        bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
        setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof(all)) < 0)
        fail(name);
    return fd;
}

/* As a wire does, it drops what the other end cannot take. */
static void put(int fd, const void *bytes, size_t size)
{
    (void)!write(fd, bytes, size);
}

static void keep(struct queue *q, const void *bytes, size_t size, int64_t due_ns)
{
    struct frame *f = &q->frames[(q->first + q->count) % QUEUE_MAX];

    if (q->count == QUEUE_MAX)
        return;
    *f = (struct frame){due_ns, size, malloc(size)};
    if (!f->bytes)
        fail("a frame");
    memcpy(f->bytes, bytes, size);
    q->count++;
}

static void put_due(struct queue *q, int fd)
{
    while (q->count > 0 && q->frames[q->first].due_ns <= now_ns()) {
        struct frame *f = &q->frames[q->first];

        put(fd, f->bytes, f->size);
        free(f->bytes);
        q->first = (q->first + 1) % QUEUE_MAX;
        q->count--;
    }
}

static bool wait_for(struct pollfd fds[2], const struct queue *q)
{
    int64_t left = q->count > 0 ? q->frames[q->first].due_ns - now_ns() : 0;
    const struct timespec patience = {left > 0 ? left / 1000000000 : 0,
                                      left > 0 ? left % 1000000000 : 0};

    return ppoll(fds, 2, q->count > 0 ? &patience : NULL, NULL) >= 0 || errno == EINTR;
}

int main(int argc, char **argv)
{
    static struct queue queue;
    static uint8_t bytes[FRAME_MAX];
    struct pollfd fds[2] = {{.events = POLLIN}, {.events = POLLIN}};
    int64_t delay_ns;
    double loss;

    if (argc != 5)
        return fprintf(stderr, "usage: slow-wire FROM TO DELAY_MS LOSS_PERCENT\n"), 2;
    fds[0].fd = open_end(argv[1]);
    fds[1].fd = open_end(argv[2]);
    delay_ns = strtoll(argv[3], NULL, 10) * 1000000;
    loss = strtod(argv[4], NULL) / 100;
    srand48(1);
    puts("carrying");
    fflush(stdout);
    while (wait_for(fds, &queue)) {
        ssize_t n;

        for (int i = 0; i < 64 && (n = recv(fds[0].fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0;
             i++)
            if (drand48() >= loss)
                keep(&queue, bytes, (size_t)n, now_ns() + delay_ns);
        for (int i = 0; i < 64 && (n = recv(fds[1].fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0;
             i++)
            put(fds[0].fd, bytes, (size_t)n);
        put_due(&queue, fds[1].fd);
    }
    fail("waiting");
}
