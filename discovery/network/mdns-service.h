/*
 * The bytes of multicast DNS as far as adverts need them: questions for
 * ADVERT_TYPE, and the TXT and SRV records of its instances in an answer.
 *
 * Every byte of an answer may be hostile.  Pure; any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "discovery/advert/advert.h"

enum {
    MDNS_QUESTION_MAX = 256,
    MDNS_PACKET_MAX = 9000, /* RFC 6762 §17 */
    MDNS_SERVICES_MAX = 16, /* taken from one packet: a machine has one */
    MDNS_RECORDS_MAX = 512, /* looked at in one packet */
    MDNS_LABEL_MAX = 63,    /* RFC 1035 §2.3.4 */
    MDNS_NAME_MAX = 255,
};

struct mdns_service {
    char instance[MDNS_LABEL_MAX + 1];
    const uint8_t *txt; /* in the packet; NULL: not in it */
    size_t txt_size;
    uint16_t port;                /* 0: not in it */
    char host[MDNS_NAME_MAX + 1]; /* "": not in it */
};

/* Asks for all instances (PTR), or with one's name for its SRV and TXT. */
size_t mdns_question_write(const char *instance, uint8_t ret[static MDNS_QUESTION_MAX]);

/* Reads the instances in `local` that an answer describes; reading stops at the
 * first error.  Goodbye records (TTL 0) are skipped.  Returns how many. */
size_t mdns_services_read(const uint8_t *bytes, size_t size,
                          struct mdns_service ret[static MDNS_SERVICES_MAX]);
