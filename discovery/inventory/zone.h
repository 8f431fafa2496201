/*
 * A zone-file fragment (RFC 1035 §5) that tells other subnets of the machines by unicast
 * DNS service discovery: what mDNS says of them, in a domain of one's own.
 *
 * Names in it are relative, so that the zone of any domain can include it.  Each machine
 * that answers, is beyond doubt and has an address that is not link-local has a SRV and a
 * TXT record under its instance's name, and its host's addresses; comments name the
 * others.  A host is called as the machine calls itself where that is a host's name, and
 * no other machine's; else dcop-ID.
 *
 * A signed record stays signed.  The signature covers the port and keys that this version
 * does not know: with a fleet key, a record that could not be written so that it verifies
 * is said to be such in a comment.
 *
 * Stores nothing; any thread.
 */
#pragma once

#include <stddef.h>

#include "discovery/base/key.h"
#include "discovery/base/text.h"
#include "discovery/roster/roster.h"

enum { ZONE_TTL = 120 }; /* seconds; RFC 6762 §10 has it for records that name a host */

/* Appends the fragment, in the order of the machines.  `key` is the fleet's; NULL: there
 * is none.  -ENOMEM. */
int zone_write(const struct machine *const *machines, size_t n, const struct key *key,
               struct text *ret);
