/*
 * Who answers ARP (RFC 826) for an address: more than one network card means that the
 * address is in use twice.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "view.h"

enum {
    ARP_MS = 500,
    ARP_AT_ONCE = 256,
    ARP_DOUBLED = 3,    /* a question that is answered twice */
    ARP_CROSSINGS = 3,  /* of each pair, in both directions: 18 packets in all */
    ARP_REPLY_MS = 200, /* of one question to one MAC address; to all: ARP_MS */
};

/* Asks for each near IPv4 address, and fills in who answers; ARP_DOUBLED times where one
 * network card answers twice.  Blocks for ARP_MS for each ARP_AT_ONCE of them, and once more
 * for each repetition.  False: a raw socket is not allowed (CAP_NET_RAW, packet(7)). */
bool arp_ask(struct view_machine *machines, size_t n);

/* Fills in `link` where ARP may be asked. */
void arp_find_links(struct view_machine *machines, size_t n);

/* Two machines with one MAC address on one link: asks all for one's address and then that MAC
 * address for the other's, in turn; fills in `other`'s cross_asked and cross_got, see twins.h.
 * Ends where one of them is silent: it is not tried again.  No round begins after `end`
 * (CLOCK_MONOTONIC, in ms).  Blocks for ARP_MS + ARP_REPLY_MS where one is silent, for
 * 6 * ARP_REPLY_MS where the packets go astray. */
void arp_cross(const struct view_machine *first, struct view_machine *other, int64_t end);
