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
    struct targets away;       /* with --later: selected, known by their ids, and not there */
    struct consent consent;    /* to machines that are new */
    struct resumption resumed; /* with --resume */
    bool absent;               /* a selected machine is not there */
    bool impostor;             /* a machine passes for another; it got nothing */
    bool incomplete;           /* there may be more machines to select */
    struct passwords passwords;
    struct secret **secrets; /* those that the targets of -i borrow */
    size_t n_secrets;
    struct strings command;           /* as it was typed */
    struct strings revoked;           /* host keys that known_hosts revokes (known_hosts_revoked) */
    bool has_revoked;                 /* the usual files were read for them: */
    struct strings usual_known_hosts; /* those of them that can be read */
    struct strings confirmed;         /* host keys that a person has said yes to in this run */
    char *spec;                       /* what -s names, absolute */
    struct pack *pack;                /* what is sent; NULL: nothing */
    struct caches caches;             /* once found, which has_caches says */
    bool has_caches;
    char who[128];
};

/* `p` is {0} but for its options, which it owns from here on. */
int program_open(struct program *p, struct error *err);
void program_clear(struct program *p);

/* The selected machines: those that hold the agents of -p, those of -i, those that -l
 * names.  -EINVAL without any of the three; then it lists the machines that can be
 * selected. */
int program_find_targets(struct program *p, struct error *err);

/* The machines that are there, see fleet_find; a signal that ends the discovery ends
 * the program. */
int program_find_fleet(const struct program *p, const struct problem *problem, struct fleet **ret,
                       struct error *err);

/* Identifies the targets: finds those that were met at their address before, reads the host
 * keys of the others, and asks one question about all that have no pin.  Where nobody can be asked,
 * each machine is refused later, with the command that accepts it. */
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
