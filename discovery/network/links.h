/*
 * The links of this host: where it can ask by multicast, and which networks it
 * is in.  A snapshot, as getifaddrs(3) gives it; links come and go.
 *
 * Pure values; any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "discovery/base/address.h"
#include "discovery/base/text.h"

enum { LINKS_MAX = 32, LINKS_NETWORKS_MAX = 64 };

/* An interface that is up and has a link, does multicast, and is neither loopback nor
 * point-to-point. */
struct link {
    unsigned interface; /* index */
    bool v4, v6;        /* it has an address of this protocol */
};

struct links {
    struct link items[LINKS_MAX];
    size_t count;
    struct network networks[LINKS_NETWORKS_MAX]; /* of all interfaces but loopback */
    size_t n_networks;
};

/* Without memory there are none. */
void links_read(struct links *ret);

/* Adds why no link can be used, an interface after the other: "eth0 has no link,
 * wlan0 has no address"; the first LINKS_EXPLAINED.  Nothing when one can be. */
enum { LINKS_EXPLAINED = 4 };
void links_explain(const struct links *l, struct text *ret);

/* Adds which links have IPv6 only, "eth0, wlan0", when no link has an IPv4 address;
 * the first LINKS_EXPLAINED.  Nothing when one has, or there is none. */
void links_explain_ipv4(const struct links *l, struct text *ret);

/* Is it in a network of this host, so that packets go there directly? */
bool links_is_near(const struct links *l, const struct address *a);

/* Is it an address of this host? */
bool links_is_own(const struct links *l, const struct address *a);

/* The same for one that is heard on another link of this host, as where two of its
 * interfaces are in one network: a link-local address counts on whichever link. */
bool links_is_own_anywhere(const struct links *l, const struct address *a);

/* Why an address in a record cannot be the machine's: it is not one machine's at all
 * (address_is_unicast, or the broadcast address of a network of this host), or it is
 * this host's own.  `own`: this host itself announces the record, so its own addresses
 * are right.  The end of a sentence, "is a loopback address"; NULL: it can be. */
const char *links_refuse(const struct links *l, const struct address *a, bool own);
