/*
 * The bytes of multicast DNS as far as discovery needs them: questions for
 * ADVERT_TYPE and other types of service, and what an answer says about the instances of one
 * type and their hosts.
 *
 * Every byte of an answer may be hostile.  Pure; any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "discovery/advert/advert.h"
#include "discovery/base/address.h"

enum {
    MDNS_QUESTION_MAX = 256,
    MDNS_PACKET_MAX = 9000,  /* RFC 6762 §17 */
    MDNS_SERVICES_MAX = 64,  /* taken from one packet: a machine has one */
    MDNS_HOSTS_MAX = 64,     /* likewise */
    MDNS_ADDRESSES_MAX = 16, /* of one host in one packet */
    MDNS_RECORDS_MAX = 512,  /* looked at in one packet */
    MDNS_LABEL_MAX = 63,     /* RFC 1035 §2.3.4 */
    MDNS_NAME_MAX = 255,
};

/* What an answer says about one instance in `local`. */
struct mdns_service {
    char instance[MDNS_LABEL_MAX + 1];
    const uint8_t *txt; /* in the packet; NULL: not in it */
    size_t txt_size;
    bool located;                 /* a SRV record is in it: */
    uint16_t port;                /* may be 0 */
    char host[MDNS_NAME_MAX + 1]; /* "": invalid */
    uint32_t ttl;                 /* of its SRV and TXT records, the longer one; seconds */
    bool goodbye;                 /* its PTR or SRV record has TTL 0 (RFC 6762 §10.1) */
};

struct mdns_host {
    char name[MDNS_NAME_MAX + 1];
    struct address addresses[MDNS_ADDRESSES_MAX]; /* without an interface */
    size_t n_addresses;
};

struct mdns_answer {
    const char *type;     /* of the services, borrowed */
    uint16_t transaction; /* 0 in a multicast answer (RFC 6762 §18.1) */
    struct mdns_service services[MDNS_SERVICES_MAX];
    size_t n_services;
    struct mdns_host hosts[MDNS_HOSTS_MAX];
    size_t n_hosts;
};

/* Asks for all instances (PTR), or with one's name for its SRV and TXT.
 *
 * `shared`: an Avahi daemon that hears the question, this host's own too, shall ask the
 * same all the same.  Else it takes the question for its own (RFC 6762 §7.3; it does
 * so whatever port the question comes from), which saves the multicast answers. */
size_t mdns_question_write(const char *instance, uint16_t transaction, bool shared,
                           uint8_t ret[static MDNS_QUESTION_MAX]);

/* Asks for all instances of a few types, "_ssh._tcp" (RFC 6763 §4.1); those that do not fit
 * are not asked for.  The rest is as above. */
size_t mdns_types_question_write(const char *const *types, size_t count, uint16_t transaction,
                                 uint8_t ret[static MDNS_QUESTION_MAX]);

/* Reads an answer; reading stops at the first error.  False: it is not an
 * answer.  Records with TTL 0 only set `goodbye`. */
bool mdns_answer_parse(const uint8_t *bytes, size_t size, struct mdns_answer *ret);

/* The same for the services of another type than ADVERT_TYPE. */
bool mdns_answer_parse_type(const uint8_t *bytes, size_t size, const char *type,
                            struct mdns_answer *ret);

/* The addresses of a host; NULL: none are in the answer. */
const struct mdns_host *mdns_answer_host(const struct mdns_answer *a, const char *name);
