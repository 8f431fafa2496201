/*
 * Dialling: a TCP connection to the first of a machine's addresses that answers, with
 * a timeout, on a socket that notices when the machine has disappeared.
 */
#pragma once

#include <stdint.h>

#include "discovery/base/address.h"
#include "discovery/base/error.h"

/* Tries the addresses in order and divides the time among them.  When `cancel_fd`
 * (-1: none) becomes readable, it ends with -ECANCELED.  The socket is non-blocking
 * and belongs to the caller; `ret_peer` is the address that answered.
 * -EDESTADDRREQ without an address, -ETIMEDOUT, or an error of connect(2). */
int dial(const struct address *addresses, size_t n, uint16_t port, unsigned timeout_ms,
         int cancel_fd, struct address *ret_peer, int *ret_fd, struct error *err);
