/*
 * Observing this computer: its interfaces, the system bus, the Avahi daemon and its
 * settings, the mDNS port, and whether the daemon hears what is asked on each interface.
 *
 * Blocks: for OBSERVE_CALL_MS for each call that the bus does not answer, and for
 * VIEW_ECHOES * OBSERVE_ECHO_MS where the daemon does not answer by multicast.
 */
#pragma once

#include "view.h"

enum { OBSERVE_CALL_MS = 2000, OBSERVE_ECHO_MS = 400 };

void view_host_clear(struct view_host *h);

/* `ret` is {0}; what cannot be observed stays as it is there. */
void observe_host(struct view_host *ret);

/* The IPv4 neighbours of this computer that are known to be there, from its ARP table
 * (/proc/net/arp, proc(5)); how many, at most `max`. */
size_t observe_neighbours(struct address *ret, size_t max);

/* Adds what that table knows of near machines that ARP has not asked: one that did not answer
 * may have another address by now. */
void observe_macs(struct view_machine *machines, size_t n);
