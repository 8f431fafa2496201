/* One run of `solve`, for the files of that verb. */
#pragma once

#include <jansson.h>
#include <systemd/sd-event.h>

#include "deployer/solve/environment.h"
#include "deployer/solve/experiment.h"
#include "deployer/solve/orchestrator.h"
#include "deployer/solve/replay.h"
#include "deployer/solve/solve.h"
#include "solve-machines.h"
#include "solve-once.h"
#include "solve-show.h"
#include "verbs.h"

struct solving {
    struct program *p;
    struct solve_environment environment;
    struct experiment experiment;
    struct solve_machines machines;
    struct solve solve;
    struct solve_show show;
    struct replay replay;
    char scenario[DIGEST_LENGTH + 1]; /* its SHA-256; "": none */
    struct text placement;            /* of a distribution in a file, or of the receipt */
    struct orchestrator *orchestrator;
    sd_event *loop;
    sd_event_source *stop[2];
    const struct solve_cast *cast; /* NULL: the machines that have the problem's names */
    unsigned port;
    bool taken; /* the port, by somebody else */
    long seed;
    int64_t began_ms;
    int signal; /* that was caught; 0: none */
    enum solve_part part;
    struct solve_outcome *outcome;
    char address[16];
};

/* Is --distribution a file's name, with a dot or a slash in it? */
bool solving_is_file(const char *distribution);

/* How many replicas each computation has: a scenario takes agents away. */
int solving_replicas(const struct deploy_options *o);

/* Makes the experiment's folder, with the problem, a placement that was given and the command. */
int solving_open(struct solving *s, struct error *err);

/* The receipt, the caller's; `result` NULL: before the run.  NULL without memory. */
json_t *solving_receipt(const struct solving *s, const json_t *result, int64_t now_ms);

/* Writes result, metrics, plot and receipt, in this order: an experiment with a receipt is
 * whole. */
int solving_keep(const struct solving *s, const json_t *result, struct error *err);
