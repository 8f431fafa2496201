/*
 * Watching: the roster kept on the screen, or one line per change where
 * standard output is no terminal.
 *
 * Lives on the loop it is made with.  Prints; a reader that goes away ends the
 * loop with -EPIPE.
 */
#pragma once

#include <systemd/sd-event.h>

#include "discover.h"
#include "discovery/problem/problem.h"
#include "discovery/roster/roster.h"

struct watch;

/* Borrows all it is given.  `problem` may be NULL. */
int watch_new(sd_event *loop, const struct discover_options *options, const struct problem *problem,
              struct roster *roster, struct watch **ret, struct error *err);
void watch_free(struct watch *w); /* gives the terminal back */

void watch_change(struct watch *w, const struct machine *m, enum roster_change change);
void watch_daemon(struct watch *w, bool there, const char *reason);
void watch_too_many(struct watch *w); /* told once, however often it is called */
void watch_resized(struct watch *w);
