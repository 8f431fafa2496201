/*
 * dcop-deploy's command line as one struct, parsed with one table that also
 * gives the help text.
 */
#pragma once

#include <stdbool.h>

#include "deployer/cache/choice.h"
#include "discovery/base/error.h"
#include "discovery/base/options.h"
#include "discovery/base/text.h"

/* Machines at once. */
enum { FORKS_DEFAULT = 32, FORKS_MAX = 1000 };

/* How long the first machines of a deploy are watched, with --canary: less than what the
 * machine allows a run (RuntimeMaxSec in steps/channel.sh). */
enum { HEALTHY_DEFAULT_S = 30, HEALTHY_MAX_S = 3600 };

struct deploy_options {
    const char *verb;
    char **arguments; /* of the verb; borrowed from argv */
    int n_arguments;
    struct strings problems; /* -p */
    const char *inventory;   /* -i */
    struct strings limits;   /* -l */
    const char *from;        /* a saved roster, "-" is stdin */
    const char *fleet;
    const char *domain; /* asked by unicast DNS, beside the link; NULL: none */
    const char *spec;
    const char *orchestrator;
    const char *user;
    struct strings keys;
    const char *state_dir;
    const char *config_dir;
    const char *password_file;
    const char *become_password_file;
    const char *ui;   /* pydcop-ui's files */
    const char *deps; /* "layer", "apt" or "pip"; NULL: layer */
    struct cache_choice caches;
    unsigned timeout_ms;   /* of SSH */
    unsigned discovery_ms; /* how long to look for machines; 0: as long as that is useful */
    unsigned forks;        /* 0: not given */
    const char *canary;    /* the waves that go first, for waves_parse; NULL: all at once */
    unsigned healthy_s;    /* how long they are watched; 0: HEALTHY_DEFAULT_S */
    bool browser;
    bool no_start;  /* agents that do not run are not started */
    bool set_clock; /* clocks that are ahead are set back */
    bool force,     /* also where agents are at work in a run */
        later,      /* machines that are away are queued */
        wait,       /* until they have come; also of the verb later */
        partial, strict, check, diff, resume, accept_new, ask_pass, ask_become_pass, json, quiet,
        verbose, help, version;
    /* Of single verbs: */
    struct strings cancelled;     /* later: patterns */
    unsigned lines;               /* logs */
    bool follow;                  /* logs */
    bool become;                  /* exec: as root */
    bool swap, release;           /* assign */
    bool replace, spread;         /* likewise; replace: card and import, too */
    const char *with_key;         /* export */
    const char *passphrase_file;  /* export, import */
    const char *agent;            /* enroll, card */
    bool replace_key, all;        /* enroll */
    bool purge;                   /* cache down */
    struct strings suites, archs; /* cache prime, cache check */
    struct strings layers;        /* bundle */
    const char *hostname, *wifi, *wifi_country, *wifi_password_file, *cloud_init, *preseed,
        *labels;                 /* card */
    bool undo, watch, sudo_free; /* likewise */
    const char *algorithm;       /* solve */
    const char *distribution;    /* likewise; these two NULL: chosen */
    struct strings parameters;   /* likewise: NAME:VALUE */
    unsigned time_limit_ms;      /* likewise */
    bool time_limit_given;
    unsigned repeat;      /* likewise; 0, as 1: one run */
    const char *seed;     /* likewise, a number; NULL: drawn */
    unsigned replicas;    /* likewise: --heal=K; 0: a lost agent ends the run */
    const char *scenario; /* likewise, a file; NULL: none */
    const char *output;   /* likewise, a folder; NULL: below the state folder */
    const char *replay;   /* likewise, a receipt; NULL: none */
    unsigned parallel;    /* batch: jobs at once; 0, as 1: one after another */
};

/* The options before the verb, and which verb it is; the rest of argv is its
 * arguments.  -EINVAL with words.  Strings are borrowed from argv. */
int deploy_options_parse(int argc, char **argv, struct deploy_options *ret, struct error *err);

/* The options behind the verb, which may have some of its own. */
int deploy_options_parse_verb(struct deploy_options *o, const struct option_row *own,
                              struct error *err);
void deploy_options_clear(struct deploy_options *o);
void deploy_options_help(struct text *ret);

/* The row of an option that another program has, too: it stores into a struct
 * deploy_options.  NULL: there is none of that name. */
const struct option_row *deploy_options_row(const char *name);

/* What both programs exit with: 2 for bad input, 3 for what this computer lacks; what
 * is no error stays as it is. */
int deploy_exit_code(int r);

/* --deps, or its default. */
const char *deploy_options_deps(const struct deploy_options *o);

/* Adds the settings (job.h) that any deploy with these options has: --set-clock, --no-start. */
void deploy_options_add_settings(const struct deploy_options *o, struct text *settings);

/* The list of packages.sh that a machine may fetch for it: with a layer, that of machines
 * for which there is none. */
const char *deploy_options_packages(const struct deploy_options *o);
