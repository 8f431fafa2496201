/*
 * Watching: the roster kept on the screen, or one line per change where
 * standard output is no terminal.
 *
 * Runs on the loop of the look that it follows.  It prints; a closed pipe ends
 * the loop with -EPIPE.
 */
#pragma once

#include "discover.h"
#include "discovery/network/look.h"
#include "discovery/problem/problem.h"

struct watch;

/* Borrows its arguments.  `problem` may be NULL.  NULL without memory. */
struct watch *watch_new(const struct discover_options *options, const struct problem *problem);

/* Restores the terminal.  Call it before look_free. */
void watch_free(struct watch *w);
DEFINE_CLEANUP(struct watch *, watch_free);

/* For look_options; its `arg` is the struct watch. */
extern const struct look_listener watch_listener;
