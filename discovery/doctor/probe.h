/*
 * Probing: what single addresses answer, asked by unicast.
 *
 * Each is asked for its SSH version line over TCP, three times by unicast multicast DNS
 * (RFC 6762 §5.5) and, over IPv4, by small and by large pings (RFC 792) and by ARP
 * (RFC 826).  Pings and ARP need rights that a user may not have: then they are left out.
 *
 * Blocks for at most PROBE_MS for each PROBE_AT_ONCE machines.  Everything that is read is
 * bounded and hostile.  One thread at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "view.h"

enum {
    PROBE_MS = 3000,
    PROBE_AT_ONCE = 64,
    PROBE_GREETING_MAX = 4096, /* read of one server */
};

/* Fills in the probes.  A machine without a port is only asked by multicast DNS and ARP, one
 * that is this computer itself only by ARP.  False in `ret_rights`: pings or ARP were not
 * possible.  0, or a negative errno. */
int probe_machines(struct view_machine *machines, size_t n, bool *ret_rights);
