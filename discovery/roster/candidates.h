/*
 * Candidates: hosts that advertise a service by which one can log in, and no beacon, so that
 * `dcop-deploy enroll` can give them one.
 *
 * What the network tells goes in, each host comes out once.  Anybody can invent hosts, so
 * they are bounded: all of them, and those that one sender tells of.  A host name is no
 * identity; whoever connects has a person compare the host key.
 *
 * No network and no clock.  One thread at a time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "discovery/base/cleanup.h"
#include "roster.h"

enum {
    CANDIDATES_MAX = 4096, /* hosts, those with a beacon included */
    CANDIDATES_PER_SOURCE_MAX = 512,
    CANDIDATE_MAC_MAX = 18,
};

/* What a host advertises, a bit for each. */
enum candidate_service {
    CANDIDATE_SSH,
    CANDIDATE_SFTP,
    CANDIDATE_WORKSTATION,
    CANDIDATE_BEACON, /* it is none, then */
    CANDIDATE_SERVICES,
};

/* Its DNS-SD type, "_ssh._tcp". */
const char *candidate_service_type(enum candidate_service service);

/* One record of one host.  Borrowed for the duration of a call. */
struct candidate_record {
    int interface;
    struct address from; /* of the packet */
    enum candidate_service service;
    const char *host; /* "raspberrypi-2.local" */
    const struct address *addresses;
    size_t n_addresses;
    uint16_t port;                  /* 0: it is not that of SSH */
    const char *mac;                /* "b8:27:eb:00:00:01"; NULL: not told */
    const struct network *networks; /* of this host: addresses in them come first */
    size_t n_networks;
};

struct candidate {
    struct machine machine;      /* without a beacon: host, addresses, port; online */
    char mac[CANDIDATE_MAC_MAX]; /* as it says itself; "": unknown */
    unsigned services;           /* a bit for each enum candidate_service */
};

/* An owned list, and its machines as everything else takes them. */
struct candidate_list {
    struct candidate *items;
    const struct machine **pointers;
    size_t count;
};

#define CANDIDATE_LIST_INIT ((struct candidate_list){0})

void candidate_list_clear(struct candidate_list *l);

struct candidates;

struct candidates *candidates_new(void); /* NULL without memory */
void candidates_free(struct candidates *c);
DEFINE_CLEANUP(struct candidates *, candidates_free);

/* True: it told something new.  Ignored without memory or room. */
bool candidates_see(struct candidates *c, const struct candidate_record *record);

/* The candidates by host name, each host of a link once, without those that are one of
 * these machines and have a beacon.  -ENOMEM. */
int candidates_list(const struct candidates *c, const struct machine *const *machines, size_t n,
                    struct candidate_list *ret);

bool candidates_too_many(const struct candidates *c); /* a bound was reached, some are ignored */
