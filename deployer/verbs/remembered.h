/*
 * The verbs that need no machine, only the state database: trust, forget, runs,
 * later without --wait.
 * What they say is in `ret`, for standard output; apart from the printing, so
 * that tests compare it whole.
 */
#pragma once

#include "deployer/options/options.h"
#include "deployer/state/report.h"

struct program;

struct remembered {
    struct state *state;
    const struct deploy_options *options; /* arguments, json, verbose, check */
    const char *experiments;              /* the folder of `solve`; NULL: none */
    struct terminal_style style;
};

/* 0, 1 when the answer is no, or a negative errno with words: -EINVAL for bad
 * usage, -ENOENT for what is not there. */
typedef int remembered_verb(const struct remembered *v, struct text *ret, struct error *err);

remembered_verb trust_report, forget_report, runs_report, later_report;

/* Runs it and prints what it says. */
int remembered_run(struct program *p, remembered_verb *verb, struct error *err);

/* The one id that is meant by an id, a host or an agent's name.  -ENOENT, with
 * what there is; -EINVAL when it could be several. */
int remembered_find(struct state *s, const char *word, char **ret_id, struct error *err);

/* -EINVAL with --check, which these verbs do not support. */
int remembered_changes(const struct remembered *v, struct error *err);
