#include "scout.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "discovery/advert/sign.h"
#include "mdns-probe.h"
#include "mdns-service.h"

enum {
    READS_PER_TURN = 256,
    ROOM = 8 << 20, /* receive buffer; the system may grant less */
    INTERFACES_MAX = 32,
    CONFIRMS_MAX = 256, /* at a time; beyond that, machines are not asked and count as answered */
    ASK_AGAIN_MS = 500, /* until a machine is asked a second time */
    /* A flood is more than FLOOD_MIN unsigned records a second.  In a flood the
     * machines' daemons drop most questions, too. */
    FLOOD_MIN = 100,
    FLOOD_ASK_MS = 125,
    FLOOD_CALM_MS = 5000, /* until a flood counts as over */
    WINDOW_MS = 1000,
};

struct confirm {
    char instance[MDNS_LABEL_MAX + 1];
    uint64_t due; /* ms */
    bool asked_again;
};

struct scout {
    sd_event *loop;
    struct key fleet;
    struct scout_listener listener;
    int fd;
    sd_event_source *io, *timer;
    int interfaces[INTERFACES_MAX];
    size_t n_interfaces;
    uint64_t ask_due;      /* ms; UINT64_MAX: no more */
    uint64_t window_start; /* ms, of `unsigned_seen` */
    size_t unsigned_seen;
    uint64_t flooded_until; /* ms */
    struct confirm confirms[CONFIRMS_MAX];
    size_t n_confirms;
};

static uint64_t now_ms(const struct scout *s)
{
    uint64_t usec = 0;

    (void)sd_event_now(s->loop, CLOCK_MONOTONIC, &usec);
    return usec / 1000;
}

/* Joins the group on new interfaces; joining it again fails without harm. */
static void find_interfaces(struct scout *s)
{
    struct ifaddrs *all = NULL;

    s->n_interfaces = 0;
    if (getifaddrs(&all) < 0)
        return;
    for (const struct ifaddrs *i = all; i && s->n_interfaces < INTERFACES_MAX; i = i->ifa_next) {
        struct ip_mreqn group = {.imr_ifindex = (int)if_nametoindex(i->ifa_name)};
        bool known = false;

        if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET || !(i->ifa_flags & IFF_UP) ||
            !(i->ifa_flags & IFF_MULTICAST) || (i->ifa_flags & (IFF_LOOPBACK | IFF_POINTOPOINT)))
            continue;
        for (size_t j = 0; j < s->n_interfaces; j++)
            known = known || s->interfaces[j] == group.imr_ifindex;
        if (known || group.imr_ifindex == 0)
            continue;
        group.imr_multiaddr.s_addr = inet_addr("224.0.0.251");
        (void)setsockopt(s->fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof(group));
        s->interfaces[s->n_interfaces++] = group.imr_ifindex;
    }
    freeifaddrs(all);
}

/* Sends on every interface; a question that cannot be sent is lost, as on the
 * network. */
static void send_question(const struct scout *s, const char *instance)
{
    uint8_t question[MDNS_QUESTION_MAX];
    size_t size = mdns_question_write(instance, question);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(MDNS_PORT)};

    to.sin_addr.s_addr = inet_addr("224.0.0.251");
    for (size_t i = 0; i < s->n_interfaces; i++) {
        struct ip_mreqn out = {.imr_ifindex = s->interfaces[i]};

        if (setsockopt(s->fd, IPPROTO_IP, IP_MULTICAST_IF, &out, sizeof(out)) == 0)
            (void)sendto(s->fd, question, size, MSG_NOSIGNAL, (const struct sockaddr *)&to,
                         sizeof(to));
    }
}

static struct confirm *find_confirm(struct scout *s, const char *instance)
{
    for (size_t i = 0; i < s->n_confirms; i++)
        if (strcmp(s->confirms[i].instance, instance) == 0)
            return &s->confirms[i];
    return NULL;
}

static void end_confirm(struct scout *s, struct confirm *c)
{
    *c = s->confirms[--s->n_confirms];
}

/* The port is signed.  Without the SRV record, SSH's default port is tried. */
static void take_service(struct scout *s, const struct mdns_service *service, int interface,
                         const struct address *from)
{
    CLEANUP(advert_clear) struct advert advert = ADVERT_INIT;
    struct confirm *confirm;
    struct sighting sighting = {
        .key = {interface, SCOUT_PROTOCOL, service->instance, "local"},
        .host = service->host[0] ? service->host : NULL,
        .address = *from,
        .port = service->port ? service->port : SSH_PORT,
        .advert = &advert,
        .verified = true,
    };

    if (!service->txt || advert_parse(service->txt, service->txt_size, &advert, NULL) < 0 ||
        !advert_verify(service->txt, service->txt_size, sighting.port, advert.id, &s->fleet)) {
        s->unsigned_seen++;
        return;
    }
    confirm = find_confirm(s, service->instance);
    if (confirm)
        end_confirm(s, confirm);
    s->listener.seen(&sighting, s->listener.arg);
}

static int interface_of(struct msghdr *message)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c))
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;

            memcpy(&info, CMSG_DATA(c), sizeof(info));
            return info.ipi_ifindex;
        }
    return -1;
}

static bool read_datagram(struct scout *s)
{
    struct mdns_service services[MDNS_SERVICES_MAX];
    uint8_t bytes[MDNS_PACKET_MAX];
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct in_pktinfo))];
    struct sockaddr_in from = {0};
    struct iovec iov = {.iov_base = bytes, .iov_len = sizeof(bytes)};
    struct msghdr message = {
        .msg_name = &from,
        .msg_namelen = sizeof(from),
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = control,
        .msg_controllen = sizeof(control),
    };
    ssize_t n = recvmsg(s->fd, &message, MSG_DONTWAIT);
    struct address address = {.family = AF_INET};
    size_t count;

    if (n < 0)
        return errno == EINTR;
    if (from.sin_port != htons(MDNS_PORT)) /* RFC 6762 §6 */
        return true;
    memcpy(address.bytes, &from.sin_addr, 4);
    count = mdns_services_read(bytes, (size_t)n, services);
    for (size_t i = 0; i < count; i++)
        take_service(s, &services[i], interface_of(&message), &address);
    return true;
}

static void set_timer(struct scout *s);

/* Counts unsigned records, and starts asking when there is a flood. */
static void look_for_flood(struct scout *s)
{
    uint64_t now = now_ms(s);

    if (now >= s->window_start + WINDOW_MS) {
        s->window_start = now;
        s->unsigned_seen = 0;
    }
    if (s->unsigned_seen <= FLOOD_MIN)
        return;
    s->flooded_until = now + FLOOD_CALM_MS;
    if (s->ask_due == UINT64_MAX) {
        s->ask_due = now;
        set_timer(s);
    }
}

static int on_datagram(sd_event_source *source, int fd, uint32_t events, void *arg)
{
    (void)source, (void)fd, (void)events;
    for (size_t i = 0; i < READS_PER_TURN; i++)
        if (!read_datagram(arg))
            break;
    look_for_flood(arg);
    return 0;
}

bool scout_is_flooded(const struct scout *s)
{
    return now_ms(s) < s->flooded_until;
}

/* Nobody answered.  Interfaces that no longer exist need no report. */
static void report_silent(struct scout *s, const char *instance)
{
    struct sighting_key key = {0, SCOUT_PROTOCOL, instance, "local"};

    for (size_t i = 0; i < s->n_interfaces; i++) {
        key.interface = s->interfaces[i];
        s->listener.silent(&key, s->listener.arg);
    }
}

static void check_confirms(struct scout *s, uint64_t now)
{
    for (size_t i = 0; i < s->n_confirms;) {
        struct confirm *c = &s->confirms[i], ended;

        if (!c->asked_again && now + SCOUT_CONFIRM_MS >= c->due + ASK_AGAIN_MS) {
            c->asked_again = true;
            send_question(s, c->instance);
        }
        if (now < c->due) {
            i++;
            continue;
        }
        ended = *c;
        end_confirm(s, c);
        report_silent(s, ended.instance);
    }
}

static void set_timer(struct scout *s)
{
    uint64_t due = s->ask_due;

    for (size_t i = 0; i < s->n_confirms; i++) {
        const struct confirm *c = &s->confirms[i];
        uint64_t next = c->asked_again ? c->due : c->due - SCOUT_CONFIRM_MS + ASK_AGAIN_MS;

        due = next < due ? next : due;
    }
    (void)sd_event_source_set_time(s->timer, due == UINT64_MAX ? due : due * 1000);
    (void)sd_event_source_set_enabled(s->timer,
                                      due == UINT64_MAX ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
}

static void ask_for_all(struct scout *s, uint64_t now)
{
    find_interfaces(s);
    send_question(s, NULL);
    s->ask_due = now < s->flooded_until ? now + FLOOD_ASK_MS : UINT64_MAX;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *arg)
{
    struct scout *s = arg;
    uint64_t now = now_ms(s);

    (void)source, (void)usec;
    if (now >= s->ask_due)
        ask_for_all(s, now);
    check_confirms(s, now);
    set_timer(s);
    return 0;
}

void scout_confirm(struct scout *s, const char *instance)
{
    struct confirm *c;

    if (strlen(instance) > MDNS_LABEL_MAX || s->n_confirms == CONFIRMS_MAX ||
        find_confirm(s, instance))
        return;
    c = &s->confirms[s->n_confirms++];
    *c = (struct confirm){.due = now_ms(s) + SCOUT_CONFIRM_MS};
    memcpy(c->instance, instance, strlen(instance));
    send_question(s, instance);
    set_timer(s);
}

/* Bound to the group's address: packets to this host's own address go to the
 * daemon. */
static int open_socket(struct scout *s)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(MDNS_PORT)};
    const int on = 1, off = 0, room = ROOM, ttl = 255;

    here.sin_addr.s_addr = inet_addr("224.0.0.251");
    s->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->fd < 0)
        return -errno;
    if (setsockopt(s->fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) < 0)
        (void)setsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
    (void)setsockopt(s->fd, IPPROTO_IP, IP_MULTICAST_ALL, &off, sizeof(off));
    (void)setsockopt(s->fd, IPPROTO_IP, IP_MULTICAST_TTL, &ttl, sizeof(ttl));
    if (setsockopt(s->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        setsockopt(s->fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)) < 0 ||
        bind(s->fd, (const struct sockaddr *)&here, sizeof(here)) < 0)
        return -errno;
    return 0;
}

int scout_new(sd_event *loop, const struct key *fleet, const struct scout_listener *listener,
              struct scout **ret, struct error *err)
{
    CLEANUP(scout_free_p) struct scout *s = calloc(1, sizeof(*s));
    int r;

    if (!s)
        return error_sys(err, -ENOMEM, "cannot ask for machines");
    s->fd = -1;
    s->loop = sd_event_ref(loop);
    s->fleet = *fleet;
    s->listener = *listener;
    s->window_start = s->ask_due = now_ms(s);
    r = open_socket(s);
    if (r >= 0)
        r = sd_event_add_io(loop, &s->io, s->fd, EPOLLIN, on_datagram, s);
    if (r >= 0) /* signed records come before Avahi's, however many there are */
        r = sd_event_source_set_priority(s->io, SD_EVENT_PRIORITY_IMPORTANT);
    if (r >= 0)
        r = sd_event_add_time(loop, &s->timer, CLOCK_MONOTONIC, 0, 1000, on_timer, s);
    if (r >= 0)
        r = sd_event_source_set_priority(s->timer, SD_EVENT_PRIORITY_IMPORTANT - 1);
    if (r < 0)
        return error_sys(err, r, "cannot ask for machines on the mDNS port");
    *ret = TAKE_PTR(s);
    return 0;
}

void scout_free(struct scout *s)
{
    if (!s)
        return;
    sd_event_source_disable_unref(s->io);
    sd_event_source_disable_unref(s->timer);
    if (s->fd >= 0)
        close(s->fd);
    key_clear(&s->fleet);
    sd_event_unref(s->loop);
    free(s);
}
