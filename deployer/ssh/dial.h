/*
 * Dialling: a TCP connection to whichever of a machine's addresses answers,
 * with a deadline, on a socket that notices when the machine is gone.
 */
#pragma once

#include <stdint.h>

#include "discovery/base/address.h"
#include "discovery/base/error.h"

/* Tries the addresses in order, the time shared out among them.  `cancel_fd`
 * (-1: none) becoming readable ends it with -ECANCELED.  The socket is
 * non-blocking and the caller's; `ret_peer` is the address that answered.
 * -EDESTADDRREQ without an address, -ETIMEDOUT, or what connect(2) says. */
int dial(const struct address *addresses, size_t n, uint16_t port, unsigned timeout_ms,
         int cancel_fd, struct address *ret_peer, int *ret_fd, struct error *err);
