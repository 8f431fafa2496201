/*
 * An experiment is a folder: the problem's files, the command, the result, the metrics, logs,
 * and a receipt, by which it can be repeated.
 *
 *     problem/NAME       each file of the problem, as it was
 *     distribution.yaml  that of a file, if one was given
 *     command            what was typed, one line
 *     result.json, metrics.csv, plot.svg (cost against time), receipt.json
 *     orchestrator.log, logs/MACHINE.log
 *
 * The names of files come from people and machines: slashes and the like are replaced.
 */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "deployer/base/paths.h"
#include "discovery/base/digest.h"
#include "discovery/base/error.h"
#include "discovery/base/text.h"

/* A value: experiment_open, experiment_clear. */
struct experiment {
    char *folder;
    json_t *files;       /* of the receipt: [{name, sha256}] */
    struct text problem; /* the files, joined as pyDCOP joins them */
};

#define EXPERIMENT_SCENARIO "scenario.yaml" /* a copy of it in the folder */

enum { EXPERIMENT_PROBLEM_MAX = 64 * 1024 * 1024, EXPERIMENT_SCENARIO_MAX = 1024 * 1024 };

/* Makes the folder: `output`, or STATE/experiments/TIME-PROBLEM.  -EINVAL for an `output` that
 * holds an experiment already. */
int experiment_open(const struct paths *paths, const char *output, const char *problem_name,
                    int64_t now_ms, struct experiment *ret, struct error *err);
void experiment_clear(struct experiment *e);

/* For one elsewhere: a link to it among those of the state folder, for lists.  One that cannot
 * be made is only not listed. */
void experiment_link(const struct experiment *e, const struct paths *paths,
                     const char *problem_name, int64_t now_ms);

/* Reads the files, and keeps copies.  Errors of file_read and file_write. */
int experiment_take_problem(struct experiment *e, const struct strings *files, struct error *err);

/* NAME is ours; one of a log may come from anywhere. */
int experiment_write(const struct experiment *e, const char *name, const void *bytes, size_t size,
                     struct error *err);
int experiment_write_json(const struct experiment *e, const char *name, const json_t *value,
                          struct error *err);
/* logs/MACHINE.log, or one with a number where that exists. */
int experiment_write_log(const struct experiment *e, const char *machine, const struct text *log,
                         struct error *err);

/* Appends a name for a file: letters, digits, ".", "_" and "-" stay, all else becomes "_". */
void experiment_add_name(const char *name, struct text *ret);

/* Appends a time in UTC as RFC 3339 has it. */
void experiment_add_time(int64_t ms, struct text *ret);

/* A command as a shell would read it; users and passwords in its URLs are "***". */
void experiment_add_command(const struct strings *words, struct text *ret);
