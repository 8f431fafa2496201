/* What the database holds, as JSON. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "deployer/base/url.h"
#include "report.h"

DEFINE_CLEANUP(json_t *, json_decref);
#define CLEANUP_JSON CLEANUP(json_decref_p)

/* Takes `value` over; false when there is no memory. */
static bool put_value(json_t *object, const char *key, json_t *value)
{
    return json_object_set_new(object, key, value) == 0;
}

/* A machine's text may not be valid UTF-8: it is written escaped.  URLs lose their users
 * and passwords. */
static json_t *json_text(const char *string)
{
    CLEANUP_TEXT struct text masked = TEXT_INIT, printable = TEXT_INIT;

    url_add_masked(&masked, string);
    if (utf8_valid(text_str(&masked), masked.size))
        return text_error(&masked) < 0 ? NULL : json_string(text_str(&masked));
    text_add_printable(&printable, text_str(&masked));
    return text_error(&printable) < 0 ? NULL : json_string(text_str(&printable));
}

/* Unknown values are left out. */
static bool put_text(json_t *object, const char *key, const char *value)
{
    return !value || !*value || put_value(object, key, json_text(value));
}

static bool put_time(json_t *object, const char *key, int64_t ms)
{
    char text[40], whole[80];
    time_t when = (time_t)(ms / 1000);
    struct tm tm;

    if (ms == 0 || !gmtime_r(&when, &tm) ||
        strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm) == 0)
        return true;
    (void)snprintf(whole, sizeof(whole), "%s.%03dZ", text, (int)(ms % 1000));
    return put_value(object, key, json_string(whole));
}

static json_t *json_texts(const struct strings *strings)
{
    CLEANUP_JSON json_t *array = json_array();

    for (size_t i = 0; array && i < strings->count; i++)
        if (json_array_append_new(array, json_text(strings->items[i])) < 0)
            return NULL;
    return TAKE_PTR(array);
}

static int write_json(struct text *ret, const json_t *json, struct error *err)
{
    CLEANUP_FREE char *text = json ? json_dumps(json, JSON_INDENT(2)) : NULL;

    text_addf(ret, "%s\n", text ? text : "");
    return text && text_error(ret) == 0 ? 0 : error_sys(err, -ENOMEM, "cannot write JSON");
}

/* Appends `value`, which is NULL when there was no memory. */
static int append_value(json_t *array, json_t *made, struct error *err)
{
    return json_array_append_new(array, made) == 0 ? 0
                                                   : error_sys(err, -ENOMEM, "cannot write JSON");
}

/* --- pins ------------------------------------------------------------------------ */

static json_t *json_pin(const struct state_pin *pin, const struct state_machine *m)
{
    CLEANUP_JSON json_t *o = json_object();

    return o && put_text(o, "id", pin->id) && put_text(o, "host", m->host) &&
                   put_value(o, "agents", json_texts(&m->agents)) &&
                   put_text(o, "fingerprint", pin->fingerprint) &&
                   put_text(o, "source", pin_source_name(pin->source)) &&
                   put_time(o, "created", pin->created_ms) &&
                   put_time(o, "retired", pin->retired_ms)
               ? TAKE_PTR(o)
               : NULL;
}

static int add_pins(struct state *s, const struct state_pins *pins, const struct strings *ids,
                    json_t *array, struct error *err)
{
    int r = 0;

    for (size_t i = 0; i < pins->count && r == 0; i++) {
        CLEANUP(state_machine_clear) struct state_machine m = {0};

        if (ids && !strings_has(ids, pins->items[i].id))
            continue;
        r = state_machine_get(s, pins->items[i].id, &m, err);
        if (r == 0 || r == -ENOENT)
            r = append_value(array, json_pin(&pins->items[i], &m), err);
    }
    return r;
}

/* The lines of a text as an array. */
static json_t *json_lines(const char *text)
{
    CLEANUP_JSON json_t *array = json_array();

    while (array && *text) {
        size_t size = strcspn(text, "\n");

        if (json_array_append_new(array, json_stringn(text, size)) < 0)
            return NULL;
        text += size + (text[size] == '\n');
    }
    return TAKE_PTR(array);
}

int state_report_pins_json(struct state *s, const struct strings *ids, struct text *ret,
                           struct error *err)
{
    CLEANUP(state_pins_clear) struct state_pins pins = {0};
    CLEANUP_TEXT struct text warnings = TEXT_INIT;
    CLEANUP_JSON json_t *o = json_object(), *array = json_array();
    int r = state_pin_list(s, NULL, &pins, err);

    if (r == 0)
        r = add_pins(s, &pins, ids, array, err);
    if (r < 0)
        return r;
    if (!put_value(o, "version", json_integer(1)) || !put_value(o, "pins", json_incref(array)) ||
        state_pins_shared_keys(&pins, &warnings) < 0 ||
        !put_value(o, "warnings", json_lines(text_str(&warnings))))
        return error_sys(err, -ENOMEM, "cannot write JSON");
    return write_json(ret, o, err);
}

/* --- later ----------------------------------------------------------------------- */

static json_t *json_later(const struct state_later *l)
{
    CLEANUP_JSON json_t *o = json_object();
    bool ok = o && put_text(o, "machine", l->machine) && put_text(o, "host", l->host) &&
              put_text(o, "fleet", l->fleet) && put_value(o, "agents", json_texts(&l->agents)) &&
              put_text(o, "spec", l->spec) && put_text(o, "pydcop", l->version) &&
              put_text(o, "wheel", l->wheel) && put_time(o, "queued", l->since_ms) &&
              put_value(o, "tries", json_integer(l->tries)) && put_time(o, "next", l->next_ms) &&
              put_text(o, "reason", l->reason) && put_time(o, "reason_since", l->reason_ms) &&
              put_value(o, "at_work", json_boolean(l->claimed));

    return ok ? TAKE_PTR(o) : NULL;
}

int state_report_later_json(struct state *s, struct text *ret, struct error *err)
{
    CLEANUP(state_laters_clear) struct state_laters list = {0};
    CLEANUP_JSON json_t *array = json_array(), *report = NULL;
    int r = array ? state_later_list(s, &list, err) : error_sys(err, -ENOMEM, "cannot write JSON");

    for (size_t i = 0; i < list.count && r == 0; i++)
        r = append_value(array, json_later(&list.items[i]), err);
    if (r < 0)
        return r;
    report = json_pack("{s:i,s:O}", "version", 1, "later", array);
    return write_json(ret, report, err);
}

/* --- runs ------------------------------------------------------------------------ */

static json_t *json_run(const struct state_run *run, const struct state_counts *c)
{
    CLEANUP_JSON json_t *o = json_object();

    return o && put_value(o, "run", json_integer(run->number)) && put_text(o, "verb", run->verb) &&
                   put_text(o, "status", state_run_word(run)) &&
                   put_time(o, "started", run->started_ms) && put_time(o, "ended", run->ended_ms) &&
                   put_text(o, "pydcop", run->spec) &&
                   put_value(o, "files", json_texts(&run->files)) &&
                   put_value(o, "counts",
                             json_pack("{s:I,s:I,s:I,s:I,s:I,s:I}", "ok", (json_int_t)c->ok,
                                       "changed", (json_int_t)c->changed, "failed",
                                       (json_int_t)c->failed, "refused", (json_int_t)c->refused,
                                       "unreachable", (json_int_t)c->unreachable, "left",
                                       (json_int_t)c->left))
               ? TAKE_PTR(o)
               : NULL;
}

int state_report_runs_json(struct state *s, struct text *ret, struct error *err)
{
    CLEANUP(state_runs_clear) struct state_runs runs = {0};
    CLEANUP_JSON json_t *o = json_object(), *array = json_array();
    int r = state_run_list(s, SIZE_MAX, &runs, err);

    for (size_t i = runs.count; i-- > 0 && r == 0;) {
        struct state_counts counts = {0};

        r = state_run_counts(s, runs.items[i].number, &counts, err);
        if (r == 0)
            r = append_value(array, json_run(&runs.items[i], &counts), err);
    }
    if (r < 0)
        return r;
    if (!put_value(o, "version", json_integer(1)) || !put_value(o, "runs", json_incref(array)))
        return error_sys(err, -ENOMEM, "cannot write JSON");
    return write_json(ret, o, err);
}

static json_t *json_step(const struct state_result *r, bool quiet)
{
    CLEANUP_JSON json_t *o = json_object();

    return o && put_text(o, "step", r->step) && put_text(o, "status", r->status) &&
                   put_text(o, "detail", r->detail) &&
                   put_text(o, "output", quiet ? NULL : r->output) &&
                   put_time(o, "started", r->started_ms) && put_time(o, "ended", r->ended_ms)
               ? TAKE_PTR(o)
               : NULL;
}

static size_t count_bytes(const struct state_results *results)
{
    size_t bytes = 0;

    for (size_t i = 0; i < results->count; i++) {
        const struct state_result *r = &results->items[i];

        bytes += 100 + (r->detail ? strlen(r->detail) : 0) + (r->output ? strlen(r->output) : 0);
    }
    return bytes;
}

/* Without "status": it was not reached. */
static json_t *json_target(const struct state_target *t, const struct state_results *results,
                           bool quiet)
{
    CLEANUP_JSON json_t *o = json_object(), *steps = json_array();

    if (!o || !put_text(o, "machine", t->machine) || !put_text(o, "host", t->host) ||
        !put_text(o, "agents", t->agents) || !put_text(o, "status", t->status))
        return NULL;
    for (size_t i = 0; i < results->count; i++) {
        const struct state_result *r = &results->items[i];

        if (*r->step ? json_array_append_new(steps, json_step(r, quiet)) < 0
                     : !put_text(o, "detail", r->detail))
            return NULL;
    }
    return put_value(o, "steps", json_incref(steps)) ? TAKE_PTR(o) : NULL;
}

/* `ret_next`: the number of the first machine that did not fit; 0: there is none. */
static int add_targets(struct state *s, const struct state_run *run,
                       const struct state_report_page *page, json_t *machines, size_t *ret_next,
                       struct error *err)
{
    size_t bytes = 0;
    int r = 0;

    *ret_next = 0;
    for (size_t i = page->from; i < run->targets.count && r == 0; i++) {
        CLEANUP(state_results_clear) struct state_results results = {0};
        const struct state_target *t = &run->targets.items[i];

        if (page->machine && strcmp(page->machine, t->machine) != 0)
            continue;
        if (page->bounded && bytes > STATE_REPORT_PAGE_BYTES) {
            *ret_next = i;
            break;
        }
        r = state_result_list_of(s, run->number, t->machine, NULL, &results, err);
        if (r == 0)
            r = append_value(machines, json_target(t, &results, page->quiet), err);
        bytes += count_bytes(&results);
    }
    return r;
}

int state_report_run_json(struct state *s, int64_t number, const struct state_report_page *page,
                          struct text *ret, struct error *err)
{
    CLEANUP(state_run_clear) struct state_run run = {0};
    CLEANUP_JSON json_t *o = json_object(), *machines = json_array();
    struct state_counts counts = {0};
    json_t *one;
    size_t next = 0;
    int r = state_report_find_run(s, number, &run, err);

    if (r == 0)
        r = state_run_counts(s, number, &counts, err);
    if (r == 0)
        r = add_targets(s, &run, page, machines, &next, err);
    if (r < 0)
        return r;
    one = json_run(&run, &counts);
    if (!put_value(o, "version", json_integer(1)) || !put_value(o, "run", one) ||
        !put_value(one, "machines", json_incref(machines)) ||
        (next && !put_value(o, "next", json_integer((json_int_t)next))))
        return error_sys(err, -ENOMEM, "cannot write JSON");
    return write_json(ret, o, err);
}
