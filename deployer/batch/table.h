/*
 * What all jobs of a batch have come to: one CSV, and a plot of costs by parameter.
 *
 * A result is what a job's receipt says; NULL: the job is not done.  Results are by the index of
 * the job.  Pure; any thread.
 */
#pragma once

#include <jansson.h>

#include "plan.h"

/* Whether the job is not to be run again: it has a result, or has generated its file. */
bool batch_result_is_done(const json_t *result);

/* Appends a heading and a row for each job that has a result, in the order of the jobs: RFC 4180.
 * -ENOMEM. */
int batch_table_csv(const struct batch_plan *p, json_t *const *results, struct text *ret);

/* Appends an SVG: mean cost with its standard deviation for each choice of parameters that
 * differ, one series for each problem.  -ENOMEM. */
int batch_table_plot(const char *title, const struct batch_plan *p, json_t *const *results,
                     struct text *ret);

/* Appends the options of a job, those alone that differ among the jobs: "dsa variant:A". */
void batch_table_choice(const struct batch_plan *p, const struct batch_job *j, struct text *ret);
