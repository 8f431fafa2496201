/*
 * Who answers ARP (RFC 826) for an address: more than one network card means that the
 * address is in use twice.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "view.h"

enum { ARP_MS = 500, ARP_AT_ONCE = 256 };

/* Asks for each near IPv4 address, and fills in who answers.  Blocks for ARP_MS for each
 * ARP_AT_ONCE of them.  False: a raw socket is not allowed (CAP_NET_RAW, packet(7)). */
bool arp_ask(struct view_machine *machines, size_t n);
