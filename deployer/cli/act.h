/*
 * Acting: one run of dcop-deploy on its targets, shown meanwhile.  The runner does
 * it; here its events become progress, Ctrl-C stops it, and a verb hears what it
 * has asked for.
 */
#pragma once

#include "deployer/run/run.h"
#include "deployer/target/target.h"

struct program;

/* A verb's own listener: `machine` is the index of the target. */
typedef void action_listener(size_t machine, const struct run_event *event, void *arg);

/* What is to be done on the targets, and who hears of it. */
struct action {
    const char *mode;            /* for the machine's side: "deploy", "status" … */
    const struct text *settings; /* more lines for it, see job.h; may be NULL */
    uint64_t output_max;         /* bytes that its command may print; 0: it runs none */
    bool scan;                   /* host keys alone, RUN_TRUSTED of each */
    bool looks;                  /* changes nothing, says what would change */
    const char *packages;        /* the list of packages.sh that it installs from; NULL: none */
    bool asks;                   /* see run.h */
    bool unrecorded;             /* it changes nothing: no entry in the history */
    bool is_repeated;            /* --resume does not know its targets, the command again does */
    bool queued;                 /* see struct run_plan */
    bool no_recap;               /* the verb itself tells the result */
    bool ahead;                  /* another action on these machines follows, which warns of them */
    const size_t *waves;         /* see struct run_plan */
    size_t n_waves;
    bool recap_as_json; /* nevertheless with --json: who reads events sees the end */
    action_listener *listener;
    void *arg;
    /* Is called before a signal that interrupted it ends the program; NULL: nothing is. */
    void (*interrupted)(void *arg);
    void *interrupted_arg;
};

/* Does it on all targets at once, shows the progress, prints the recap.  The targets are
 * moved into the jobs.  0, or 1 when not all machines ended well; a negative errno with
 * words when it could not begin.  A signal that interrupted it ends the program. */
int program_act(struct program *p, struct targets *targets, const struct action *action,
                struct error *err);
