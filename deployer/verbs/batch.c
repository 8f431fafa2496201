/* `batch`: the jobs of a batch file, one run after another or several at once, and one table over
 * all. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "batch-generate.h"
#include "batch-parallel.h"
#include "deployer/solve/experiment.h"
#include "deployer/solve/solve.h"
#include "discovery/base/clock.h"
#include "discovery/base/file.h"
#include "discovery/base/process.h"
#include "discovery/base/terminal.h"
#include "solve-show.h"
#include "verbs.h"

enum {
    TRIES = 6, /* of a job for which the machines are not ready: an agent starts again after one
                  that failed, and an orchestrator whose batch was killed stops its agents */
    TRY_AGAIN_MS = 5000,
    TIME_LIMIT_MS = 60000,
};

OPTION_ONE(struct deploy_options, output)

static int set_seed(void *into, const char *value, struct error *err)
{
    long seed;
    int r = parse_number(value, 0, INT_MAX / 2, &seed, err);

    if (r == 0)
        ((struct deploy_options *)into)->seed = value;
    return r;
}

static int set_parallel(void *into, const char *value, struct error *err)
{
    long most = BATCH_PARALLEL_MAX;
    int r = value ? parse_number(value, 1, BATCH_PARALLEL_MAX, &most, err) : 0;

    if (r == 0)
        ((struct deploy_options *)into)->parallel = (unsigned)most;
    return r;
}

static const struct option_row batch_options[] = {
    {'o', "output", OPTION_REQUIRED, "DIR",
     "the batch's folder; default: batches/NAME of the\nstate folder", set_output},
    {0, "seed", OPTION_REQUIRED, "N", "of iteration 0, N+1 of the next …; default: drawn\nand kept",
     set_seed},
    {0, "parallel", OPTION_OPTIONAL, "N",
     "several jobs at once (N at most), each on machines\nof its own", set_parallel},
    {0, NULL, OPTION_NONE, NULL, NULL, NULL},
};

static void batching_clear(struct batching *b)
{
    batch_state_clear(&b->state);
    batch_plan_clear(&b->plan);
}

/* --- before the first job -------------------------------------------------------- */

static int check_usage(const struct program *p, struct error *err)
{
    const struct deploy_options *o = &p->options;

    if (o->n_arguments == 0)
        return error_set(err, -EINVAL, "say which batch: dcop-deploy batch FILE");
    if (o->problems.count > 0)
        return error_set(err, -EINVAL, "'batch' has its problems from its file; do not give -p");
    if (strcmp(o->arguments[0], "-") == 0)
        return error_set(err, -EINVAL, "'batch' keeps a copy of the batch, so it needs a file");
    return program_takes_arguments(p, 1, err);
}

/* "comparison" of "/a/comparison.yaml". */
static int default_folder(const struct program *p, const char *file, char **ret, struct error *err)
{
    const char *slash = strrchr(file, '/'), *base = slash ? slash + 1 : file;
    const char *dot = strrchr(base, '.');
    CLEANUP_FREE char *name =
        strndup(base, dot && dot != base ? (size_t)(dot - base) : strlen(base));
    CLEANUP_TEXT struct text path = TEXT_INIT;

    text_addf(&path, "%s/batches/", p->paths.state);
    if (name)
        experiment_add_name(name, &path);
    *ret = name ? text_take(&path) : NULL;
    return *ret ? 0 : error_sys(err, -ENOMEM, "cannot keep the batch");
}

static int open_batch(struct batching *b, struct error *err)
{
    const struct deploy_options *o = &b->p->options;
    CLEANUP_FREE char *folder = NULL;
    long seed = solve_seed(o);
    /* What is wrong with it is told before anything is made. */
    int r = batch_plan_read(b->file, seed, &b->plan, err);

    if (r == 0)
        r = o->output ? 0 : default_folder(b->p, b->file, &folder, err);
    if (r == 0)
        r = batch_state_open(o->output ? o->output : folder, b->file, seed, o->seed != NULL,
                             &b->state, err);
    if (r == 0 && b->state.seed != seed) {
        batch_plan_clear(&b->plan);
        r = batch_plan_read(b->file, b->state.seed, &b->plan, err);
    }
    return r == 0 ? batch_state_load(&b->state, &b->plan, err) : r;
}

/* --- what is shown --------------------------------------------------------------- */

static void show_notes(const struct batching *b)
{
    for (size_t i = 0; i < b->plan.notes.count && !b->p->options.quiet; i++) {
        CLEANUP_TEXT struct text line = TEXT_INIT;

        text_adds(&line, "Note: ");
        text_add_printable(&line, b->plan.notes.items[i]);
        text_addc(&line, '\n');
        terminal_put(stderr, &line);
    }
}

static void show_begin(const struct batching *b)
{
    size_t done = batch_state_done(&b->state);

    show_notes(b);
    if (b->p->options.json)
        solve_show_json(json_pack("{s:s, s:I, s:I, s:I, s:s}", "event", "batch", "jobs",
                                  (json_int_t)b->plan.count, "done", (json_int_t)done, "seed",
                                  (json_int_t)b->state.seed, "folder", b->state.folder));
    else if (done > 0 && !b->p->options.quiet)
        fprintf(stderr, "%zu of %zu jobs are done.\n", done, b->plan.count);
}

/* "3/8  graph_coloring1  dsa variant:A  seed 7" */
static void add_job(const struct batching *b, size_t i, struct text *ret)
{
    const struct batch_job *j = &b->plan.jobs[i];
    CLEANUP_TEXT struct text choice = TEXT_INIT;

    batch_table_choice(&b->plan, j, &choice);
    text_addf(ret, "%zu/%zu  ", i + 1, b->plan.count);
    text_add_printable(ret, *j->problem ? j->problem : j->set);
    text_adds(ret, "  ");
    text_add_printable(ret, text_str(&choice));
    if (j->command == BATCH_SOLVE)
        text_addf(ret, "  seed %ld", j->seed);
    else
        text_addf(ret, "  %u", j->iteration);
}

void batching_show_job(const struct batching *b, size_t i)
{
    CLEANUP_TEXT struct text line = TEXT_INIT;
    const struct batch_job *j = &b->plan.jobs[i];

    if (b->p->options.json) {
        json_t *options = json_object();

        for (size_t k = 0; k < j->options.count; k++)
            (void)json_object_set_new(options, j->options.items[k],
                                      json_string(j->values.items[k]));
        solve_show_json(json_pack("{s:s, s:I, s:I, s:s, s:s, s:s, s:I, s:I, s:o}", "event", "job",
                                  "job", (json_int_t)i + 1, "of", (json_int_t)b->plan.count, "set",
                                  j->set, "batch", j->batch, "problem", j->problem, "iteration",
                                  (json_int_t)j->iteration, "seed", (json_int_t)j->seed, "options",
                                  options));
        return;
    }
    if (b->p->options.quiet)
        return;
    add_job(b, i, &line);
    text_addc(&line, '\n');
    terminal_put(stderr, &line);
}

static void show_result(const struct batching *b, size_t i)
{
    const json_t *result = b->state.results[i];
    CLEANUP_TEXT struct text line = TEXT_INIT;

    if (b->p->options.json) {
        json_t *event = result ? json_deep_copy(result) : json_object();

        (void)json_object_set_new(event, "event", json_string("job_ended"));
        (void)json_object_set_new(event, "job", json_integer((json_int_t)i + 1));
        (void)json_object_set_new(event, "folder", json_string(b->plan.jobs[i].name));
        solve_show_json(event);
        return;
    }
    add_job(b, i, &line);
    text_adds(&line, ": ");
    solve_result_line(result, &line);
    text_addc(&line, '\n');
    terminal_put(stdout, &line);
    (void)fflush(stdout);
}

static void show_end(const struct batching *b, bool interrupted)
{
    size_t done = batch_state_done(&b->state);
    CLEANUP_TEXT struct text out = TEXT_INIT;

    if (b->p->options.json) {
        solve_show_json(json_pack("{s:s, s:I, s:I, s:I, s:s}", "event", "batch_ended", "jobs",
                                  (json_int_t)b->plan.count, "done", (json_int_t)done, "failed",
                                  (json_int_t)b->failed, "folder", b->state.folder));
        return;
    }
    text_addf(&out, "%zu of %zu jobs are done", done, b->plan.count);
    if (b->failed > 0)
        text_addf(&out, ", %zu failed", b->failed);
    text_adds(&out, "; results: ");
    text_add_printable(&out, b->state.folder);
    text_adds(&out, "/results.csv, plot.svg\n");
    terminal_put(stdout, &out);
    (void)fflush(stdout);
    if (interrupted || done < b->plan.count)
        fputs("The same command again does what is left.\n", stderr);
}

/* --- one job -----------------------------------------------------------------------------------
 */

static int use_options(struct batching *b, const struct batch_job *j, const char *folder,
                       struct error *err)
{
    struct deploy_options *o = &b->p->options;

    (void)snprintf(b->seed, sizeof(b->seed), "%ld", j->seed);
    o->algorithm = j->algorithm;
    o->distribution = j->distribution;
    o->time_limit_ms = j->time_limit_ms ? j->time_limit_ms : TIME_LIMIT_MS;
    o->seed = b->seed;
    o->output = folder;
    if (strings_copy(&o->problems, &j->files) < 0 ||
        strings_copy(&o->parameters, &j->parameters) < 0)
        return error_sys(err, -ENOMEM, "cannot begin the job");
    return 0;
}

/* 0: it ran, or never will; 1: not now. */
static int try_job(struct batching *b, size_t i, int *ret_signal, struct error *err)
{
    CLEANUP(solve_outcome_clear) struct solve_outcome outcome = {0};
    CLEANUP_FREE char *folder = NULL;
    int r = batch_state_begin(&b->state, &b->plan.jobs[i], &folder, err);

    if (r == 0)
        r = use_options(b, &b->plan.jobs[i], folder, err);
    if (r == 0)
        r = solve_once(b->p, SOLVE_JOB, b->cast, &outcome, err);
    b->p->options.output = NULL; /* it borrows the folder */
    *ret_signal = outcome.signal;
    if (r < 0)
        return folder ? batch_state_refuse(&b->state, &b->plan, i, r, err) : r;
    if (outcome.how == SOLVE_NOT_READY && outcome.signal == 0)
        return 1;
    if (outcome.how == SOLVE_RAN)
        return batch_state_reload(&b->state, &b->plan, i, err);
    return outcome.signal
               ? 0
               : batch_state_put(&b->state, &b->plan, i,
                                 json_pack("{s:i, s:s, s:s}", "version", 1, "status", "refused",
                                           "reason", outcome.reason ? outcome.reason : ""),
                                 err);
}

static int solve_job(struct batching *b, size_t i, int *ret_signal, struct error *err)
{
    int r = 1;

    for (unsigned k = 0; k < TRIES && r == 1; k++) {
        if (k > 0) {
            fprintf(stderr, "Trying again in %d s (%u of %d).\n", TRY_AGAIN_MS / 1000, k + 1,
                    TRIES);
            (void)poll(NULL, 0, TRY_AGAIN_MS); /* the machines are asked again: nobody tells */
        }
        r = try_job(b, i, ret_signal, err);
        if (r >= 0) {
            int failed = batch_state_settle(&b->state, &b->plan.jobs[i], err);

            r = failed < 0 ? failed : r;
        }
    }
    return r;
}

static int generate_job(struct batching *b, size_t i, struct error *err)
{
    CLEANUP_FREE char *folder = NULL;
    json_t *receipt = NULL;
    int r = batch_state_begin(&b->state, &b->plan.jobs[i], &folder, err);

    if (r < 0)
        return r;
    r = batch_generate(b->p, &b->state, &b->plan.jobs[i], folder, &receipt, err);
    r = r == 0 ? batch_state_put(&b->state, &b->plan, i, receipt, err)
               : batch_state_refuse(&b->state, &b->plan, i, r, err);
    return r == 0 ? batch_state_settle(&b->state, &b->plan.jobs[i], err) : r;
}

int batching_do_job(struct batching *b, size_t i, int *ret_signal, struct error *err)
{
    return b->plan.jobs[i].command == BATCH_SOLVE ? solve_job(b, i, ret_signal, err)
                                                  : generate_job(b, i, err);
}

int batching_end_job(struct batching *b, size_t i, struct error *err)
{
    CLEANUP_TEXT struct text title = TEXT_INIT;

    show_result(b, i);
    b->failed += !batch_result_is_done(b->state.results[i]);
    text_add_printable(&title, b->file);
    return batch_state_write(&b->state, &b->plan, text_str(&title), err);
}

static int run_job(struct batching *b, size_t i, int *ret_signal, struct error *err)
{
    int r;

    batching_show_job(b, i);
    r = batching_do_job(b, i, ret_signal, err);
    if (r == 1)
        fprintf(stderr, "The machines are not ready for job %zu; the batch stops here.\n", i + 1);
    return r == 0 && *ret_signal == 0 ? batching_end_job(b, i, err) : r;
}

static int run_jobs(struct batching *b, int *ret_signal, struct error *err)
{
    int r = batch_state_write(&b->state, &b->plan, b->file, err);

    if (r == 0 && b->p->options.parallel > 1)
        return batch_parallel(b, b->p->options.parallel, ret_signal, err);
    for (size_t i = 0; i < b->plan.count && r == 0 && *ret_signal == 0; i++)
        if (!batch_result_is_done(b->state.results[i]))
            r = run_job(b, i, ret_signal, err);
    return r;
}

static int run_batch(struct program *p, struct error *err)
{
    CLEANUP(batching_clear) struct batching b = {.p = p, .state = {.lock = -1}};
    int signal = 0, r = check_usage(p, err);

    p->options.resume = false; /* it always does */
    if (r == 0) {
        b.file = p->options.arguments[0];
        r = open_batch(&b, err);
    }
    if (r < 0)
        return r;
    show_begin(&b);
    r = run_jobs(&b, &signal, err);
    show_end(&b, signal != 0);
    if (signal) {
        batching_clear(&b);
        program_clear(p);
        process_end_by_signal(signal);
    }
    return r != 0 ? r : batch_state_done(&b.state) < b.plan.count;
}

const struct verb verb_batch = {
    .name = "batch",
    .arguments = "FILE",
    .help = "solve the jobs of a pyDCOP batch file",
    .options = batch_options,
    .run = run_batch,
};
