/*
 * What a run was asked for, kept with it in the state database, and taken up
 * again by --resume: the options that decide what is done, not how it is shown.
 */
#pragma once

#include "deployer/state/state.h"
#include "options.h"

/* Writes the options that count as "key=value", paths made absolute, so that
 * they hold in any folder.  -ENOMEM with words. */
int resume_wish(const struct deploy_options *o, struct strings *ret, struct error *err);

/* What is left of the last run. */
struct resumption {
    struct state_run run;      /* verb and wish; the options borrow from it */
    struct state_targets left; /* machines that did not end well */
};
void resumption_clear(struct resumption *r);

/* Finds the last run and fills in the options that the command line does not
 * give, the verb too.  -ENOENT with words when there was no run. */
int resume_last(struct state *s, struct deploy_options *o, struct resumption *ret,
                struct error *err);
