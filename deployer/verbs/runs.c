/* `runs`: what was done, run by run, and one run step by step. */
#include <errno.h>
#include <limits.h>

#include "remembered.h"
#include "verbs.h"

int runs_report(const struct remembered *v, struct text *ret, struct error *err)
{
    const struct deploy_options *o = v->options;
    long number;

    if (o->n_arguments > 1)
        return error_set(err, -EINVAL, "'runs' takes one number at most; '%s' is one too many",
                         o->arguments[1]);
    if (o->n_arguments == 0)
        return o->json ? state_report_runs_json(v->state, ret, err)
                       : state_report_runs_text(v->state, &v->style, ret, err);
    if (parse_number(o->arguments[0], 1, LONG_MAX, &number, NULL) < 0)
        return error_set(err, -EINVAL,
                         "'%s' is not the number of a run; `dcop-deploy runs` lists them",
                         o->arguments[0]);
    return o->json ? state_report_run_json(v->state, number, ret, err)
                   : state_report_run_text(v->state, number, o->verbose, &v->style, ret, err);
}

static int run_runs(struct program *p, struct error *err)
{
    return remembered_run(p, runs_report, err);
}

const struct verb verb_runs = {
    .name = "runs",
    .arguments = "[NUMBER]",
    .help = "what was done; one run step by step",
    .run = run_runs,
};
