/*
 * Who else on this host has sockets on the mDNS port, as far as any user can see it: in
 * /proc/net/udp and udp6 (proc(5)) each socket has its address, port and owner.
 *
 * Several stacks may share the port (RFC 6762 §15.1), but then a packet to this host's own
 * address reaches only one of them.  Sockets on the multicast group alone, as the
 * querier's, take no such packet and are not counted.
 *
 * A value; one thread at a time (getpwuid(3)).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "discovery/base/text.h"

enum { MDNS_PORT_OWNERS_MAX = 16, MDNS_PORT_SHOWN = 4 };

struct mdns_port_owner {
    uid_t uid;
    size_t v4, v6; /* sockets */
};

struct mdns_port {
    struct mdns_port_owner owners[MDNS_PORT_OWNERS_MAX]; /* others are not counted */
    size_t count;
};

/* Adds the sockets in one of these files' text; lines that cannot be read are skipped. */
void mdns_port_parse(struct mdns_port *p, const char *text, bool v6);

/* Reads both files; what cannot be read counts as empty. */
void mdns_port_read(struct mdns_port *ret);

/* Takes away what the Avahi daemon has, one socket of each protocol: those of `avahi`, the
 * user that it runs as, else root's.  False: it has no IPv4 socket, while others have. */
bool mdns_port_remove_avahi(struct mdns_port *p, uid_t avahi);

/* Adds whose sockets there are, "alice, 1001 and 2 more", by user name or number; nothing
 * when there are none. */
void mdns_port_names(const struct mdns_port *p, struct text *ret);
