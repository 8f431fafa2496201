/*
 * Looking a host's name up, with an end: getaddrinfo(3) has no timeout of its
 * own, and a name service that is dead holds it for half a minute.
 *
 * The look-up runs in a thread of its own, which is left behind when the time
 * is over, with memory that it then frees itself.  Blocks; any thread.
 */
#pragma once

#include <stddef.h>

#include "discovery/base/error.h"
#include "discovery/roster.h"

enum { RESOLVE_ADDRESSES_MAX = 16 };

/* The addresses of a host as place.h takes it, in the system's order, each
 * once; a numeric one needs no look-up.  The caller frees *ret.
 * -EINVAL: no valid host, or a link-local address without its interface;
 * -ENOENT: there is no such host; -ETIMEDOUT; -EIO: the name service failed;
 * -ENOMEM, -EAGAIN.  `err` says which host, why, and what to do. */
int resolve_host(const char *host, unsigned timeout_ms, struct address **ret, size_t *ret_count,
                 struct error *err);
