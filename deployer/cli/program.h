/*
 * One run of dcop-deploy: what it holds, and the phases that its verbs are
 * made of.  A verb finds its targets, sees to it that they are trusted, packs
 * what is sent, and acts; each phase returns 0, 1 when the answer is no (told
 * already), or a negative errno with words.
 */
#pragma once

#include <stdio.h>
#include <systemd/sd-event.h>

#include "act.h"
#include "deployer/base/paths.h"
#include "deployer/base/secret.h"
#include "deployer/bundle/bundle.h"
#include "deployer/bundle/delta.h"
#include "deployer/options/options.h"
#include "deployer/options/resume.h"
#include "deployer/progress/progress.h"
#include "deployer/state/state.h"
#include "deployer/target/target.h"
#include "deployer/wheel/wheel.h"
#include "discovery/match/match.h"
#include "discovery/problem/problem.h"
#include "discovery/report/roster-text.h"

/* Everything that one run of the program holds. */
struct program {
    struct deploy_options options;
    struct paths paths;
    sd_event *loop;
    struct state *state;
    struct problem problem;
    struct targets targets;
    struct consent consent;         /* to machines that are new */
    struct resumption resumed;      /* with --resume */
    bool absent;                    /* a machine that is meant is not there */
    struct secret *password;        /* to log in with; NULL: none */
    struct secret *become_password; /* sudo's; NULL: none */
    struct secret **secrets;        /* those that the targets of -i borrow */
    size_t n_secrets;
    struct strings confirmed; /* host keys that a person has said yes to in this run */
    char *spec;
    struct wheel_set wheels;
    struct bundle bundle;
    struct text bundle_bytes;
    struct bundle_deltas deltas;
    char who[128], errand[STEPWIRE_NONCE_LENGTH + 1];
};

/* `p` is {0} but for its options, which it owns from here on. */
int program_open(struct program *p, struct error *err);
void program_clear(struct program *p);

/* The machines that are meant: those that hold the agents of -p, those of -i, those
 * that -l names.  Without any of the three -EINVAL, and the machines that
 * could have been meant are listed. */
int program_find_targets(struct program *p, struct error *err);

/* Machines that have no pin yet: their fingerprints and one question for all.
 * What cannot be asked is refused later, machine by machine, with the command
 * that accepts it. */
int program_ask_about_new(struct program *p, struct error *err);

/* Takes passwords from the environment and from files, and asks for those that
 * are to be asked for. */
int program_take_passwords(struct program *p, struct error *err);

/* What is sent: pyDCOP and the steps, or the steps alone; `extras` too, NULL: none. */
int program_pack_pydcop(struct program *p, const struct bundle_extra *extras, struct error *err);
int program_pack_steps(struct program *p, const struct bundle_extra *extras, struct error *err);

/* Drops what was packed, so that something else can be. */
void program_unpack(struct program *p);

/* What is to be done on the targets, and who hears of it. */
struct action {
    const char *mode;            /* for the machine's side: "deploy", "status" … */
    const struct text *settings; /* more lines for it, see job.h; may be NULL */
    bool scan;                   /* host keys alone: a deployment_listener hears "hostkey" */
    bool looks;                  /* changes nothing, says what would change */
    bool fetches;                /* machines may want packages: the caches are for them */
    bool unrecorded;             /* it changes nothing: no entry in the history */
    bool no_recap;               /* the verb itself tells the result */
    deployment_listener *listener;
    void *arg;
};

/* Does it on all targets at once, shows the progress, prints the recap. */
int program_act(struct program *p, const struct action *action, struct error *err);

/* For what verbs print. */
void program_put(FILE *to, const struct text *t);
bool program_wants_color(int fd);
struct report_style program_style_of(int fd);
