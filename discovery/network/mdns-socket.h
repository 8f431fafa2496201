/*
 * Sockets that ask single machines by unicast mDNS (RFC 6762 §5.5) whether they
 * are online, and report who answers.
 *
 * Runs on the caller's sd-event loop and in its thread; never blocks.  It does
 * not remember the questions: the listener checks whether transaction and
 * address match one.
 */
#pragma once

#include <stdint.h>
#include <systemd/sd-event.h>

#include "discovery/base/error.h"
#include "discovery/roster/roster.h"

struct mdns_socket;

typedef void mdns_listener(uint16_t transaction, const struct address *peer, void *arg);

/* `answer`: a response with a record came from `peer`.  `unreachable`: an ICMP
 * error came back for a query to `peer`.  Neither may free the socket.  Fails
 * when there is neither IPv4 nor IPv6. */
int mdns_socket_new(sd_event *loop, mdns_listener *answer, mdns_listener *unreachable, void *arg,
                    struct mdns_socket **ret, struct error *err);
void mdns_socket_free(struct mdns_socket *s);
DEFINE_CLEANUP(struct mdns_socket *, mdns_socket_free);

/* Asks for the SRV record of an instance (see mdns_probe_write).  A query that cannot be sent is
 * lost, as on the network. */
void mdns_socket_ask(const struct mdns_socket *s, const char *instance, uint16_t transaction,
                     const struct address *to);
