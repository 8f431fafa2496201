/*
 * The options of a run that decide what is done (not how it is shown), recorded with
 * it in the state database and restored by --resume.
 */
#pragma once

#include "deployer/state/state.h"
#include "options.h"

/* Writes these options as "key=value", with absolute paths, so that they are valid
 * in any working directory.  -ENOMEM with words. */
int resume_wish(const struct deploy_options *o, struct strings *ret, struct error *err);

/* Fills in the options of `wish` that `o` does not have; `o` borrows from it.  -ENOMEM. */
int resume_fill(struct deploy_options *o, const struct strings *wish);

/* The unfinished part of the last run. */
struct resumption {
    struct state_run run;      /* verb and wish; the options borrow from it */
    struct state_targets left; /* machines that did not end well */
};
void resumption_clear(struct resumption *r);

/* Finds the last run and fills in the options that the command line does not
 * give, the verb too.  -ENOENT with words when there was no run. */
int resume_last(struct state *s, struct deploy_options *o, struct resumption *ret,
                struct error *err);
