/*
 * A look at the network: discovery run until the question is answered or, with
 * a listener, until a signal.  Blocks in an sd-event loop of its own; one at a
 * time in a process (it takes SIGINT, SIGTERM, SIGHUP and SIGWINCH).
 */
#pragma once

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "daemon-view.h"
#include "discovery.h"
#include "discovery/base/key.h"
#include "discovery/problem/problem.h"
#include "discovery/roster/roster.h"

/* Follows the look while it runs; each call is made from its loop. */
struct look_listener {
    /* Once, before the others; both live until look_free.  A negative result
     * ends the look. */
    int (*begin)(sd_event *loop, struct discovery *discovery, void *arg, struct error *err);
    void (*change)(const struct machine *m, enum roster_change change, void *arg);
    void (*daemon)(bool there, const char *reason, void *arg);
    /* What the Avahi daemon cannot do, in a sentence; NULL: it can again. */
    void (*lack)(enum daemon_lack lack, const char *words, void *arg);
    /* What is amiss with the domain, in a sentence; NULL: nothing any more. */
    void (*domain)(const char *words, void *arg);
    /* Likewise, why it cannot be read which machines are known. */
    void (*known)(const char *words, void *arg);
    void (*too_many)(void *arg); /* with each change, once there are too many records */
    void (*resized)(void *arg);  /* the terminal */
};

/* Strings and what is pointed to are borrowed for the look's life. */
struct look_options {
    const char *fleet;     /* NULL: all */
    const struct key *key; /* the fleet's; NULL: there is none */
    const char *known;     /* as of struct discovery_options */
    const char *domain;    /* asked by unicast DNS, beside the link; NULL: none */
    unsigned timeout_ms;   /* without a listener */
    bool patient;          /* longer than that while machines still come */
    bool keep;             /* probe again and again, to see one come back */
    bool compare;    /* until Avahi's list can be compared with what answered; without a match */
    bool strict;     /* as for match_ok */
    bool candidates; /* look for hosts without a beacon, too; not with a problem */
    const struct look_listener *listener; /* NULL: the look ends by itself */
    void *arg;                            /* the listener's */
};

struct look;

/* `problem` NULL: none.  Both are borrowed for the look's life.  Returns 0 and
 * a finished look, whose roster holds what was seen; or, with a message,
 * -ENOTCONN when there is no daemon, -ETIMEDOUT when it does not answer, else
 * the system's error.  A domain is looked at without a daemon, too.  `ret` is set whenever it could
 * be made. */
int look_run(const struct look_options *options, const struct problem *problem, struct look **ret,
             struct error *err);
void look_free(struct look *l);
DEFINE_CLEANUP(struct look *, look_free);

const struct machine *const *look_machines(struct look *l, size_t *ret_count);
int look_signal(const struct look *l);       /* the signal that ended it; 0: none */
bool look_time_was_up(const struct look *l); /* before the list was complete */
/* More machines may exist: time was up, the Avahi daemon refused to resolve some, or the
 * domain could not be asked for all. */
bool look_is_short(const struct look *l);
/* Time was up, and the Avahi daemon did not answer: only machines that answered us. */
bool look_is_without_daemon(const struct look *l);
const struct discovery *look_discovery(const struct look *l); /* what it knows besides */
bool look_too_many(const struct look *l); /* too many: some are not in the roster */
