/* What the database holds, as text for people. */
#include "report.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "deployer/base/url.h"
#include "discovery/base/table.h"
#include "discovery/base/terminal.h"

static void add_time(struct text *t, int64_t ms, const char *format)
{
    char text[sizeof("2026-01-01 12:00")] = "";
    time_t when = (time_t)(ms / 1000);
    struct tm tm;

    if (ms && localtime_r(&when, &tm) && strftime(text, sizeof(text), format, &tm) > 0)
        text_adds(t, text);
}

void state_report_add_time(struct text *t, int64_t ms)
{
    add_time(t, ms, "%F %R");
}

static void add_joined(struct text *t, const struct strings *names)
{
    for (size_t i = 0; i < names->count; i++) {
        text_adds(t, i ? " " : "");
        text_add_printable(t, names->items[i]);
    }
}

void state_report_add_machine(struct text *t, const struct state_machine *m)
{
    text_add_printable(t, m->id);
    if (!m->host && m->agents.count == 0)
        return;
    text_adds(t, " (");
    if (m->host)
        text_add_printable(t, m->host);
    text_adds(t, m->host && m->agents.count > 0 ? ", " : "");
    add_joined(t, &m->agents);
    text_addc(t, ')');
}

/* A cell of text that is printable already. */
static void add_cell(struct table *t, const struct text *cell, enum table_tone tone)
{
    if (text_error(cell) < 0)
        t->failed = true;
    table_add(t, text_str(cell), tone);
}

static void add_day_cell(struct table *t, int64_t ms, enum table_tone tone)
{
    CLEANUP_TEXT struct text day = TEXT_INIT;

    add_time(&day, ms, "%F");
    add_cell(t, &day, tone);
}

/* --- pins ------------------------------------------------------------------------ */

static const struct table_column pin_columns[] = {
    {"MACHINE", false}, {"AGENTS", false}, {"ID", true},  {"HOST KEY", false},
    {"SINCE", true},    {"BY", true},      {NULL, false},
};

static int add_pin_row(struct state *s, const struct state_pin *pin, struct table *t,
                       struct error *err)
{
    CLEANUP(state_machine_clear) struct state_machine m = {0};
    CLEANUP_TEXT struct text agents = TEXT_INIT;
    enum table_tone tone = pin->retired_ms ? TABLE_FAINT : TABLE_PLAIN;
    int r = state_machine_get(s, pin->id, &m, err);

    if (r < 0 && r != -ENOENT)
        return r;
    add_joined(&agents, &m.agents);
    table_add(t, m.host, tone);
    add_cell(t, &agents, tone);
    table_add(t, pin->id, tone);
    table_add(t, pin->fingerprint, tone);
    add_day_cell(t, pin->retired_ms ? pin->retired_ms : pin->created_ms, tone);
    table_add(t, pin->retired_ms ? "retired" : pin_source_name(pin->source), tone);
    return 0;
}

static int add_warnings(const struct state_pins *pins, struct text *ret)
{
    CLEANUP_TEXT struct text warnings = TEXT_INIT;
    int r = state_pins_shared_keys(pins, &warnings);

    if (r == 0 && warnings.size > 0)
        text_addf(ret, "\n%s", warnings.data);
    return r < 0 ? r : text_error(ret);
}

int state_report_pins_text(struct state *s, const struct terminal_style *style, struct text *ret,
                           struct error *err)
{
    CLEANUP(state_pins_clear) struct state_pins pins = {0};
    CLEANUP(table_clear) struct table t;
    int r;

    table_init(&t, pin_columns);
    r = state_pin_list(s, NULL, &pins, err);
    for (size_t i = 0; i < pins.count && r == 0; i++)
        r = add_pin_row(s, &pins.items[i], &t, err);
    if (r < 0)
        return r;
    if (pins.count == 0)
        text_adds(ret, "No host key is pinned.\n");
    else
        r = table_write(&t, style->width, style->color, ret);
    if (r == 0)
        r = add_warnings(&pins, ret);
    return r < 0 ? error_sys(err, r, "cannot show the pins") : 0;
}

/* "last seen 2026-01-01 12:00 at 10.77.0.11" */
static void add_last_seen(struct text *t, const struct state_machine *m)
{
    text_adds(t, "last seen ");
    state_report_add_time(t, m->last_seen_ms);
    text_adds(t, m->address ? " at " : "");
    text_add_printable(t, m->address ? m->address : "");
}

int state_report_last_seen(struct state *s, const char *word, struct text *ret, struct error *err)
{
    CLEANUP_STRINGS struct strings ids = {0};
    int r = state_find_ids(s, word, &ids, err);

    for (size_t i = 0; i < ids.count && r == 0; i++) {
        CLEANUP(state_machine_clear) struct state_machine m = {0};

        r = state_machine_get(s, ids.items[i], &m, err);
        if (r == -ENOENT) { /* it has a pin only */
            r = 0;
            continue;
        }
        text_add_printable(ret, word);
        text_adds(ret, ": ");
        state_report_add_machine(ret, &m);
        text_adds(ret, " was ");
        add_last_seen(ret, &m);
        text_addc(ret, '\n');
    }
    return r < 0 ? r : text_error(ret);
}

int state_report_pins_of(struct state *s, const char *id, struct text *ret, struct error *err)
{
    CLEANUP(state_pins_clear) struct state_pins pins = {0};
    CLEANUP(state_machine_clear) struct state_machine m = {0};
    struct state_machine bare = {.id = (char *)(uintptr_t)id};
    int r = state_machine_get(s, id, &m, err);

    if (r == 0 || r == -ENOENT)
        r = state_pin_list(s, id, &pins, err);
    if (r < 0)
        return r;
    state_report_add_machine(ret, m.id ? &m : &bare);
    text_addc(ret, '\n');
    if (m.last_seen_ms) {
        text_adds(ret, "  ");
        add_last_seen(ret, &m);
        text_addc(ret, '\n');
    }
    for (size_t i = 0; i < pins.count; i++) {
        const struct state_pin *pin = &pins.items[i];

        text_adds(ret, "  ");
        text_add_printable(ret, pin->fingerprint);
        text_adds(ret, pin->retired_ms ? " retired " : " since ");
        state_report_add_time(ret, pin->retired_ms ? pin->retired_ms : pin->created_ms);
        if (!pin->retired_ms)
            text_addf(ret, ", by %s", pin_source_name(pin->source));
        text_addc(ret, '\n');
    }
    if (pins.count == 0)
        text_adds(ret, "  no host key is pinned\n");
    return text_error(ret) < 0 ? error_sys(err, -ENOMEM, "cannot show the pins") : 0;
}

/* --- later ----------------------------------------------------------------------- */

static const struct table_column later_columns[] = {
    {"WAITING", true}, {"AGENTS", false}, {"PYDCOP", false}, {"OF", false},
    {"QUEUED", true},  {"TRIES", true},   {NULL, false},
};

void state_report_add_reason(struct text *t, const struct state_later *l)
{
    if (l->claimed) {
        text_adds(t, "being deployed");
        return;
    }
    text_add_printable(t, l->reason);
    if (strcmp(l->reason, STATE_LATER_OFF) == 0 && l->reason_ms) {
        text_adds(t, " since ");
        state_report_add_time(t, l->reason_ms);
    }
    if (l->next_ms > 0) {
        text_adds(t, "; tried again at ");
        state_report_add_time(t, l->next_ms);
    }
}

static void add_later_row(struct table *t, const struct state_later *l)
{
    CLEANUP_TEXT struct text agents = TEXT_INIT, since = TEXT_INIT, tries = TEXT_INIT,
                             spec = TEXT_INIT, reason = TEXT_INIT;

    add_joined(&agents, &l->agents);
    url_add_masked(&spec, l->spec ? l->spec : "");
    state_report_add_time(&since, l->since_ms);
    text_addf(&tries, "%u", l->tries);
    state_report_add_reason(&reason, l);
    table_add(t, l->host ? l->host : l->machine, TABLE_PLAIN);
    add_cell(t, &agents, TABLE_PLAIN);
    table_add(t, l->version, TABLE_PLAIN);
    table_add(t, text_str(&spec), TABLE_PLAIN);
    add_cell(t, &since, TABLE_PLAIN);
    add_cell(t, &tries, TABLE_PLAIN);
    table_note(t, text_str(&reason), TABLE_PLAIN);
}

int state_report_later_text(struct state *s, const struct terminal_style *style, struct text *ret,
                            struct error *err)
{
    CLEANUP(state_laters_clear) struct state_laters list = {0};
    CLEANUP(table_clear) struct table t;
    int r = state_later_list(s, &list, err);

    table_init(&t, later_columns);
    t.spare = 3;
    if (r < 0 || list.count == 0)
        return r;
    for (size_t i = 0; i < list.count; i++)
        add_later_row(&t, &list.items[i]);
    r = table_write(&t, style->width, style->color, ret);
    return r < 0 ? error_sys(err, r, "cannot show the queue") : 0;
}

/* --- runs ------------------------------------------------------------------------ */

static const struct table_column run_columns[] = {
    {"RUN", true},    {"WHEN", true},      {"TOOK", true},    {"VERB", true},
    {"STATUS", true}, {"MACHINES", false}, {"PYDCOP", false}, {NULL, false},
};

static void add_took(struct text *t, int64_t from, int64_t to)
{
    int64_t s = (to - from + 500) / 1000;

    if (!from || !to || to < from)
        return;
    if (s >= 3600)
        text_addf(t, "%lldh %lldm", (long long)(s / 3600), (long long)(s / 60 % 60));
    else if (s >= 60)
        text_addf(t, "%lldm %llds", (long long)(s / 60), (long long)(s % 60));
    else if (to - from >= 10000)
        text_addf(t, "%llds", (long long)s);
    else
        text_addf(t, "%.1fs", (double)(to - from) / 1000);
}

static enum table_tone tone_of(const char *status)
{
    static const char *const good[] = {"ok", "changed", "done"};
    static const char *const plain[] = {"running", "skipped", "cancelled"};

    for (size_t i = 0; status && i < ARRAY_SIZE(good); i++)
        if (strcmp(status, good[i]) == 0)
            return TABLE_GOOD;
    for (size_t i = 0; status && i < ARRAY_SIZE(plain); i++)
        if (strcmp(status, plain[i]) == 0)
            return TABLE_PLAIN;
    return TABLE_BAD;
}

/* Failures come first, since the end of the cell may be cut. */
static void add_counts(struct text *t, const struct state_counts *c)
{
    const struct {
        size_t n;
        const char *word;
    } kinds[] = {
        {c->failed, "failed"}, {c->refused, "refused"}, {c->unreachable, "unreachable"},
        {c->left, "left"},     {c->changed, "changed"}, {c->ok, "ok"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (kinds[i].n > 0)
            text_addf(t, "%s%zu %s", t->size > 0 ? ", " : "", kinds[i].n, kinds[i].word);
}

static int add_run_row(struct state *s, const struct state_run *run, struct table *t,
                       struct error *err)
{
    CLEANUP_TEXT struct text number = TEXT_INIT;
    CLEANUP_TEXT struct text when = TEXT_INIT;
    CLEANUP_TEXT struct text took = TEXT_INIT;
    CLEANUP_TEXT struct text machines = TEXT_INIT;
    CLEANUP_TEXT struct text spec = TEXT_INIT; /* older databases may have a password there */
    struct state_counts c = {0};
    int r = state_run_counts(s, run->number, &c, err);

    if (r < 0)
        return r;
    text_addf(&number, "%lld", (long long)run->number);
    add_took(&took, run->started_ms, run->ended_ms);
    state_report_add_time(&when, run->started_ms);
    add_counts(&machines, &c);
    add_cell(t, &number, TABLE_PLAIN);
    add_cell(t, &when, TABLE_PLAIN);
    add_cell(t, &took, TABLE_PLAIN);
    table_add(t, run->verb, TABLE_PLAIN);
    table_add(t, state_run_word(run), tone_of(state_run_word(run)));
    add_cell(t, &machines, TABLE_PLAIN);
    url_add_masked(&spec, run->spec ? run->spec : "");
    add_cell(t, &spec, TABLE_PLAIN);
    return 0;
}

int state_report_runs_text(struct state *s, const struct terminal_style *style, struct text *ret,
                           struct error *err)
{
    CLEANUP(state_runs_clear) struct state_runs runs = {0};
    CLEANUP(table_clear) struct table t;
    int r;

    table_init(&t, run_columns);
    r = state_run_list(s, SIZE_MAX, &runs, err);
    for (size_t i = runs.count; i-- > 0 && r == 0;)
        r = add_run_row(s, &runs.items[i], &t, err);
    if (r < 0)
        return r;
    if (runs.count == 0)
        text_adds(ret, "No run is recorded yet.\n");
    else
        r = table_write(&t, style->width, style->color, ret);
    return r < 0 ? error_sys(err, r, "cannot show the runs") : 0;
}

int state_report_find_run(struct state *s, int64_t number, struct state_run *ret, struct error *err)
{
    CLEANUP(state_run_clear) struct state_run last = {0};
    int r = state_run_get(s, number, ret, err);

    if (r != -ENOENT)
        return r;
    r = state_run_last(s, NULL, &last, err);
    if (r == -ENOENT)
        return error_set(err, r, "there is no run %lld: no run is recorded yet", (long long)number);
    if (r < 0)
        return r;
    return error_set(err, -ENOENT,
                     "there is no run %lld: the last one is %lld, and %d are kept; see "
                     "dcop-deploy runs",
                     (long long)number, (long long)last.number, STATE_RUNS_KEPT);
}

/* --- one run ---------------------------------------------------------------------- */

static const struct table_column step_columns[] = {
    {"MACHINE", true}, {"AGENTS", false}, {"STEP", true}, {"STATUS", true},
    {"TOOK", true},    {"DETAIL", false}, {NULL, false},
};

static void add_head(const struct state_run *run, struct text *ret)
{
    CLEANUP_TEXT struct text spec = TEXT_INIT;

    text_addf(ret, "Run %lld: %s", (long long)run->number, run->verb);
    if (run->spec) {
        text_adds(ret, " of ");
        url_add_masked(&spec, run->spec);
        text_add_printable(ret, text_str(&spec));
    }
    for (size_t i = 0; i < run->files.count; i++) {
        text_adds(ret, i ? " " : " for ");
        text_add_printable(ret, run->files.items[i]);
    }
    text_adds(ret, "\nStarted ");
    state_report_add_time(ret, run->started_ms);
    if (run->ended_ms) {
        text_adds(ret, ", took ");
        add_took(ret, run->started_ms, run->ended_ms);
    }
    text_addf(ret, ": %s\n", state_run_word(run));
}

/* A machine as a whole: its first line. */
static void add_target_row(const struct state_target *t, const struct state_results *results,
                           struct table *table)
{
    CLEANUP_TEXT struct text took = TEXT_INIT;
    const char *detail = NULL;
    int64_t from = 0;

    for (size_t i = 0; i < results->count; i++) {
        const struct state_result *r = &results->items[i];

        if (strcmp(r->machine, t->machine) != 0)
            continue;
        if (from == 0 || (r->started_ms && r->started_ms < from))
            from = r->started_ms;
        if (*r->step)
            continue;
        detail = r->detail;
        add_took(&took, from, r->ended_ms);
    }
    table_add(table, t->host && *t->host ? t->host : t->machine, TABLE_PLAIN);
    table_add(table, t->agents, TABLE_PLAIN);
    table_add(table, NULL, TABLE_PLAIN);
    table_add(table, t->status ? t->status : "not reached", tone_of(t->status));
    add_cell(table, &took, TABLE_PLAIN);
    table_add(table, detail, TABLE_PLAIN);
}

static void add_step_row(const struct state_result *r, struct table *table)
{
    CLEANUP_TEXT struct text took = TEXT_INIT;

    add_took(&took, r->started_ms, r->ended_ms);
    table_add(table, NULL, TABLE_PLAIN);
    table_add(table, NULL, TABLE_PLAIN);
    table_add(table, r->step, TABLE_PLAIN);
    table_add(table, r->status, tone_of(r->status));
    add_cell(table, &took, TABLE_PLAIN);
    table_add(table, r->detail, TABLE_PLAIN);
}

static void add_output(const struct state_target *t, const struct state_result *r, struct text *ret)
{
    const char *line = r->output, *end = line + strlen(line);
    size_t lines = 0;

    while (end > line && end[-1] == '\n')
        end--;
    for (const char *at = end; at > line; at--)
        if (at[-1] == '\n' && ++lines == STATE_REPORT_LINES_SHOWN)
            line = at;
    text_addc(ret, '\n');
    text_add_printable(ret, t->host && *t->host ? t->host : t->machine);
    text_adds(ret, ", ");
    text_add_printable(ret, r->step);
    text_adds(ret, line == r->output ? ":\n" : ", the last lines:\n");
    while (line < end) {
        size_t size = strcspn(line, "\n");
        CLEANUP_FREE char *one = strndup(line, size);

        text_adds(ret, "  ");
        text_add_printable(ret, one ? one : "");
        text_addc(ret, '\n');
        line += size + (line[size] == '\n');
    }
}

static void add_outputs(const struct state_run *run, const struct state_results *results,
                        bool verbose, struct text *ret)
{
    for (size_t m = 0; m < run->targets.count; m++) {
        const struct state_target *t = &run->targets.items[m];

        for (size_t i = 0; i < results->count; i++) {
            const struct state_result *r = &results->items[i];

            if (strcmp(r->machine, t->machine) == 0 && r->output && *r->output &&
                (verbose || strcmp(r->status, "failed") == 0))
                add_output(t, r, ret);
        }
    }
}

int state_report_run_text(struct state *s, int64_t number, bool verbose,
                          const struct terminal_style *style, struct text *ret, struct error *err)
{
    CLEANUP(state_run_clear) struct state_run run = {0};
    CLEANUP(state_results_clear) struct state_results results = {0};
    CLEANUP(table_clear) struct table table;
    int r;

    table_init(&table, step_columns);
    r = state_report_find_run(s, number, &run, err);
    if (r == 0)
        r = state_result_list(s, number, &results, err);
    if (r < 0)
        return r;
    add_head(&run, ret);
    for (size_t m = 0; m < run.targets.count; m++) {
        const struct state_target *t = &run.targets.items[m];

        add_target_row(t, &results, &table);
        for (size_t i = 0; i < results.count; i++)
            if (strcmp(results.items[i].machine, t->machine) == 0 && *results.items[i].step)
                add_step_row(&results.items[i], &table);
    }
    if (run.targets.count > 0) {
        text_addc(ret, '\n');
        r = table_write(&table, style->width, style->color, ret);
    }
    add_outputs(&run, &results, verbose, ret);
    if (r == 0)
        r = text_error(ret);
    return r < 0 ? error_sys(err, r, "cannot show the run") : 0;
}
