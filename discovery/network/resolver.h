/*
 * One question at a time to the DNS servers of /etc/resolv.conf, by libresolv: over UDP
 * with EDNS, and over TCP where an answer does not fit.
 *
 * A call blocks: over UDP with each of at most three servers for a second, then for two
 * (with more servers less each); over TCP with each for ten seconds at most.  So it belongs
 * into a thread that can be left behind.  An object belongs to one thread at a
 * time.
 */
#pragma once

#include <resolv.h>
#include <stddef.h>
#include <stdint.h>

#include "discovery/base/cleanup.h"
#include "discovery/base/error.h"

enum { RESOLVER_ANSWER_MAX = 65535 };

struct resolver {
    struct __res_state state;
    size_t size; /* of the last answer */
    uint8_t answer[RESOLVER_ANSWER_MAX];
};

/* NULL without memory. */
struct resolver *resolver_new(void);
void resolver_free(struct resolver *r);
DEFINE_CLEANUP(struct resolver *, resolver_free);

/* Asks for the records of a type (ns_t_…) that a name has.  0 and the answer; or, with a
 * message: -ENOENT there is no such name, -ENODATA it has no such record, -ETIMEDOUT nobody
 * answered, -ECONNREFUSED no server runs there, -EACCES the server refuses, -EREMOTEIO it
 * failed, -EMSGSIZE the answer came cut, -EINVAL no name. */
int resolver_ask(struct resolver *r, const char *name, int type, struct error *err);
