/*
 * A forward serves the connections from a machine's port to this controller,
 * each through a filter (forward-filter.h) to a cache: `tcpip-forward` of RFC
 * 4254 §7, on a port of the machine's loopback that the machine chooses.
 *
 * It runs in a session's loop and thread.  Nothing blocks; each connection has
 * bounded buffers, and a connection whose reader stalls does not delay others.  All
 * together may fetch a bounded number of bytes.
 */
#pragma once

#include <libssh/libssh.h>
#include <stdint.h>

#include "forward-filter.h"
#include "upstream.h"

enum { FORWARD_CONNECTIONS_MAX = 16 };

/* What one machine may fetch through the caches in one session: many times what a deploy needs,
 * and little of a mirror, all of which would else come to the controller's disk. */
#define FORWARD_BYTES_MAX (2ull << 30)

struct forward_options {
    const struct forward_filter_rules *rules;
    const struct upstreams *upstreams;
    uint64_t *left; /* bytes that may still be fetched, counted down; all outlive the forward */
};

struct forward;

/* NULL: no memory. */
struct forward *forward_new(ssh_session ssh, ssh_event event, const struct forward_options *o);
void forward_free(struct forward *f);

/* Takes a channel that the machine opens; false: the caller must refuse it. */
bool forward_accept(struct forward *f, ssh_message message, int64_t now_ms);

/* Moves as many bytes as possible; called outside of libssh's callbacks. */
void forward_turn(struct forward *f, int64_t now_ms);

/* The time at which it needs a turn even if nothing happens; INT64_MAX: never. */
int64_t forward_next(const struct forward *f);
