/*
 * One host name's addresses from the system's name service, with a deadline.
 *
 * getaddrinfo(3) has none: where a name server does not answer, it takes half a minute and
 * more.  getaddrinfo_a(3) does not help, since its requests cannot be cancelled once they run.
 * So each look-up has a detached thread; one that is not waited for any longer goes on until
 * getaddrinfo returns, and frees its memory.  It blocks all signals: they are the program's.
 */
#pragma once

#include <netdb.h>

#include "discovery/base/cleanup.h"
#include "discovery/base/error.h"

enum { LOOKUP_NAME_MAX = 255 };

struct lookup;

/* Starts to look up a name, for stream sockets.  -EINVAL: longer than LOOKUP_NAME_MAX; -ENOMEM,
 * -EAGAIN. */
int lookup_start(const char *name, unsigned timeout_ms, struct lookup **ret, struct error *err);

/* Waits until it is done, for `timeout_ms` after its start at most, or until `stop_fd` (-1: none)
 * is readable.  The look-up is freed in any case.  0, and the addresses in the system's order,
 * which the caller frees; -ENOENT: there is no such name; -ETIMEDOUT; -ECANCELED: by `stop_fd`;
 * -EIO: the name service failed; -ENOMEM.  `err` says which name, why, and what to do. */
int lookup_end(struct lookup *l, int stop_fd, struct addrinfo **ret, struct error *err);

/* Starts and ends one.  Blocks; any thread. */
int lookup_run(const char *name, unsigned timeout_ms, int stop_fd, struct addrinfo **ret,
               struct error *err);

DEFINE_CLEANUP(struct addrinfo *, freeaddrinfo);
