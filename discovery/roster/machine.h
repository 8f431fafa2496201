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

/* What the order of a machine's addresses depends on; borrowed. */
struct address_order {
    const struct address *answering; /* have answered lately */
    size_t n_answering;
    bool probed; /* they were asked, each at its address: those that did not answer come later */
    const struct network *networks; /* that this host is in */
    size_t n_networks;
};

/* Adds to an ordered list (best first) of up to ROSTER_ADDRESSES_MAX; a full
 * list drops the worst one.
 *
 * Better are, in this order: those that answered lately, those in a network of
 * this host, the rest.  Better is also IPv4 (pyDCOP speaks no other) than global
 * IPv6 than link-local.  Of the two, the protocol counts more until a probe has
 * asked each address.  Among equals the number decides, so that the order does
 * not depend on the order of arrival. */
void addresses_insert(struct address *list, size_t *count, const struct address *a,
                      const struct address_order *order);

/* Order of display, see roster_machines. */
int machine_compare(const struct machine *a, const struct machine *b);
