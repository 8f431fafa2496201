/*
 * Names that machines claim by multicast before they may announce anything (probes, RFC 6762
 * §8.1).  A machine whose claim is always refused announces nothing, and is heard no other
 * way.
 *
 * Only listens: nothing is sent.  Packets are hostile, and bounded.  One thread at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "discovery/base/address.h"
#include "discovery/network/links.h"
#include "view.h"

enum { CLAIMS_MAX = 64 /* machines; later ones are ignored */ };

struct claim {
    struct address address; /* IPv4: the sender's, which the claim names */
    char name[VIEW_CLAIM_MAX];
};

struct claims {
    struct claim items[CLAIMS_MAX];
    size_t count;
};

/* A socket that hears the claims on all links from now on; -1: none. */
int claims_open(const struct links *links);

/* Adds what was heard since, and goes on for `ms`.  Of each sender its last name. */
void claims_read(struct claims *c, const struct links *links, int fd, unsigned ms);

/* Adds what a packet claims, where its sender's address is in it.  Senders that are in no
 * network of these links, and this computer itself, take no room.  Pure. */
void claims_take(struct claims *c, const struct links *links, const uint8_t *packet, size_t size,
                 const struct address *from);
