/*
 * Whether agents that listen can be reached: from this computer, and from another machine
 * of the run.  Each machine, once reached, is tried by the next one of the run that gets so
 * far, over that one's SSH connection; so nobody waits for another.
 *
 * All of it belongs to the worker that runs the job, but the place where machines leave
 * themselves for the next one.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "deployer/ssh/session.h"
#include "discovery/network/links.h"

enum { REACH_NAME_MAX = 64 };

/* Where agents listen: on `count` ports from `port` on. */
struct reach {
    struct address address;
    uint16_t port;
    unsigned count; /* 0: nothing is known */
    char name[REACH_NAME_MAX];
};

/* Holds the machine that was reached last; owned by the run, freed with reach_place_clear
 * when no job runs any more. */
struct reach_place {
    _Atomic(struct reach *) last;
};
void reach_place_clear(struct reach_place *place);

/* "ADDRESS PORT COUNT", as the step `alive` says it: IPv4, and the agents' own ports.  -EINVAL. */
int reach_parse(const char *said, struct reach *ret);

/* A machine does not decide what this computer, or another machine, connects to: only where SSH
 * reached it (`peer`), what a person gave (`given`, NULL: nothing), or an address on a link of
 * this computer that is not its own.  -EREMOTEIO with words for any other. */
int reach_check(const struct reach *reach, const struct address *peer, const char *given,
                const struct links *links, struct error *err);

/* Connects to each port from here, then over the session to the machine that was reached
 * before, and leaves this one in its place.  `place` may be NULL: from here only.  A
 * negative errno with the reason and what to do. */
int reach_try(const struct reach *reach, struct reach_place *place, struct session *s,
              int cancel_fd, struct error *err);
