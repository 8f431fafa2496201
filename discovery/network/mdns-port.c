#include "mdns-port.h"

#include <arpa/inet.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "discovery/base/address.h"
#include "discovery/base/file.h"
#include "mdns-probe.h"

enum { FILE_MAX = 4 << 20, WORDS = 4 /* 32 bits of an IPv6 address */ };

/* The words of an address are in the host's byte order. */
static bool is_group(const char *hex, bool v6)
{
    unsigned char first;
    uint32_t word;
    unsigned read;

    if (sscanf(hex, "%8x", &read) != 1)
        return true;
    word = read;
    memcpy(&first, &word, 1);
    return v6 ? first == 0xff : first >= 224 && first <= 239;
}

static struct mdns_port_owner *find_owner(struct mdns_port *p, uid_t uid)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->owners[i].uid == uid)
            return &p->owners[i];
    return NULL;
}

static struct mdns_port_owner *owner_of(struct mdns_port *p, uid_t uid)
{
    struct mdns_port_owner *o = find_owner(p, uid);

    if (o || p->count == MDNS_PORT_OWNERS_MAX)
        return o;
    p->owners[p->count] = (struct mdns_port_owner){.uid = uid};
    return &p->owners[p->count++];
}

/* "  sl: ADDRESS:PORT REMOTE:PORT st tx:rx tr:when retransmissions UID ..." */
static void parse_line(struct mdns_port *p, const char *line, bool v6)
{
    char address[8 * WORDS + 1];
    struct mdns_port_owner *owner;
    unsigned port, uid;

    if (sscanf(line, " %*u: %32[0-9A-Fa-f]:%4x %*32[0-9A-Fa-f]:%*x %*x %*x:%*x %*x:%*x %*x %u",
               address, &port, &uid) != 3)
        return;
    if (port != MDNS_PORT || strlen(address) != (v6 ? 8 * WORDS : 8) || is_group(address, v6))
        return;
    owner = owner_of(p, uid);
    if (owner)
        *(v6 ? &owner->v6 : &owner->v4) += 1;
}

void mdns_port_parse(struct mdns_port *p, const char *text, bool v6)
{
    while (*text) {
        char line[256];
        size_t n = strcspn(text, "\n");

        (void)snprintf(line, sizeof(line), "%.*s", (int)(n < sizeof(line) ? n : sizeof(line) - 1),
                       text);
        parse_line(p, line, v6);
        text += n + (text[n] == '\n');
    }
}

void mdns_port_read(struct mdns_port *ret)
{
    static const char *const paths[] = {"/proc/net/udp", "/proc/net/udp6"};

    *ret = (struct mdns_port){0};
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        CLEANUP_TEXT struct text t = TEXT_INIT;

        if (file_read(paths[i], FILE_MAX, &t, NULL) >= 0)
            mdns_port_parse(ret, text_str(&t), i == 1);
    }
}

bool mdns_port_remove_avahi(struct mdns_port *p, uid_t avahi)
{
    struct mdns_port_owner *o = find_owner(p, avahi);
    size_t v4 = 0;
    bool has_v4;

    for (size_t i = 0; i < p->count; i++)
        v4 += p->owners[i].v4;
    if (!o)
        o = find_owner(p, 0);
    has_v4 = o && o->v4 > 0;
    if (o) {
        o->v4 -= o->v4 > 0;
        o->v6 -= o->v6 > 0;
    }
    return has_v4 || v4 == 0;
}

void mdns_port_names(const struct mdns_port *p, struct text *ret)
{
    size_t n = 0;

    for (size_t i = 0; i < p->count; i++) {
        const struct mdns_port_owner *o = &p->owners[i];
        const struct passwd *user;

        if (o->v4 + o->v6 == 0 || n++ >= MDNS_PORT_SHOWN)
            continue;
        user = getpwuid(o->uid);
        text_adds(ret, n > 1 ? ", " : "");
        if (user)
            text_add_printable(ret, user->pw_name);
        else
            text_addf(ret, "user %u", (unsigned)o->uid);
    }
    if (n > MDNS_PORT_SHOWN)
        text_addf(ret, " and %zu more", n - MDNS_PORT_SHOWN);
}
