/* `runs`: what waits to be done, what was done, run by run, the experiments, and one run step by
 * step. */
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "deployer/solve/experiments.h"
#include "discovery/base/cleanup.h"
#include "discovery/base/table.h"
#include "remembered.h"
#include "verbs.h"

static const struct table_column columns[] = {
    {"EXPERIMENT", true}, {"PROBLEM", false}, {"ALGORITHM", true}, {"RESULT", true}, {"COST", true},
    {"VIOLATED", false},  {"TIME", false},    {"FOLDER", false},   {NULL, false},
};

/* "2026-01-01 12:00", local, of RFC 3339 in UTC. */
static void add_time_cell(struct table *t, const json_t *experiment)
{
    const char *started = json_string_value(json_object_get(experiment, "started"));
    CLEANUP_TEXT struct text cell = TEXT_INIT;
    struct tm tm = {0};
    const char *end = started ? strptime(started, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;

    if (end && strcmp(end, "Z") == 0)
        state_report_add_time(&cell, (int64_t)timegm(&tm) * 1000);
    table_add(t, text_str(&cell), TABLE_PLAIN);
}

static void add_cell(struct table *t, const json_t *experiment, const char *key, const char *unit)
{
    const json_t *value = json_object_get(experiment, key);
    CLEANUP_TEXT struct text cell = TEXT_INIT;
    bool bad = string_equal(json_string_value(value), "failed");

    if (json_is_real(value))
        text_addf(&cell, "%.6g", json_real_value(value));
    else if (value)
        text_adds(&cell, json_is_string(value) ? json_string_value(value) : "");
    if (json_is_integer(value))
        text_addf(&cell, "%lld", (long long)json_integer_value(value));
    text_adds(&cell, value ? unit : "");
    table_add(t, text_str(&cell), bad ? TABLE_BAD : TABLE_PLAIN);
}

static void add_problem_cell(struct table *t, const json_t *experiment)
{
    CLEANUP_TEXT struct text cell = TEXT_INIT;
    const json_t *name;
    size_t i;

    json_array_foreach(json_object_get(experiment, "problem"), i, name)
    {
        text_adds(&cell, i ? " " : "");
        text_adds(&cell, json_string_value(name) ? json_string_value(name) : "");
    }
    table_add(t, text_str(&cell), TABLE_PLAIN);
}

static int add_experiments(const struct remembered *v, const json_t *experiments, struct text *ret)
{
    CLEANUP(table_clear) struct table t;
    const json_t *experiment;
    size_t i;

    table_init(&t, columns);
    t.spare = 1;
    json_array_foreach(experiments, i, experiment)
    {
        add_time_cell(&t, experiment);
        add_problem_cell(&t, experiment);
        add_cell(&t, experiment, "algorithm", "");
        add_cell(&t, experiment, "status", "");
        add_cell(&t, experiment, "cost", "");
        add_cell(&t, experiment, "violations", "");
        add_cell(&t, experiment, "time", " s");
        add_cell(&t, experiment, "folder", "");
    }
    if (i == 0)
        return 0;
    text_addc(ret, '\n');
    return table_write(&t, v->style.width, v->style.color, ret);
}

static int report_as_json(const struct remembered *v, json_t *experiments, struct text *ret,
                          struct error *err)
{
    CLEANUP_TEXT struct text runs = TEXT_INIT, later = TEXT_INIT;
    CLEANUP_FREE char *text = NULL;
    int r = state_report_runs_json(v->state, &runs, err);
    json_t *report, *queue;

    if (r == 0)
        r = state_report_later_json(v->state, &later, err);
    report = r < 0 ? NULL : json_loads(text_str(&runs), 0, NULL);
    queue = r < 0 ? NULL : json_loads(text_str(&later), 0, NULL);
    if (report && queue && json_object_set(report, "experiments", experiments) == 0 &&
        json_object_update(report, queue) == 0)
        text = json_dumps(report, JSON_COMPACT | JSON_REAL_PRECISION(15));
    json_decref(report);
    json_decref(queue);
    text_adds(ret, text ? text : "");
    text_addc(ret, '\n');
    return r < 0                          ? r
           : text && text_error(ret) == 0 ? 0
                                          : error_sys(err, -ENOMEM, "cannot show the runs");
}

/* Above the runs: what is still to be done. */
static int report_as_text(const struct remembered *v, const json_t *experiments, struct text *ret,
                          struct error *err)
{
    int r = state_report_later_text(v->state, &v->style, ret, err);

    if (r == 0 && ret->size > 0)
        text_addc(ret, '\n');
    if (r == 0)
        r = state_report_runs_text(v->state, &v->style, ret, err);
    if (r == 0 && add_experiments(v, experiments, ret) < 0)
        r = error_sys(err, -ENOMEM, "cannot show the experiments");
    return r;
}

static int report_all(const struct remembered *v, struct text *ret, struct error *err)
{
    json_t *experiments =
        v->experiments ? experiments_list(v->experiments, EXPERIMENTS_MAX) : json_array();
    int r = experiments ? 0 : error_sys(err, -ENOMEM, "cannot show the runs");

    if (r == 0 && v->options->json)
        r = report_as_json(v, experiments, ret, err);
    else if (r == 0)
        r = report_as_text(v, experiments, ret, err);
    json_decref(experiments);
    return r;
}

int runs_report(const struct remembered *v, struct text *ret, struct error *err)
{
    static const struct state_report_page whole = {0};
    const struct deploy_options *o = v->options;
    long number;

    if (o->n_arguments > 1)
        return error_set(err, -EINVAL, "'runs' takes one number at most; '%s' is one too many",
                         o->arguments[1]);
    if (o->n_arguments == 0)
        return report_all(v, ret, err);
    if (parse_number(o->arguments[0], 1, LONG_MAX, &number, NULL) < 0)
        return error_set(err, -EINVAL,
                         "'%s' is not the number of a run; `dcop-deploy runs` lists them",
                         o->arguments[0]);
    return o->json ? state_report_run_json(v->state, number, &whole, ret, err)
                   : state_report_run_text(v->state, number, o->verbose, &v->style, ret, err);
}

static int run_runs(struct program *p, struct error *err)
{
    return remembered_run(p, runs_report, err);
}

const struct verb verb_runs = {
    .name = "runs",
    .arguments = "[NUMBER]",
    .help = "what was done, experiments; one run step by step",
    .run = run_runs,
};
