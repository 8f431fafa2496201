/*
 * Liveness finds out whether machines are still there.  Avahi says nothing when
 * a plug is pulled (its records stay valid for up to 75 minutes), so each
 * machine is asked: first by a unicast mDNS query, which leaves no trace in its
 * logs, and where two of those get no answer by a TCP connection to its SSH
 * port, at most every LIVENESS_TCP_EVERY_MS.  That connection does not count
 * where another machine has answered a query at the same address: then an old
 * record names an address that another machine has now.
 *
 * Runs on the caller's sd-event loop and in its thread; never blocks.  An
 * answer counts when its transaction id and its source address both fit.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <systemd/sd-event.h>

#include "discovery/base/error.h"
#include "discovery/roster/roster.h"

/* An unplugged machine is reported at most EVERY + 2 * ASK + TCP = 8 s
 * later. */
enum {
    LIVENESS_EVERY_MS = 4000,
    LIVENESS_ASK_MS = 1000,      /* patience per query … */
    LIVENESS_FIRST_ASK_MS = 300, /* … and for a machine not heard of yet */
    LIVENESS_TCP_MS = 2000,
    LIVENESS_TCP_EVERY_MS = 5000,
    LIVENESS_TCP_MAX = 64, /* connections in flight; others wait their turn */
};

struct liveness;

/* Called after each probe, changed or not; may forget this machine, no other. */
typedef void liveness_listener(const char *id, const char *hostkey, bool online, void *arg);

/* `again`: probe each machine every LIVENESS_EVERY_MS; else once.  `ret` may not
 * outlive the loop. */
int liveness_new(sd_event *loop, bool again, liveness_listener *listener, void *arg,
                 struct liveness **ret, struct error *err);
void liveness_free(struct liveness *l);
DEFINE_CLEANUP(struct liveness *, liveness_free);

/* Stores the machine's addresses and port; a machine that is new here is probed
 * at once.  -ENOMEM. */
int liveness_watch(struct liveness *l, const struct machine *m);
void liveness_forget(struct liveness *l, const char *id, const char *hostkey);
void liveness_probe_now(struct liveness *l, const char *id, const char *hostkey);

/* Machines whose first probe has no result yet. */
size_t liveness_unknown(const struct liveness *l);

/* Has a probe of this machine ended yet? */
bool liveness_is_known(const struct liveness *l, const char *id, const char *hostkey);
