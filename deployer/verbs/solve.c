/* `solve`: its options, and one run or several. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "deployer/solve/solve.h"
#include "discovery/base/process.h"
#include "solve-once.h"
#include "solve-repeat.h"
#include "verbs.h"

OPTION_ONE(struct deploy_options, algorithm)
OPTION_ONE(struct deploy_options, distribution)
OPTION_ONE(struct deploy_options, output)
OPTION_ONE(struct deploy_options, replay)
OPTION_ONE(struct deploy_options, scenario)
OPTION_LIST(struct deploy_options, parameters)

static int set_time_limit(void *into, const char *value, struct error *err)
{
    struct deploy_options *o = into;
    unsigned *ms = &o->time_limit_ms;
    int r = parse_seconds(value, ms, err);

    o->time_limit_given = true;
    return r == 0 && *ms == 0 ? error_set(err, -EINVAL, "a run needs more than 0 s") : r;
}

static int set_seed(void *into, const char *value, struct error *err)
{
    long seed;
    int r = parse_number(value, 0, INT_MAX, &seed, err);

    if (r == 0)
        ((struct deploy_options *)into)->seed = value;
    return r;
}

static int set_repeat(void *into, const char *value, struct error *err)
{
    long count;
    int r = parse_number(value, 1, SOLVE_REPEAT_MAX, &count, err);

    if (r == 0)
        ((struct deploy_options *)into)->repeat = (unsigned)count;
    return r;
}

static int set_heal(void *into, const char *value, struct error *err)
{
    long replicas = 1;
    int r = value ? parse_number(value, 1, SOLVE_REPLICAS_MAX, &replicas, err) : 0;

    if (r == 0)
        ((struct deploy_options *)into)->replicas = (unsigned)replicas;
    return r;
}

static const struct option_row solve_options[] = {
    {'a', "algo", OPTION_REQUIRED, "NAME",
     "pyDCOP's algorithm; default: dpop where it fits,\nelse mgm", set_algorithm},
    {0, "param", OPTION_REQUIRED, "NAME:VALUE", "of the algorithm; may be repeated",
     set_parameters},
    {'d', "distribution", OPTION_REQUIRED, "NAME|FILE",
     "pyDCOP's, or a file (its name has a dot or a /);\n"
     "default: oneagent where there are enough agents,\n"
     "else adhoc",
     set_distribution},
    {0, "time-limit", OPTION_REQUIRED, "S", "end the run then; default 60", set_time_limit},
    {0, "seed", OPTION_REQUIRED, "N", "of all random numbers; default: drawn", set_seed},
    {0, "repeat", OPTION_REQUIRED, "N",
     "N runs, with --seed and the seeds after it; with\n-o each in DIR/seed-N", set_repeat},
    {0, "heal", OPTION_OPTIONAL, "K",
     "go on when up to K agents or machines are lost at\nonce: K replicas of each computation; "
     "default 1",
     set_heal},
    {0, "scenario", OPTION_REQUIRED, "FILE",
     "remove agents as pyDCOP's scenario says; the run\nheals (--heal=1, if not given)",
     set_scenario},
    {'o', "output", OPTION_REQUIRED, "DIR",
     "the experiment's folder; default: a new one in\nexperiments of the state folder", set_output},
    {0, "replay", OPTION_REQUIRED, "RECEIPT",
     "the same run again, of this receipt.json or of its\nfolder; says what is not as it was",
     set_replay},
    {0, NULL, OPTION_NONE, NULL, NULL, NULL},
};

static int run_solve(struct program *p, struct error *err)
{
    CLEANUP(solve_outcome_clear) struct solve_outcome outcome = {0};
    int signal = 0, r = program_takes_arguments(p, 0, err);

    if (r == 0 && p->options.repeat > 1) {
        r = solve_repeat(p, &signal, err);
    } else if (r == 0) {
        r = solve_once(p, SOLVE_ALONE, NULL, &outcome, err);
        signal = outcome.signal;
    }
    if (signal) {
        (void)fflush(stdout);
        program_clear(p);
        process_end_by_signal(signal);
    }
    return r;
}

const struct verb verb_solve = {
    .name = "solve",
    .arguments = "-p PROBLEM [-a ALGO]",
    .help = "solve the problem on its agents' machines",
    .options = solve_options,
    .run = run_solve,
};
