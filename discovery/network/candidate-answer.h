/*
 * What an answer of multicast DNS says of candidates (discovery/roster/candidates.h): hosts
 * with one of their services, or with a beacon.
 *
 * Every byte may be hostile.  No sockets; one thread at a time.
 */
#pragma once

#include "discovery/roster/candidates.h"
#include "links.h"
#include "mdns-answer.h"

/* Asks for all of their services, as mdns_question_write does; the size. */
size_t candidate_question_write(uint16_t transaction, uint8_t ret[static MDNS_QUESTION_MAX]);

/* Takes what the packet from that address says; `interface`: where it came in.  True: something in
 * it is new. */
bool candidate_answer_take(struct candidates *c, const uint8_t *bytes, size_t size,
                           const struct address *from, int interface, const struct links *links);

/* The MAC address at the end of an instance's name, as Avahi makes it for _workstation._tcp:
 * "raspberrypi [b8:27:eb:00:00:01]".  False: there is none. */
bool candidate_mac_read(const char *instance, char ret[static CANDIDATE_MAC_MAX]);
