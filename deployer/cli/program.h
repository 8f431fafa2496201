/*
 * One run of dcop-deploy: what it holds, and the phases that its verbs are
 * made of.  A verb finds its targets, sees to it that they are trusted, packs
 * what is sent, and acts; each phase returns 0, 1 when the answer is no (told
 * already), or a negative errno with words.
 */
#pragma once

#include "act.h"
#include "deployer/base/paths.h"
#include "deployer/bundle/pack.h"
#include "deployer/options/options.h"
#include "deployer/options/passwords.h"
#include "deployer/options/resume.h"
#include "deployer/progress/progress.h"
#include "deployer/state/state.h"
#include "deployer/target/fleet.h"
#include "deployer/target/target.h"
#include "discovery/match/match.h"
#include "discovery/problem/problem.h"
#include "discovery/report/roster-text.h"

/* Everything that one run of the program holds. */
struct program {
    struct deploy_options options;
    struct paths paths;
    struct state *state;
    struct problem problem;
    struct targets targets;
    struct consent consent;    /* to machines that are new */
    struct resumption resumed; /* with --resume */
    bool absent;               /* a machine that is meant is not there */
    struct passwords passwords;
    struct secret **secrets; /* those that the targets of -i borrow */
    size_t n_secrets;
    struct strings confirmed; /* host keys that a person has said yes to in this run */
    struct pack *pack;        /* what is sent; NULL: nothing */
    struct caches caches;     /* once found, which has_caches says */
    bool has_caches;
    char who[128];
};

/* `p` is {0} but for its options, which it owns from here on. */
int program_open(struct program *p, struct error *err);
void program_clear(struct program *p);

/* The machines that are meant: those that hold the agents of -p, those of -i, those
 * that -l names.  Without any of the three -EINVAL, and the machines that
 * could have been meant are listed. */
int program_find_targets(struct program *p, struct error *err);

/* Who is there, see fleet_find; ends the program by a signal that ends the looking. */
int program_find_fleet(const struct program *p, const struct problem *problem, struct fleet **ret,
                       struct error *err);

/* Who the targets are: the host keys of those that nothing is known of, one question
 * about all that have no pin, and the ids of those that have not said one.  What cannot
 * be asked is refused later, machine by machine, with the command that accepts it. */
int program_identify(struct program *p, struct error *err);

/* Fills in p->caches, once: after program_find_targets, as an inventory may name them. */
int program_find_caches(struct program *p, struct error *err);

/* What -s names, else what was deployed last, else pydcop of the Python index; the caller
 * frees it. */
int program_choose_spec(struct program *p, char **ret, struct error *err);

/* What is sent: pyDCOP and the steps, or the steps alone; `extras` too, NULL: none. */
int program_pack_pydcop(struct program *p, const struct bundle_extra *extras, struct error *err);
int program_pack_steps(struct program *p, const struct bundle_extra *extras, struct error *err);

/* -EINVAL when there are more arguments than that. */
int program_takes_arguments(const struct program *p, int most, struct error *err);
