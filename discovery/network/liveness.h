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

/* An unplugged machine is reported at most EVERY + ASK + TCP = 9 s later; where there
 * are more than EVERY / PACE = 100 machines, each is probed more seldom, so that a
 * thousand cost the network and this host no more than a hundred.  On a Wi-Fi that loses
 * a fifth of all packets, one query and its answer arrive in 64 of 100 cases: a machine
 * that was there is asked some 14 times before it counts as gone. */
enum {
    LIVENESS_EVERY_MS = 4000,
    LIVENESS_PACE_MS = 40,          /* between two probes, on average, at most so often */
    LIVENESS_SELDOM_MS = 60 * 1000, /* however many there are, or are invented */
    LIVENESS_ASK_MS = 3000,         /* for one that was there: all queries together … */
    LIVENESS_FIRST_ASK_MS = 600,    /* … and for one that was not */
    LIVENESS_AGAIN_MS = 200,        /* between two queries */
    LIVENESS_TCP_MS = 2000,
    LIVENESS_TCP_EVERY_MS = 5000,
    LIVENESS_TCP_MAX = 64, /* connections in flight; others wait their turn */
};

struct liveness;

struct liveness_listener {
    /* After each probe, changed or not; `from` is the address that answered, NULL:
     * unknown or none.  May forget this machine, no other. */
    void (*result)(const struct machine_key *key, bool online, const struct address *from,
                   void *arg);
    /* It has not answered the first queries: it may have moved. */
    void (*missed)(const struct machine_key *key, void *arg);
    void *arg;
};

/* `again`: probe each machine every LIVENESS_EVERY_MS; else once.  `ret` may not
 * outlive the loop. */
int liveness_new(sd_event *loop, bool again, const struct liveness_listener *listener,
                 struct liveness **ret, struct error *err);
void liveness_free(struct liveness *l);
DEFINE_CLEANUP(struct liveness *, liveness_free);

/* Stores the machine's addresses, port and instance; a machine that is new here is probed
 * soon.  A probe that is under way begins anew when the addresses change.
 * -ENOMEM. */
int liveness_watch(struct liveness *l, const struct machine *m);
void liveness_forget(struct liveness *l, const struct machine_key *key);

/* It answered a question of ours from this address, so it need not be probed now. */
void liveness_answered(struct liveness *l, const struct machine_key *key,
                       const struct address *from);
void liveness_probe_now(struct liveness *l, const struct machine_key *key);

/* Machines whose first probe has no result yet. */
size_t liveness_unknown(const struct liveness *l);

/* Has a probe of this machine ended yet? */
bool liveness_is_known(const struct liveness *l, const struct machine_key *key);
