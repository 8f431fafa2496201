#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "database.h"
#include "deployer/base/url.h"
#include "discovery/base/clock.h"
#include "state.h"

static const char *const run_statuses[] = {
    [RUN_RUNNING] = "running",
    [RUN_DONE] = "done",
    [RUN_FAILED] = "failed",
    [RUN_INTERRUPTED] = "interrupted",
};

const char *run_status_name(enum run_status status)
{
    return run_statuses[status];
}

const char *state_run_word(const struct state_run *run)
{
    return run->status == RUN_RUNNING && !run->alive ? "killed" : run_status_name(run->status);
}

static enum run_status run_status_from(const char *name)
{
    for (size_t i = 0; name && i < ARRAY_SIZE(run_statuses); i++)
        if (strcmp(name, run_statuses[i]) == 0)
            return (enum run_status)i;
    return RUN_INTERRUPTED;
}

void state_run_clear(struct state_run *run)
{
    free(run->verb);
    free(run->spec);
    free(run->bundle_digest);
    strings_clear(&run->files);
    strings_clear(&run->wish);
    state_targets_clear(&run->targets);
    *run = (struct state_run){0};
}

void state_runs_clear(struct state_runs *runs)
{
    for (size_t i = 0; i < runs->count; i++)
        state_run_clear(&runs->items[i]);
    free(runs->items);
    *runs = (struct state_runs){0};
}

void state_result_clear(struct state_result *result)
{
    free(result->machine);
    free(result->host);
    free(result->agent);
    free(result->step);
    free(result->status);
    free(result->detail);
    free(result->output);
    *result = (struct state_result){0};
}

void state_results_clear(struct state_results *results)
{
    for (size_t i = 0; i < results->count; i++)
        state_result_clear(&results->items[i]);
    free(results->items);
    *results = (struct state_results){0};
}

/* --- writing --------------------------------------------------------------- */

int state_run_begin(struct state *s, const struct state_run *run, int64_t *ret_number,
                    struct error *err)
{
    CLEANUP_TRANSACTION struct transaction t = {0};
    CLEANUP_TEXT struct text spec = TEXT_INIT;
    char mark[STATE_PROCESS_MAX];
    int64_t number;
    int r;

    state_process_mark(mark);
    url_add_without_password(&spec, run->spec ? run->spec : "");
    r = text_error(&spec) < 0 ? error_sys(err, -ENOMEM, "cannot record the run")
                              : transaction_begin(s, false, &t, err);
    if (r == 0)
        r = state_run(s, err,
                      "INSERT INTO runs(started, verb, spec, bundle, status, process)"
                      " VALUES(?,?,?,?,'running',?)",
                      "issss", clock_ms(CLOCK_REALTIME), run->verb,
                      run->spec ? text_str(&spec) : NULL, run->bundle_digest, mark);
    if (r < 0)
        return r;
    number = sqlite3_last_insert_rowid(s->db);
    for (size_t i = 0; i < run->files.count && r == 0; i++)
        r = state_run(s, err, "INSERT INTO run_files VALUES(?,?,?)", "iis", number, (int64_t)i,
                      run->files.items[i]);
    if (r == 0)
        r = state_run_write_plan(s, number, run, err);
    if (r == 0)
        r = state_run(s, err, "DELETE FROM runs WHERE run <= ?", "i", number - STATE_RUNS_KEPT);
    if (r == 0)
        r = transaction_end(&t, err);
    if (r == 0)
        *ret_number = number;
    return r;
}

int state_run_end(struct state *s, int64_t run, enum run_status status, struct error *err)
{
    CLEANUP_TRANSACTION struct transaction t = {0};
    int r = transaction_begin(s, true, &t, err);

    if (r == 0)
        r = state_run(s, err, "UPDATE runs SET ended=?, status=? WHERE run=?", "isi",
                      clock_ms(CLOCK_REALTIME), run_status_name(status), run);
    return r < 0 ? r : transaction_end(&t, err);
}

/* The end of a long output, from the start of a character. */
static const char *last_bytes(const char *output)
{
    size_t size = output ? strlen(output) : 0;

    if (size <= STATE_OUTPUT_MAX)
        return output;
    output += size - STATE_OUTPUT_MAX;
    while (((unsigned char)*output & 0xc0) == 0x80)
        output++;
    return output;
}

int state_run_result(struct state *s, int64_t run, const struct state_result *result,
                     struct error *err)
{
    CLEANUP_TRANSACTION struct transaction t = {0};
    int r = transaction_begin(s, false, &t, err);

    if (r == 0)
        r = state_run(s, err,
                      "INSERT INTO results(run, machine, host, agent, step, status, detail, output,"
                      " started, ended) VALUES(?,?,?,?,?,?,?,?,?,?)"
                      " ON CONFLICT(run, machine, step) DO UPDATE SET host=excluded.host,"
                      " agent=excluded.agent, status=excluded.status, detail=excluded.detail,"
                      " output=excluded.output, started=excluded.started, ended=excluded.ended",
                      "isssssssii", run, result->machine, result->host, result->agent,
                      result->step ? result->step : "", result->status, result->detail,
                      last_bytes(result->output), result->started_ms, result->ended_ms);
    return r < 0 ? r : transaction_end(&t, err);
}

/* --- reading --------------------------------------------------------------- */

static int read_run(struct state *s, sqlite3_stmt *st, struct state_run *ret, struct error *err)
{
    CLEANUP(state_run_clear) struct state_run run = {0};
    bool failed = false;
    int r;

    run.number = sqlite3_column_int64(st, 0);
    run.started_ms = sqlite3_column_int64(st, 1);
    run.ended_ms = sqlite3_column_int64(st, 2);
    run.verb = state_column(st, 3, &failed);
    run.spec = state_column(st, 4, &failed);
    run.bundle_digest = state_column(st, 5, &failed);
    run.status = run_status_from((const char *)sqlite3_column_text(st, 6));
    run.alive =
        run.status == RUN_RUNNING && state_process_alive((const char *)sqlite3_column_text(st, 7));
    if (failed)
        return error_sys(err, -ENOMEM, "cannot read the runs");
    r = state_strings(s, &run.files, err,
                      "SELECT path FROM run_files WHERE run=? ORDER BY position", "i", run.number);
    if (r < 0)
        return r;
    *ret = run;
    run = (struct state_run){0};
    return 0;
}

#define RUN_COLUMNS "run, started, ended, verb, spec, bundle, status, process"

int state_run_get(struct state *s, int64_t number, struct state_run *ret, struct error *err)
{
    CLEANUP_STATEMENT sqlite3_stmt *st = NULL;
    CLEANUP(state_run_clear) struct state_run run = {0};
    int r = state_prepare(s, "SELECT " RUN_COLUMNS " FROM runs WHERE run=?", &st, err, "i", number);

    if (r == 0)
        r = state_step(s, st, err);
    if (r <= 0)
        return r < 0 ? r : -ENOENT;
    r = read_run(s, st, &run, err);
    if (r == 0)
        r = state_run_read_plan(s, &run, err);
    if (r < 0)
        return r;
    *ret = run;
    run = (struct state_run){0};
    return 0;
}

/* The run whose number the statement selects. */
static int get_selected(struct state *s, sqlite3_stmt *st, struct state_run *ret, struct error *err)
{
    int r = state_step(s, st, err);

    if (r <= 0)
        return r < 0 ? r : -ENOENT;
    return state_run_get(s, sqlite3_column_int64(st, 0), ret, err);
}

int state_run_last(struct state *s, const char *verb, struct state_run *ret, struct error *err)
{
    CLEANUP_STATEMENT sqlite3_stmt *st = NULL;
    int r = state_prepare(s, "SELECT max(run) FROM runs WHERE ?1 IS NULL OR verb=?1", &st, err, "s",
                          verb);

    return r == 0 ? get_selected(s, st, ret, err) : r;
}

int state_run_last_asked(struct state *s, struct state_run *ret, struct error *err)
{
    CLEANUP_STATEMENT sqlite3_stmt *st = NULL;
    int r = state_prepare(s,
                          "SELECT max(run) FROM runs WHERE NOT EXISTS (SELECT 1 FROM run_wishes w"
                          " WHERE w.run=runs.run AND w.wish GLOB '" STATE_WISH_QUEUED "=*')",
                          &st, err, "");

    return r == 0 ? get_selected(s, st, ret, err) : r;
}

int state_run_list(struct state *s, size_t limit, struct state_runs *ret, struct error *err)
{
    CLEANUP_STATEMENT sqlite3_stmt *st = NULL;
    CLEANUP(state_runs_clear) struct state_runs runs = {0};
    int64_t max = limit < STATE_RUNS_KEPT ? (int64_t)limit : STATE_RUNS_KEPT;
    int r = state_prepare(s, "SELECT " RUN_COLUMNS " FROM runs ORDER BY run DESC LIMIT ?", &st, err,
                          "i", max);

    while (r == 0 && (r = state_step(s, st, err)) > 0) {
        struct state_run *items = reallocarray(runs.items, runs.count + 1, sizeof(*items));

        if (!items)
            return error_sys(err, -ENOMEM, "cannot read the runs");
        runs.items = items;
        r = read_run(s, st, &items[runs.count], err);
        if (r == 0)
            runs.count++;
    }
    if (r < 0)
        return r;
    state_runs_clear(ret);
    *ret = runs;
    runs = (struct state_runs){0};
    return 0;
}

#define RESULT_COLUMNS "machine, host, agent, step, status, detail, output, started, ended"

static int read_result(sqlite3_stmt *st, struct state_result *ret, struct error *err)
{
    bool failed = false;

    *ret = (struct state_result){
        .machine = state_column(st, 0, &failed),
        .host = state_column(st, 1, &failed),
        .agent = state_column(st, 2, &failed),
        .step = state_column(st, 3, &failed),
        .status = state_column(st, 4, &failed),
        .detail = state_column(st, 5, &failed),
        .output = state_column(st, 6, &failed),
        .started_ms = sqlite3_column_int64(st, 7),
        .ended_ms = sqlite3_column_int64(st, 8),
    };
    if (!failed)
        return 0;
    state_result_clear(ret);
    return error_sys(err, -ENOMEM, "cannot read the results");
}

int state_result_list(struct state *s, int64_t run, struct state_results *ret, struct error *err)
{
    return state_result_list_of(s, run, NULL, NULL, ret, err);
}

int state_result_list_of(struct state *s, int64_t run, const char *machine, const char *step,
                         struct state_results *ret, struct error *err)
{
    CLEANUP_STATEMENT sqlite3_stmt *st = NULL;
    CLEANUP(state_results_clear) struct state_results results = {0};
    /* Two texts, so that each uses the index on (run, machine, step). */
    int r = state_prepare(s,
                          machine ? "SELECT " RESULT_COLUMNS " FROM results WHERE run=?1 AND"
                                    " machine=?2 AND (?3 IS NULL OR step=?3) ORDER BY result"
                                  : "SELECT " RESULT_COLUMNS " FROM results WHERE run=?1 AND"
                                    " ?2 IS NULL AND (?3 IS NULL OR step=?3) ORDER BY result",
                          &st, err, "iss", run, machine, step);

    while (r == 0 && (r = state_step(s, st, err)) > 0) {
        struct state_result *items;

        items = reallocarray(results.items, results.count + 1, sizeof(*items));
        if (!items)
            return error_sys(err, -ENOMEM, "cannot read the results");
        results.items = items;
        r = read_result(st, &items[results.count], err);
        if (r == 0)
            results.count++;
    }
    if (r < 0)
        return r;
    state_results_clear(ret);
    *ret = results;
    results = (struct state_results){0};
    return 0;
}
