/*
 * Hosts that are this computer or its nearest surroundings: loopback, unspecified,
 * link-local and multicast addresses, in every spelling.  A machine may not name one for
 * the caches to connect to.
 *
 * "localhost" and its variants (RFC 6761 §6.3) are known here; other names are what a
 * resolver says at the time (local_host_resolved).  Any thread.
 */
#pragma once

#include <stdbool.h>
#include <sys/socket.h>

#include "discovery/base/text.h"

/* A name or an address without brackets, as in struct url; dots at its end do not count.
 * Addresses in all forms that a resolver accepts ("127.1", "0x7f000001", "0:0:0:0:0:0:0:1",
 * "fe80::1%eth0"). */
bool local_host(const char *host);

/* The same for a name, by the addresses that it has now: one that is local, or one of `own` (as
 * text; may be NULL), is enough.  Asks the system's resolver for `timeout_ms` at most, until
 * `stop_fd` (-1: none) is readable.  1: local; 0: not, or the resolver does not know the name;
 * -ETIMEDOUT, -ECANCELED and others: it said nothing by then, so the name may be local. */
int local_host_resolved(const char *host, const struct strings *own, unsigned timeout_ms,
                        int stop_fd);

/* IPv4 or IPv6; others are local. */
bool local_address(const struct sockaddr *a);
