/*
 * What is wrong with the IPv4 addresses of machines: none at all, or one that another
 * machine has, too.  pyDCOP speaks IPv4 only.
 *
 * Pure; one thread at a time.
 */
#pragma once

#include <stddef.h>

#include "discovery/base/text.h"
#include "discovery/roster/roster.h"

enum { ADDRESSES_SAID_MAX = 8 }; /* sentences of a kind; then how many more there are */

/* Adds sentences without a full stop, not escaped, about the machines that are there,
 * in the words of match_explain for those that match.  Claims that are not verified
 * and machines without a beacon are left out.  -ENOMEM. */
int addresses_explain(const struct machine *const *machines, size_t n, struct strings *ret);
