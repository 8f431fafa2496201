#include "observe.h"

#include <arpa/inet.h>
#include <avahi-common/defs.h>
#include <errno.h>
#include <ifaddrs.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "avahi-config.h"
#include "discovery/base/cleanup.h"
#include "discovery/base/clock.h"
#include "discovery/base/file.h"
#include "discovery/network/links.h"
#include "discovery/network/mdns-answer.h"
#include "discovery/network/mdns-port.h"
#include "discovery/network/mdns-probe.h"
#include "question.h"

#define AVAHI_NAME "org.freedesktop.Avahi"

enum {
    ECHO_TRANSACTION = 0x5200,
    CONFIG_MAX = 256 * 1024,
    ARP_TABLE_MAX = 1 << 20,
    PEOPLE_FROM = 1000, /* the first user of a person: login.defs(5) */
    PEOPLE_TO = 60000,
};

void view_host_clear(struct view_host *h)
{
    text_clear(&h->cache);
    strings_clear(&h->wrong_addresses);
    strings_clear(&h->gone);
    text_clear(&h->silence);
}

/* ---- interfaces ---- */

static struct view_interface *interface_of(struct view_host *h, const char *name)
{
    for (size_t i = 0; i < h->n_interfaces; i++)
        if (strcmp(h->interfaces[i].name, name) == 0)
            return &h->interfaces[i];
    if (h->n_interfaces == VIEW_INTERFACES_MAX)
        return NULL;
    (void)snprintf(h->interfaces[h->n_interfaces].name, IF_NAMESIZE, "%s", name);
    return &h->interfaces[h->n_interfaces++];
}

static void observe_interfaces(struct view_host *h)
{
    struct ifaddrs *all = NULL;

    if (getifaddrs(&all) < 0)
        return;
    for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
        struct view_interface *one;

        if (!i->ifa_addr || (i->ifa_flags & (IFF_LOOPBACK | IFF_POINTOPOINT)))
            continue;
        one = interface_of(h, i->ifa_name);
        if (!one)
            continue;
        one->index = if_nametoindex(i->ifa_name);
        one->up = i->ifa_flags & IFF_UP;
        one->running = i->ifa_flags & IFF_RUNNING;
        one->multicast = i->ifa_flags & IFF_MULTICAST;
        one->v4 = one->v4 || i->ifa_addr->sa_family == AF_INET;
        one->v6 = one->v6 || i->ifa_addr->sa_family == AF_INET6;
    }
    freeifaddrs(all);
}

/* ---- bus and daemon ---- */

static int call(sd_bus *bus, const char *to, const char *path, const char *interface,
                const char *member, sd_bus_message **ret, const char *argument)
{
    CLEANUP(sd_bus_message_unrefp) sd_bus_message *m = NULL;
    sd_bus_error error = SD_BUS_ERROR_NULL;
    int r = sd_bus_message_new_method_call(bus, &m, to, path, interface, member);

    if (r >= 0 && argument)
        r = sd_bus_message_append(m, "s", argument);
    if (r >= 0)
        r = sd_bus_call(bus, m, (uint64_t)OBSERVE_CALL_MS * 1000, &error, ret);
    sd_bus_error_free(&error);
    return r;
}

static int read_owner(sd_bus *bus, int *ret)
{
    CLEANUP(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    int r = call(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                 "NameHasOwner", &reply, AVAHI_NAME);

    return r < 0 ? r : sd_bus_message_read(reply, "b", ret);
}

/* Claiming its name, it does not answer for it: RFC 6762 §8.1. */
static int read_state(sd_bus *bus, bool *ret_running)
{
    CLEANUP(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    int32_t state = 0;
    int r = call(bus, AVAHI_NAME, "/", AVAHI_NAME ".Server", "GetState", &reply, NULL);

    if (r >= 0)
        r = sd_bus_message_read(reply, "i", &state);
    *ret_running = state == AVAHI_SERVER_RUNNING;
    return r;
}

static int read_avahi(struct view_host *h, sd_bus *bus)
{
    CLEANUP(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    const char *name = NULL;
    bool running = false;
    int there = 0, r = read_owner(bus, &there);

    if (r >= 0 && !there)
        return -ENOTCONN;
    if (r >= 0)
        r = read_state(bus, &running);
    if (r < 0 || !running)
        return r < 0 ? r : 0;
    r = call(bus, AVAHI_NAME, "/", AVAHI_NAME ".Server", "GetHostName", &reply, NULL);
    if (r >= 0)
        r = sd_bus_message_read(reply, "s", &name);
    if (r >= 0)
        (void)snprintf(h->avahi_name, sizeof(h->avahi_name), "%s", name);
    return r < 0 ? r : 0;
}

static void observe_avahi(struct view_host *h, sd_bus **ret_bus)
{
    const char *id;

    h->bus_error = sd_bus_open_system(ret_bus);
    if (h->bus_error >= 0)
        h->bus_error = sd_bus_get_unique_name(*ret_bus, &id);
    if (h->bus_error < 0)
        return;
    h->bus_error = 0;
    h->avahi_error = read_avahi(h, *ret_bus);
}

static void read_config(struct view_host *h)
{
    CLEANUP_TEXT struct text text = TEXT_INIT;
    struct avahi_config config;

    /* The daemon hides its command line, which may name another file: avahi-daemon(8). */
    (void)snprintf(h->config, sizeof(h->config), "/etc/avahi/avahi-daemon.conf");
    if (file_read(h->config, CONFIG_MAX, &text, NULL) < 0)
        return;
    avahi_config_parse(text_str(&text), &config);
    if (*config.host_name)
        (void)snprintf(h->name, sizeof(h->name), "%s", config.host_name);
    for (size_t i = 0; i < h->n_interfaces; i++)
        avahi_config_left_out(&config, h->interfaces[i].name, h->interfaces[i].left_out,
                              sizeof(h->interfaces[i].left_out));
}

/* ---- the mDNS port ---- */

static void observe_port(struct view_host *h)
{
    const struct passwd *avahi = getpwnam("avahi");
    CLEANUP_TEXT struct text names = TEXT_INIT;
    struct mdns_port port;
    size_t v4 = 0;

    mdns_port_read(&port);
    for (size_t i = 0; i < port.count; i++)
        v4 += port.owners[i].v4;
    if (h->bus_error == 0 && h->avahi_error != -ENOTCONN)
        h->avahi_has_no_v4 = !mdns_port_remove_avahi(&port, avahi ? avahi->pw_uid : 0) || v4 == 0;
    mdns_port_names(&port, &names);
    (void)snprintf(h->others, sizeof(h->others), "%s", text_str(&names));
    for (size_t i = 0; i < port.count; i++)
        if (port.owners[i].v4 + port.owners[i].v6 > 0 &&
            (port.owners[i].uid < PEOPLE_FROM || port.owners[i].uid >= PEOPLE_TO))
            h->others_are_services = true;
}

/* ---- does the daemon hear? ---- */

static int send_to_group(int fd, const uint8_t *bytes, size_t size)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(MDNS_PORT)};

    to.sin_addr.s_addr = inet_addr("224.0.0.251");
    return sendto(fd, bytes, size, MSG_NOSIGNAL, (const struct sockaddr *)&to, sizeof(to)) < 0
               ? -errno
               : 0;
}

static bool is_own(const struct address *a)
{
    struct links links;

    links_read(&links);
    return links_is_own(&links, a);
}

/* Answers until `end`: who else has the name in `rival`.  Ends early at Avahi's own
 * answer, unless others' are wanted, too. */
static void take_echoes(struct view_interface *i, int fd, bool all,
                        char rival[static ADDRESS_TEXT_MAX])
{
    int64_t now, end = clock_ms(CLOCK_MONOTONIC) + OBSERVE_ECHO_MS;

    while ((all || !i->answered) && (now = clock_ms(CLOCK_MONOTONIC)) < end) {
        struct pollfd p = {fd, POLLIN, 0};
        struct sockaddr_storage from = {0};
        socklen_t size = sizeof(from);
        uint8_t bytes[MDNS_PACKET_MAX];
        uint16_t transaction;
        struct address peer;
        ssize_t n;

        if (poll(&p, 1, (int)(end - now)) <= 0)
            continue;
        n = recvfrom(fd, bytes, sizeof(bytes), MSG_DONTWAIT, (struct sockaddr *)&from, &size);
        if (n <= 0 || !mdns_answer_read(bytes, (size_t)n, &transaction) ||
            (transaction & 0xff00) != ECHO_TRANSACTION || address_from_sockaddr(&from, &peer) < 0)
            continue;
        if (!is_own(&peer))
            address_format(&peer, rival);
        else if ((transaction & 0xff) == 0)
            i->answered = true;
    }
}

/* Asks for Avahi's name of this computer, and for its own one where that is another. */
static void ask_avahi(struct view_host *h, struct view_interface *i)
{
    struct ip_mreqn out = {.imr_ifindex = (int)i->index};
    CLEANUP_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool renamed = *h->name && strcasecmp(h->name, h->avahi_name) != 0;

    if (fd < 0 || setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &out, sizeof(out)) < 0)
        return;
    i->asked = true;
    for (unsigned k = 0; k < VIEW_ECHOES && !i->answered; k++) {
        const char *names[] = {h->avahi_name, renamed ? h->name : NULL};

        for (uint16_t which = 0; which < 2 && names[which]; which++) {
            uint8_t bytes[QUESTION_MAX];
            char name[300];
            size_t size;

            (void)snprintf(name, sizeof(name), "%s.local", names[which]);
            size = question_write(name, QUESTION_A, (uint16_t)(ECHO_TRANSACTION | which), bytes);
            i->send_error = send_to_group(fd, bytes, size);
        }
        take_echoes(i, fd, renamed, h->rival);
    }
}

static void observe_name(struct view_host *h)
{
    if (gethostname(h->name, sizeof(h->name) - 1) < 0)
        *h->name = '\0';
    h->name[strcspn(h->name, ".")] = '\0';
}

static void observe_echoes(struct view_host *h, sd_bus *bus)
{
    bool running = false;

    for (size_t i = 0; i < h->n_interfaces; i++) {
        struct view_interface *one = &h->interfaces[i];

        if (!one->up || !one->running || !one->multicast || !one->v4 || *one->left_out)
            continue;
        ask_avahi(h, one);
        /* A link that has just come makes it claim its name anew. */
        if (!one->answered && one->send_error == 0)
            one->asked = read_state(bus, &running) >= 0 && running;
    }
}

void observe_host(struct view_host *ret)
{
    CLEANUP(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;

    observe_interfaces(ret);
    observe_name(ret);
    observe_avahi(ret, &bus);
    read_config(ret);
    observe_port(ret);
    if (*ret->avahi_name && !ret->avahi_has_no_v4)
        observe_echoes(ret, bus);
}

struct neighbour {
    struct address address;
    uint8_t mac[6];
};

/* "IP address  HW type  Flags  HW address  Mask  Device"; flag 2: complete. */
static bool parse_neighbour(const char *line, struct neighbour *ret)
{
    char address[ADDRESS_TEXT_MAX];
    unsigned flags, m[6];

    if (sscanf(line, "%63s 0x%*x 0x%x %2x:%2x:%2x:%2x:%2x:%2x", address, &flags, &m[0], &m[1],
               &m[2], &m[3], &m[4], &m[5]) != 8 ||
        !(flags & 2) || address_parse(address, &ret->address) < 0)
        return false;
    for (size_t i = 0; i < sizeof(ret->mac); i++)
        ret->mac[i] = (uint8_t)m[i];
    return true;
}

static const char *next_line(const char *line)
{
    line += strcspn(line, "\n");
    return line + (*line == '\n');
}

size_t observe_neighbours(struct address *ret, size_t max)
{
    CLEANUP_TEXT struct text table = TEXT_INIT;
    size_t n = 0;

    if (file_read("/proc/net/arp", ARP_TABLE_MAX, &table, NULL) < 0)
        return 0;
    for (const char *line = text_str(&table); *line && n < max; line = next_line(line)) {
        struct neighbour one;

        if (parse_neighbour(line, &one))
            ret[n++] = one.address;
    }
    return n;
}

void observe_macs(struct view_machine *machines, size_t n)
{
    CLEANUP_TEXT struct text table = TEXT_INIT;

    if (file_read("/proc/net/arp", ARP_TABLE_MAX, &table, NULL) < 0)
        return;
    for (const char *line = text_str(&table); *line; line = next_line(line)) {
        struct neighbour one;

        if (!parse_neighbour(line, &one))
            continue;
        for (size_t i = 0; i < n; i++)
            if (machines[i].near && machines[i].probe.arp_asked == 0 &&
                machines[i].probe.n_macs == 0 &&
                address_equal(&machines[i].address, &one.address)) {
                memcpy(machines[i].probe.macs[0], one.mac, sizeof(one.mac));
                machines[i].probe.n_macs = 1;
            }
    }
}
