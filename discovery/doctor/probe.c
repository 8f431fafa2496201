#include "probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "arp.h"
#include "discovery/base/cause.h"
#include "discovery/base/cleanup.h"
#include "discovery/base/clock.h"
#include "discovery/network/mdns-answer.h"
#include "discovery/network/mdns-probe.h"
#include "question.h"

enum {
    ASK_MS = 400,        /* between two questions */
    ASK_TIMES = 3,       /* each */
    PING_MS = 40,        /* between two pings */
    PING_LAST_MS = 1000, /* the last one has so long */
    PING_SMALL = 56,
    PING_HEADERS = 28, /* of IPv4 and ICMP */
    FRAME_MAX = 1500,  /* larger ones are not usual, and not asked for */
    FDS = 3,
    PACKET_MAX = 2048,
    ASK_RESPONDER = 0x5100, /* transactions */
    ASK_SERVICES,
    ASK_BEACON,
};

enum { TCP, UDP, ICMP };

/* One machine's sockets. */
struct contact {
    struct view_machine *machine;
    int fd[FDS]; /* -1: not there, or done */
    bool raw;    /* the ping socket gets everybody's packets, with their IPv4 header */
    uint16_t ping_id;
    char greeting[PROBE_GREETING_MAX];
    size_t greeting_size;
    unsigned asked; /* questions */
    int64_t ask_due, ping_due, ping_end;
    int64_t sent_at[VIEW_PINGS];
    unsigned delays[VIEW_PINGS];     /* of those that came back; ms */
    uint32_t small_seen, large_seen; /* a bit each */
};

static void close_fd(struct contact *c, int which)
{
    if (c->fd[which] >= 0)
        close(c->fd[which]);
    c->fd[which] = -1;
}

/* ---- SSH ---- */

static void end_ssh(struct contact *c, int code)
{
    CLEANUP_TEXT struct text words = TEXT_INIT;
    struct view_probe *p = &c->machine->probe;
    size_t n = c->greeting_size;

    p->ssh = code;
    if (code == 0) /* what stands before the version line */
        while (n > 0 && c->greeting[n - 1] != '\n')
            n--;
    cause_add_clean(&words, c->greeting, n);
    (void)snprintf(p->words, sizeof(p->words), "%s", text_str(&words));
    close_fd(c, TCP);
}

static bool has_version(const struct contact *c)
{
    static const char version[] = "SSH-";
    const size_t size = sizeof(version) - 1;

    for (size_t i = 0; i + size <= c->greeting_size; i++)
        if ((i == 0 || c->greeting[i - 1] == '\n') && memcmp(c->greeting + i, version, size) == 0)
            return true;
    return false;
}

/* Ends at the version line; what comes behind it is not read. */
static void take_greeting(struct contact *c)
{
    struct view_probe *p = &c->machine->probe;
    int code = 0;
    socklen_t size = sizeof(code);
    ssize_t n;

    if (!p->connected) {
        if (getsockopt(c->fd[TCP], SOL_SOCKET, SO_ERROR, &code, &size) < 0)
            code = errno;
        if (code != 0) {
            end_ssh(c, -code);
            return;
        }
        p->connected = true;
    }
    n = read(c->fd[TCP], c->greeting + c->greeting_size, sizeof(c->greeting) - c->greeting_size);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0)
        c->greeting_size += (size_t)n;
    if (has_version(c))
        end_ssh(c, 0);
    else if (n <= 0 || c->greeting_size == sizeof(c->greeting))
        end_ssh(c, n < 0 ? -errno : -EPROTO);
}

static void begin_ssh(struct contact *c)
{
    const struct view_machine *m = c->machine;
    struct sockaddr_storage to;
    socklen_t size = address_to_sockaddr(&m->address, m->port, &to);
    int fd = socket(m->address.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    c->fd[TCP] = fd;
    if (fd < 0)
        return;
    c->machine->probe.ssh_asked = true;
    c->machine->probe.ssh = -ETIMEDOUT;
    if (connect(fd, (const struct sockaddr *)&to, size) < 0 && errno != EINPROGRESS)
        end_ssh(c, -errno);
}

/* ---- multicast DNS ---- */

static void begin_mdns(struct contact *c)
{
    struct view_machine *m = c->machine;
    struct sockaddr_storage to;
    socklen_t size = address_to_sockaddr(&m->address, MDNS_PORT, &to);
    int fd;

    if (!m->near) /* a responder answers its own link only: RFC 6762 §11 */
        return;
    fd = socket(m->address.family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    c->fd[UDP] = fd;
    if (fd < 0)
        return;
    if (connect(fd, (const struct sockaddr *)&to, size) < 0) {
        close_fd(c, UDP);
        return;
    }
    m->probe.responder = m->probe.beacon = VIEW_SILENT;
}

static void ask(struct contact *c, int64_t now)
{
    const struct view_machine *m = c->machine;
    char reverse[QUESTION_REVERSE_MAX];
    uint8_t bytes[QUESTION_MAX];
    size_t size;

    if (m->address.family == AF_INET) {
        question_reverse(&m->address, reverse);
        size = question_write(reverse, QUESTION_PTR, ASK_RESPONDER, bytes);
        (void)send(c->fd[UDP], bytes, size, MSG_NOSIGNAL);
    }
    size = question_write("_services._dns-sd._udp.local", QUESTION_PTR, ASK_SERVICES, bytes);
    (void)send(c->fd[UDP], bytes, size, MSG_NOSIGNAL);
    size = question_write(ADVERT_TYPE ".local", QUESTION_PTR, ASK_BEACON, bytes);
    (void)send(c->fd[UDP], bytes, size, MSG_NOSIGNAL);
    c->asked++;
    c->ask_due = now + ASK_MS;
}

static void take_answer(struct contact *c)
{
    struct view_probe *p = &c->machine->probe;
    uint8_t bytes[MDNS_PACKET_MAX];
    ssize_t n = recv(c->fd[UDP], bytes, sizeof(bytes), MSG_DONTWAIT);
    uint16_t transaction;

    if (n < 0 && errno == ECONNREFUSED) {
        p->responder = p->beacon = VIEW_REFUSED;
        close_fd(c, UDP);
        return;
    }
    if (n <= 0 || !mdns_answer_read(bytes, (size_t)n, &transaction) ||
        transaction < ASK_RESPONDER || transaction > ASK_BEACON)
        return;
    p->responder = VIEW_ANSWERED;
    if (transaction == ASK_BEACON)
        p->beacon = VIEW_ANSWERED;
    if (p->beacon == VIEW_ANSWERED)
        close_fd(c, UDP);
}

/* ---- ping ---- */

static uint16_t checksum(const uint8_t *bytes, size_t size)
{
    uint32_t sum = 0;

    for (size_t i = 0; i + 1 < size; i += 2)
        sum += (uint32_t)(bytes[i] << 8 | bytes[i + 1]);
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return htons((uint16_t)~sum);
}

/* The largest packet that this computer sends there without parting it. */
static unsigned frame_of(int fd)
{
    int mtu = 0;
    socklen_t size = sizeof(mtu);

    if (getsockopt(fd, IPPROTO_IP, IP_MTU, &mtu, &size) < 0 || mtu > FRAME_MAX)
        return FRAME_MAX;
    return mtu < PING_SMALL + PING_HEADERS ? 0 : (unsigned)mtu;
}

static bool begin_ping(struct contact *c, uint16_t id)
{
    const struct view_machine *m = c->machine;
    const int whole = IP_PMTUDISC_PROBE; /* not parted, whatever was learnt before: ip(7) */
    struct sockaddr_storage to;
    socklen_t size = address_to_sockaddr(&m->address, 0, &to);
    int fd;

    if (m->address.family != AF_INET)
        return true;
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_ICMP);
    if (fd < 0) {
        fd = socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_ICMP);
        c->raw = true;
    }
    if (fd < 0)
        return false;
    c->fd[ICMP] = fd;
    c->ping_id = id;
    (void)setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &whole, sizeof(whole));
    if (connect(fd, (const struct sockaddr *)&to, size) < 0)
        close_fd(c, ICMP);
    else
        c->machine->probe.large_size = frame_of(fd);
    return true;
}

static void send_ping(struct contact *c, unsigned number, bool large)
{
    uint8_t bytes[FRAME_MAX] = {0};
    struct icmphdr header = {.type = ICMP_ECHO};
    size_t size = large ? c->machine->probe.large_size - 20 : 8 + PING_SMALL;

    header.un.echo.id = htons(c->ping_id); /* the kernel has its own for other sockets */
    header.un.echo.sequence = htons((uint16_t)(number | (large ? 0x100U : 0)));
    memcpy(bytes, &header, sizeof(header));
    header.checksum = checksum(bytes, size + size % 2);
    memcpy(bytes, &header, sizeof(header));
    (void)send(c->fd[ICMP], bytes, size, MSG_NOSIGNAL);
}

static void ping(struct contact *c, int64_t now)
{
    struct view_probe *p = &c->machine->probe;
    unsigned number = p->small_sent;

    c->sent_at[number] = now;
    send_ping(c, number, false);
    p->small_sent++;
    if (p->large_size > 0) {
        send_ping(c, number, true);
        p->large_sent++;
    }
    c->ping_due = now + PING_MS;
    c->ping_end = now + PING_LAST_MS;
}

static void take_pong(struct contact *c, int64_t now)
{
    struct view_probe *p = &c->machine->probe;
    uint8_t bytes[PACKET_MAX];
    struct icmphdr header;
    ssize_t n = recv(c->fd[ICMP], bytes, sizeof(bytes), MSG_DONTWAIT);
    size_t at = c->raw && n > 0 ? (size_t)(bytes[0] & 0xf) * 4 : 0;
    unsigned number;

    if (n < 0 || (size_t)n < at + sizeof(header))
        return;
    memcpy(&header, bytes + at, sizeof(header));
    number = ntohs(header.un.echo.sequence);
    if (header.type != ICMP_ECHOREPLY || (c->raw && ntohs(header.un.echo.id) != c->ping_id) ||
        (number & 0xff) >= p->small_sent || number >> 9)
        return;
    if (number & 0x100) {
        number &= 0xff;
        p->large_got += !(c->large_seen >> number & 1);
        c->large_seen |= 1U << number;
    } else if (!(c->small_seen >> number & 1)) {
        c->small_seen |= 1U << number;
        c->delays[p->small_got++] = (unsigned)(now - c->sent_at[number]);
    }
    if (p->small_got == VIEW_PINGS && p->large_got == p->large_sent)
        close_fd(c, ICMP);
}

static int compare_delays(const void *a, const void *b)
{
    unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;

    return (x > y) - (x < y);
}

/* ---- all of them ---- */

/* Does what is due; when the next is, CLOCK_MONOTONIC in ms. */
static int64_t advance(struct contact *c, int64_t now, int64_t end)
{
    int64_t next = end;

    if (c->fd[UDP] >= 0 && now >= c->ask_due) {
        if (c->asked < ASK_TIMES)
            ask(c, now);
        else
            close_fd(c, UDP);
    }
    if (c->fd[UDP] >= 0 && c->ask_due < next)
        next = c->ask_due;
    if (c->fd[ICMP] >= 0 && c->machine->probe.small_sent < VIEW_PINGS) {
        if (now >= c->ping_due)
            ping(c, now);
        if (c->ping_due < next)
            next = c->ping_due;
    } else if (c->fd[ICMP] >= 0 && now >= c->ping_end) {
        close_fd(c, ICMP);
    } else if (c->fd[ICMP] >= 0 && c->ping_end < next) {
        next = c->ping_end;
    }
    return next;
}

static void take_event(struct contact *c, int which, int64_t now)
{
    if (which == TCP)
        take_greeting(c);
    else if (which == UDP)
        take_answer(c);
    else
        take_pong(c, now);
}

/* One turn: what is due, then one wait.  The number of sockets that were open. */
static int turn(struct contact *contacts, size_t n, int64_t end)
{
    struct pollfd fds[PROBE_AT_ONCE * FDS];
    struct contact *of[PROBE_AT_ONCE * FDS];
    int which[PROBE_AT_ONCE * FDS], open = 0;
    int64_t now = clock_ms(CLOCK_MONOTONIC), next = end;

    for (size_t i = 0; i < n; i++) {
        int64_t due = advance(&contacts[i], now, end);

        next = due < next ? due : next;
        for (int k = 0; k < FDS; k++) {
            const bool connects = k == TCP && !contacts[i].machine->probe.connected;

            if (contacts[i].fd[k] < 0)
                continue;
            fds[open] = (struct pollfd){contacts[i].fd[k], connects ? POLLOUT : POLLIN, 0};
            of[open] = &contacts[i];
            which[open++] = k;
        }
    }
    if (open == 0)
        return 0;
    if (poll(fds, (nfds_t)open, next > now ? (int)(next - now) : 0) < 0)
        return errno == EINTR ? open : -errno;
    now = clock_ms(CLOCK_MONOTONIC);
    for (int i = 0; i < open; i++)
        if (fds[i].revents && of[i]->fd[which[i]] >= 0)
            take_event(of[i], which[i], now);
    return open;
}

static void finish(struct contact *c)
{
    struct view_probe *p = &c->machine->probe;

    if (c->fd[TCP] >= 0)
        end_ssh(c, -ETIMEDOUT);
    close_fd(c, UDP);
    close_fd(c, ICMP);
    if (p->small_got == 0)
        return;
    qsort(c->delays, p->small_got, sizeof(*c->delays), compare_delays);
    p->delay_ms = c->delays[(p->small_got - 1) / 2];
}

static int probe_some(struct view_machine *machines, size_t n, bool *ret_rights)
{
    CLEANUP_FREE struct contact *contacts = calloc(n, sizeof(*contacts));
    int64_t end = clock_ms(CLOCK_MONOTONIC) + PROBE_MS;
    int r = 1;

    if (!contacts)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        struct contact *c = &contacts[i];

        c->machine = &machines[i];
        c->fd[TCP] = c->fd[UDP] = c->fd[ICMP] = -1;
        if (machines[i].own)
            continue;
        begin_mdns(c);
        if (machines[i].beside) { /* one packet, so that the kernel asks for its MAC address */
            ask(c, 0);
            close_fd(c, UDP);
            continue;
        }
        if (machines[i].port == 0) /* a neighbour that may be nobody's business */
            continue;
        begin_ssh(c);
        if (!begin_ping(c, (uint16_t)(getpid() + (int)i)))
            *ret_rights = false;
    }
    while (r > 0 && clock_ms(CLOCK_MONOTONIC) < end)
        r = turn(contacts, n, end);
    for (size_t i = 0; i < n; i++)
        finish(&contacts[i]);
    return r < 0 ? r : 0;
}

int probe_machines(struct view_machine *machines, size_t n, bool *ret_rights)
{
    int r = 0;

    *ret_rights = true;
    for (size_t i = 0; r == 0 && i < n; i += PROBE_AT_ONCE)
        r = probe_some(machines + i, n - i < PROBE_AT_ONCE ? n - i : PROBE_AT_ONCE, ret_rights);
    if (r == 0 && !arp_ask(machines, n))
        *ret_rights = false;
    return r;
}
