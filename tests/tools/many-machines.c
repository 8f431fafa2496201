/* Stands in for many machines on one link: each answers multicast DNS questions from
 * an address of its own, as its Avahi daemon would (RFC 6762): at once to a port of
 * its own, by multicast after 20 to 120 ms, and not what the question says to know.
 * Each accepts connections to SSH's port and closes them.
 *
 *   many-machines INTERFACE FIRST_ADDRESS COUNT [LOSS [FLEET_KEY]]
 *
 * The addresses, FIRST_ADDRESS and those after it, are on the interface already.
 * Machine k has the id 9000+k in hex and the agent name mK.  LOSS: per cent of the
 * questions that a machine does not hear, and of the answers that do not leave.
 * FLEET_KEY, a file: adverts are signed; after SIGUSR1 those of the first machine no
 * longer, which it announces.
 * Prints "ready", then runs until it is ended. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "discovery/advert/sign.h"

enum { PORT = 5353, SSH = 22, PACKET_MAX = 9000, QUESTIONS_MAX = 64, NAME_MAX_ = 256 };
enum { A = 1, PTR = 12, TXT = 16, SRV = 33, ANY = 255 };

static const char type_name[] = "_dcop-agent._tcp.local";

struct machine {
    int64_t due; /* ms: when it answers by multicast; 0: not */
    bool known;  /* the question says to know it */
};

static int interface_index, sock;
static uint32_t first_address;
static unsigned count, loss;
static struct machine *machines;
static struct key fleet;
static bool is_signed;                          /* by the fleet's key, but for … */
static volatile sig_atomic_t lost, to_announce; /* … the first machine, when it has lost its own */

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static bool is_lost(void)
{
    return (unsigned)(rand() % 100) < loss;
}

/* A dotted name, read from a packet; false: invalid. */
static bool read_name(const uint8_t *b, size_t size, size_t *at, char ret[static NAME_MAX_])
{
    size_t p = *at, n = 0;
    bool jumped = false;

    for (unsigned jumps = 0; jumps < 16;) {
        size_t length;

        if (p >= size)
            return false;
        length = b[p];
        if (length >= 0xc0) {
            if (p + 1 >= size)
                return false;
            if (!jumped)
                *at = p + 2;
            jumped = true;
            jumps++;
            p = (length & 0x3f) << 8 | b[p + 1];
            continue;
        }
        if (length == 0) {
            if (!jumped)
                *at = p + 1;
            ret[n] = '\0';
            return true;
        }
        if (length > 63 || p + 1 + length > size || n + length + 2 > NAME_MAX_)
            return false;
        if (n > 0)
            ret[n++] = '.';
        memcpy(ret + n, b + p + 1, length);
        n += length;
        p += 1 + length;
    }
    return false;
}

static void put_name(uint8_t *b, size_t *at, const char *name)
{
    while (*name) {
        size_t n = strcspn(name, ".");

        b[(*at)++] = (uint8_t)n;
        memcpy(b + *at, name, n);
        *at += n;
        name += n + (name[n] == '.');
    }
    b[(*at)++] = 0;
}

static void put16(uint8_t *b, size_t *at, unsigned n)
{
    b[(*at)++] = (uint8_t)(n >> 8);
    b[(*at)++] = (uint8_t)n;
}

static size_t begin_record(uint8_t *b, size_t *at, const char *name, unsigned t, unsigned ttl,
                           bool flush)
{
    put_name(b, at, name);
    put16(b, at, t);
    put16(b, at, flush && t != PTR ? 0x8001 : 1);
    put16(b, at, 0);
    put16(b, at, ttl);
    *at += 2;
    return *at;
}

static void end_record(uint8_t *b, size_t *at, size_t from)
{
    size_t before = from - 2;

    put16(b, &before, (unsigned)(*at - from));
}

static void put_text(uint8_t *b, size_t *at, const char *text)
{
    b[(*at)++] = (uint8_t)strlen(text);
    memcpy(b + *at, text, strlen(text));
    *at += strlen(text);
}

static void put_txt(uint8_t *b, size_t *at, unsigned k)
{
    static const char hostkey[] = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    uint8_t txt[ADVERT_TXT_MAX];
    char id[32], text[64];
    struct key key;
    size_t size = 0;

    (void)snprintf(id, sizeof(id), "%016x", 0x9000 + k);
    put_text(txt, &size, "txtvers=1");
    (void)snprintf(text, sizeof(text), "id=%s", id);
    put_text(txt, &size, text);
    (void)snprintf(text, sizeof(text), "agent=m%u", k);
    put_text(txt, &size, text);
    (void)snprintf(text, sizeof(text), "hk=%s", hostkey);
    put_text(txt, &size, text);
    put_text(txt, &size, "os=debian-12");
    put_text(txt, &size, "arch=arm64");
    put_text(txt, &size, "py=3.11");
    put_text(txt, &size, "state=new");
    if (is_signed && !(k == 0 && lost)) {
        key_derive(&fleet, id, hostkey, &key);
        if (advert_sign(txt, &size, SSH, &key) < 0)
            abort();
    }
    memcpy(b + *at, txt, size);
    *at += size;
}

/* PTR, SRV, TXT and A of one machine. */
static void put_records(uint8_t *b, size_t *at, unsigned k, bool legacy)
{
    char instance[64], host[32];
    unsigned host_ttl = legacy ? 10 : 120, ttl = legacy ? 10 : 4500; /* RFC 6762 §10 */
    uint32_t address = htonl(first_address + k);
    size_t from;

    (void)snprintf(instance, sizeof(instance), "dcop-%016x.%s", 0x9000 + k, type_name);
    (void)snprintf(host, sizeof(host), "m%u.local", k);
    from = begin_record(b, at, type_name, PTR, ttl, !legacy);
    put_name(b, at, instance);
    end_record(b, at, from);
    from = begin_record(b, at, instance, SRV, host_ttl, !legacy);
    put16(b, at, 0);
    put16(b, at, 0);
    put16(b, at, SSH);
    put_name(b, at, host);
    end_record(b, at, from);
    from = begin_record(b, at, instance, TXT, ttl, !legacy);
    put_txt(b, at, k);
    end_record(b, at, from);
    from = begin_record(b, at, host, A, host_ttl, !legacy);
    memcpy(b + *at, &address, 4);
    *at += 4;
    end_record(b, at, from);
}

static void send_from(unsigned k, const struct sockaddr_in *to, const uint8_t *b, size_t size)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct in_pktinfo))] = {0};
    struct in_pktinfo info = {.ipi_ifindex = interface_index};
    struct iovec iov = {.iov_base = (void *)(uintptr_t)b, .iov_len = size};
    struct sockaddr_in copy = *to;
    struct msghdr m = {.msg_name = &copy,
                       .msg_namelen = sizeof(copy),
                       .msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control,
                       .msg_controllen = sizeof(control)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);

    if (is_lost())
        return;
    info.ipi_spec_dst.s_addr = htonl(first_address + k);
    c->cmsg_level = IPPROTO_IP;
    c->cmsg_type = IP_PKTINFO;
    c->cmsg_len = CMSG_LEN(sizeof(info));
    memcpy(CMSG_DATA(c), &info, sizeof(info));
    while (sendmsg(sock, &m, 0) < 0 && (errno == ENOBUFS || errno == EINTR))
        (void)poll(NULL, 0, 1);
}

static void answer(unsigned k, const uint8_t *question, size_t question_size,
                   const struct sockaddr_in *to)
{
    static uint8_t b[PACKET_MAX];
    size_t at = 12;

    memset(b, 0, 12);
    b[2] = 0x84;
    if (to) { /* RFC 6762 §6.7: the id and the questions come back */
        memcpy(b, question, 2);
        memcpy(b + 4, question + 4, 2); /* how many there are */
        memcpy(b + 12, question + 12, question_size - 12);
        at = question_size;
    }
    b[7] = 4;
    put_records(b, &at, k, to != NULL);
    if (to) {
        send_from(k, to, b, at);
    } else {
        struct sockaddr_in group = {.sin_family = AF_INET, .sin_port = htons(PORT)};

        group.sin_addr.s_addr = inet_addr("224.0.0.251");
        send_from(k, &group, b, at);
    }
}

/* The machine that a name is of; `count`: all; more: none. */
static unsigned machine_of(const char *name)
{
    unsigned id, k;

    if (strcasecmp(name, type_name) == 0)
        return count;
    if (sscanf(name, "dcop-%16x.", &id) == 1 && id >= 0x9000 && strstr(name, type_name))
        return id - 0x9000 < count ? id - 0x9000 : count + 1;
    return sscanf(name, "m%u.local", &k) == 1 && k < count ? k : count + 1;
}

static void plan(unsigned k)
{
    if (!machines[k].due && !machines[k].known)
        machines[k].due = now_ms() + 20 + rand() % 100;
}

static void take(const uint8_t *b, size_t size, const struct sockaddr_in *from, uint32_t to)
{
    unsigned questions = (unsigned)b[4] << 8 | b[5], known = (unsigned)b[6] << 8 | b[7];
    unsigned asked[QUESTIONS_MAX];
    bool legacy = from->sin_port != htons(PORT);
    size_t at = 12, ends = 12;
    char name[NAME_MAX_];

    if (questions > QUESTIONS_MAX)
        return;
    for (unsigned i = 0; i < questions; i++) {
        if (!read_name(b, size, &at, name) || at + 4 > size)
            return;
        at += 4;
        ends = at;
        asked[i] = machine_of(name);
    }
    for (unsigned k = 0; k < count; k++)
        machines[k].known = false;
    for (unsigned i = 0; i < known; i++) {
        size_t data;
        unsigned t, k;

        if (!read_name(b, size, &at, name) || at + 10 > size)
            break;
        t = (unsigned)b[at] << 8 | b[at + 1];
        data = at + 10;
        at = data + ((size_t)b[at + 8] << 8 | b[at + 9]);
        if (t != PTR || !read_name(b, size, &data, name))
            continue;
        k = machine_of(name);
        if (k < count)
            machines[k].known = true;
    }
    for (unsigned i = 0; i < questions; i++)
        for (unsigned k = 0; k < count; k++)
            if ((asked[i] == count || asked[i] == k) && !is_lost()) {
                /* To one machine's own address: nobody else hears it. */
                if (to && to != first_address + k)
                    continue;
                if (legacy || to)
                    answer(k, b, ends, from);
                else
                    plan(k);
            }
}

static void read_question(void)
{
    static uint8_t b[PACKET_MAX];
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct in_pktinfo))];
    struct iovec iov = {.iov_base = b, .iov_len = sizeof(b)};
    struct sockaddr_in from = {0};
    struct msghdr m = {.msg_name = &from,
                       .msg_namelen = sizeof(from),
                       .msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control,
                       .msg_controllen = sizeof(control)};
    ssize_t n = recvmsg(sock, &m, 0);
    struct cmsghdr *c = n >= 12 ? CMSG_FIRSTHDR(&m) : NULL;
    struct in_pktinfo info;

    if (n < 12 || (b[2] & 0x80) || !c)
        return;
    memcpy(&info, CMSG_DATA(c), sizeof(info));
    take(b, (size_t)n, &from,
         IN_MULTICAST(ntohl(info.ipi_addr.s_addr)) ? 0 : ntohl(info.ipi_addr.s_addr));
}

/* Sends what is due; ms until the next. */
static int answer_due(void)
{
    int64_t now = now_ms(), next = now + 1000;

    for (unsigned k = 0; k < count; k++) {
        if (!machines[k].due)
            continue;
        if (machines[k].due <= now) {
            machines[k].due = 0;
            answer(k, NULL, 0, NULL);
        } else if (machines[k].due < next) {
            next = machines[k].due;
        }
    }
    return (int)(next - now);
}

static int open_sockets(int *ret_ssh)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    struct ip_mreqn group = {.imr_ifindex = interface_index};
    const int on = 1, ttl = 255, room = 8 << 20;

    group.imr_multiaddr.s_addr = inet_addr("224.0.0.251");
    sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (sock < 0 || setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        setsockopt(sock, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) < 0 ||
        setsockopt(sock, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)) < 0 ||
        setsockopt(sock, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)) < 0 ||
        setsockopt(sock, IPPROTO_IP, IP_MULTICAST_TTL, &ttl, sizeof(ttl)) < 0 ||
        setsockopt(sock, IPPROTO_IP, IP_MULTICAST_IF, &group, sizeof(group)) < 0 ||
        bind(sock, (const struct sockaddr *)&here, sizeof(here)) < 0 ||
        setsockopt(sock, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
        return -errno;
    here.sin_port = htons(SSH);
    *ret_ssh = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (*ret_ssh < 0 || setsockopt(*ret_ssh, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        bind(*ret_ssh, (const struct sockaddr *)&here, sizeof(here)) < 0 ||
        listen(*ret_ssh, 4096) < 0)
        return -errno;
    return 0;
}

static void on_lost(int number)
{
    (void)number;
    lost = to_announce = 1;
}

int main(int argc, char **argv)
{
    const struct sigaction lose = {.sa_handler = on_lost};
    struct error err = {0};
    struct pollfd fds[2];
    int ssh = -1, r;

    if (argc < 4) {
        fprintf(stderr, "usage: many-machines INTERFACE FIRST_ADDRESS COUNT [LOSS [FLEET_KEY]]\n");
        return 2;
    }
    interface_index = (int)if_nametoindex(argv[1]);
    first_address = ntohl(inet_addr(argv[2]));
    count = (unsigned)strtoul(argv[3], NULL, 10);
    loss = argc > 4 ? (unsigned)strtoul(argv[4], NULL, 10) : 0;
    if (argc > 5 && key_load(argv[5], &fleet, &err) < 0) {
        fprintf(stderr, "many-machines: %s\n", err.text);
        return 1;
    }
    is_signed = argc > 5;
    sigaction(SIGUSR1, &lose, NULL);
    srand((unsigned)getpid());
    machines = calloc(count + 1, sizeof(*machines));
    r = machines ? open_sockets(&ssh) : -ENOMEM;
    if (r < 0) {
        fprintf(stderr, "many-machines: %s\n", strerror(-r));
        return 1;
    }
    puts("ready");
    (void)fflush(stdout);
    fds[0] = (struct pollfd){.fd = sock, .events = POLLIN};
    fds[1] = (struct pollfd){.fd = ssh, .events = POLLIN};
    for (;;) {
        if (poll(fds, 2, answer_due()) < 0)
            fds[0].revents = fds[1].revents = 0;
        if (to_announce) {
            to_announce = 0;
            answer(0, NULL, 0, NULL);
            machines[0].due = now_ms() + 1500; /* once more: RFC 6762 §10.2 */
        }
        if (fds[0].revents)
            read_question();
        if (fds[1].revents) {
            int fd = accept(ssh, NULL, NULL);

            if (fd >= 0)
                close(fd);
        }
    }
}
