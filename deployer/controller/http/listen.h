/*
 * Where the service listens, and under which names browsers may know it.
 */
#pragma once

#include <stdint.h>

#include "discovery/base/error.h"
#include "discovery/base/text.h"

/* "ADDRESS[:PORT]", IPv6 in brackets: a socket that listens; `ret_host` is the
 * address as a URL has it (the caller frees).  -EINVAL: it is no address;
 * -EADDRINUSE and the like with words. */
int listen_open(const char *where, uint16_t port, int *ret_fd, uint16_t *ret_port, char **ret_host,
                struct error *err);

/* The hosts that admission.h is to know: those given, the address, and for loopback
 * "localhost" and both loopback addresses; for a wildcard all addresses of this
 * computer.  -ENOMEM. */
int listen_hosts(const char *host, const struct strings *given, struct strings *ret);

/* The token in that file, 64 hex digits; made with mode 0600 where there is
 * none.  -EPERM when others may read it. */
int token_read(const char *path, char ret[static 65], struct error *err);
