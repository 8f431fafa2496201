/*
 * Where the service listens, which host names it accepts, and its token.
 */
#pragma once

#include <stdint.h>

#include "discovery/base/error.h"
#include "discovery/base/text.h"

/* Listens on "ADDRESS[:PORT]", IPv6 in brackets.  `ret_host` is the address in the form
 * of a URL (the caller frees it).  -EINVAL: not an address; -EADDRINUSE and the like
 * with a message. */
int listen_open(const char *where, uint16_t port, int *ret_fd, uint16_t *ret_port, char **ret_host,
                struct error *err);

/* The hosts for admission.h: those given and the address; for loopback also "localhost"
 * and both loopback addresses; for a wildcard all addresses of this computer.  -ENOMEM. */
int listen_hosts(const char *host, const struct strings *given, struct strings *ret);

/* Reads the token, 64 hex digits, from that file; makes the file with mode 0600 if it
 * does not exist.  -EPERM if other users can read it. */
int token_read(const char *path, char ret[static 65], struct error *err);
