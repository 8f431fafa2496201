/*
 * What the roster does with one machine's values.  A struct machine (see
 * roster.h) owns its strings and its list of addresses.  Pure; any thread.
 */
#pragma once

#include "roster.h"

void machine_clear(struct machine *m);

/* A copy with its own strings, for another thread.  -ENOMEM. */
int machine_copy(const struct machine *m, struct machine *ret);

/* Stores what a sighting says, except the address.  1 when something changed, 0
 * when nothing did, -ENOMEM. */
int machine_update(struct machine *m, const struct sighting *s);

/* Replaces the addresses.  Returns as above; `m` is untouched without memory. */
int machine_set_addresses(struct machine *m, const struct address *list, size_t count);

/* Adds to an ordered list (best first) of up to ROSTER_ADDRESSES_MAX; a full
 * list drops the worst one. */
void addresses_insert(struct address *list, size_t *count, const struct address *a);

/* Order of display, see roster_machines. */
int machine_compare(const struct machine *a, const struct machine *b);
