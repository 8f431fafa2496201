/*
 * The verbs of dcop-deploy, one table for help and run alike; each verb, or a
 * few that are one, has a file.
 */
#pragma once

#include "deployer/cli/program.h"
#include "discovery/base/options.h"

struct verb {
    const char *name, *arguments, *help;
    bool foresees;                    /* knows --check and --diff */
    const struct option_row *options; /* of its own; NULL: none */
    /* 0, 1 when the answer is no, or a negative errno with words. */
    int (*run)(struct program *p, struct error *err);
};

/* Ended by a NULL. */
extern const struct verb *const verbs[];

/* NULL: there is none of that name. */
const struct verb *verb_find(const char *name);

extern const struct verb verb_deploy;
extern const struct verb verb_trust, verb_forget, verb_runs, verb_cache;
extern const struct verb verb_start, verb_stop, verb_restart, verb_rollback, verb_uninstall;
extern const struct verb verb_poweroff, verb_reboot, verb_blink;
extern const struct verb verb_solve, verb_batch, verb_later;
extern const struct verb verb_doctor, verb_status, verb_exec, verb_logs, verb_assign, verb_enroll,
    verb_card, verb_export, verb_import, verb_bundle;
