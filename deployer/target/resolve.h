/*
 * The addresses of hosts that a person has written, by look-ups with a timeout
 * (base/lookup.h).  Blocks; any thread.
 */
#pragma once

#include <stddef.h>

#include "discovery/base/address.h"
#include "discovery/base/error.h"

enum { RESOLVE_ADDRESSES_MAX = 16, RESOLVE_AT_ONCE = 64 };

/* The addresses of a host (see destination_host_valid), in the system's order, each once;
 * an address needs no look-up.  The caller frees *ret.
 * -EINVAL: not a valid host, or a link-local address without its interface;
 * -ENOENT: there is no such host; -ETIMEDOUT; -EIO: the name service failed;
 * -ENOMEM, -EAGAIN.  `err` says which host, why, and what to do. */
int resolve_host(const char *host, unsigned timeout_ms, struct address **ret, size_t *ret_count,
                 struct error *err);

/* The same for many hosts, RESOLVE_AT_ONCE of them at a time, each within `timeout_ms` of
 * its own start: a name server that does not answer delays a class no longer than one
 * machine.  found[i] is the result of resolve_host for hosts[i]; the caller frees each of
 * `addresses`. */
struct resolved {
    struct address *addresses;
    size_t count;
    int code; /* 0, or a negative errno with a message in `err` */
    struct error err;
};
void resolve_hosts(const char *const *hosts, size_t count, unsigned timeout_ms,
                   struct resolved *found);
