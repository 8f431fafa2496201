#include "solve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "discovery/base/cleanup.h"

/* Digits that a decimal fraction survives; more show what binary makes of it. */
#define REAL JSON_REAL_PRECISION(15)

int solve_init(struct solve *s)
{
    *s = (struct solve){
        .values = json_object(), .events = json_array(), .agents_max = SOLVE_AGENTS_MAX};
    text_adds(&s->metrics, "time,cycle,cost,violations,messages,bytes\n");
    return s->values && s->events && text_error(&s->metrics) == 0 ? 0 : -ENOMEM;
}

void solve_clear(struct solve *s)
{
    json_decref(s->prepared);
    json_decref(s->values);
    json_decref(s->last);
    json_decref(s->told);
    json_decref(s->events);
    text_clear(&s->metrics);
    strings_clear(&s->missing);
    strings_clear(&s->gone);
    free(s->refusal);
    free(s->death);
    *s = (struct solve){0};
}

/* --- events -------------------------------------------------------------------- */

static const char *string_of(const json_t *event, const char *key)
{
    const char *value = json_string_value(json_object_get(event, key));

    return value ? value : "";
}

static void replace(json_t **what, const json_t *with)
{
    json_decref(*what);
    *what = json_deep_copy(with);
}

static void take_values(struct solve *s, const json_t *event)
{
    json_t *values = json_object_get(event, "values");

    if (json_object_size(s->values) + json_object_size(values) <= SOLVE_VARIABLES_MAX)
        (void)json_object_update(s->values, values);
    else
        (void)json_object_update_existing(s->values, values);
}

static void add_number(struct text *t, const json_t *value)
{
    CLEANUP_FREE char *text =
        json_is_number(value) ? json_dumps(value, JSON_ENCODE_ANY | REAL) : NULL;

    text_adds(t, text ? text : "");
}

static void take_metrics(struct solve *s, const json_t *event)
{
    static const char *const columns[] = {"time",       "cycle",    "cost",
                                          "violations", "messages", "bytes"};

    replace(&s->last, event);
    if (s->metrics.size > SOLVE_METRICS_MAX)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
        if (i > 0)
            text_addc(&s->metrics, ',');
        add_number(&s->metrics, json_object_get(event, columns[i]));
    }
    text_addc(&s->metrics, '\n');
}

static void take_refusal(struct solve *s, const json_t *event)
{
    json_int_t code = json_integer_value(json_object_get(event, "code"));

    s->refusal = strdup(string_of(event, "reason"));
    s->busy = json_is_true(json_object_get(event, "busy"));
    s->code = code >= 1 && code <= 3 ? (int)code : 1;
}

static void add_agent(const struct solve *s, struct strings *to, const json_t *event)
{
    const char *agent = string_of(event, "agent");

    if (to->count < s->agents_max && !strings_has(to, agent))
        (void)strings_add(to, agent);
}

static void keep_event(struct solve *s, const json_t *event)
{
    size_t size = json_dumpb(event, NULL, 0, JSON_COMPACT);

    if (json_array_size(s->events) >= SOLVE_EVENTS_MAX || size == 0 ||
        size > SOLVE_EVENTS_SIZE - s->events_size)
        return;
    s->events_size += size;
    (void)json_array_append_new(s->events, json_deep_copy(event));
}

static void take_end(struct solve *s, const char *why)
{
    s->ended = true;
    if (!s->told && !s->refusal && !s->death)
        s->death = strdup(why);
}

void solve_hear(struct solve *s, const json_t *event, const char *why)
{
    const char *kind = string_of(event, "event");

    if (!event) {
        take_end(s, why);
        return;
    }
    if (strcmp(kind, "alive") == 0)
        return;
    if (strcmp(kind, "values") == 0) {
        take_values(s, event);
        return;
    }
    if (strcmp(kind, "metrics") == 0) {
        take_metrics(s, event);
        return;
    }
    if (strcmp(kind, "result") == 0) {
        replace(&s->told, event);
        return;
    }
    if (strcmp(kind, "prepared") == 0)
        replace(&s->prepared, event);
    else if (strcmp(kind, "refused") == 0 && !s->refusal)
        take_refusal(s, event);
    else if (strcmp(kind, "unregistered") == 0)
        add_agent(s, &s->missing, event);
    else if (strcmp(kind, "gone") == 0)
        add_agent(s, &s->gone, event);
    keep_event(s, event);
}

/* --- the result ---------------------------------------------------------------------- */

static void copy_key(json_t *to, const char *key, const json_t *from)
{
    json_t *value = json_object_get(from, key);

    (void)json_object_set_new(to, key, value ? json_deep_copy(value) : json_null());
}

/* One that died before the start has a log that says of what. */
bool solve_has_run(const struct solve *s)
{
    return s->begun || !(s->refusal || s->stopped);
}

/* What is known of a run whose orchestrator has died. */
static json_t *result_of_dead(const struct solve *s)
{
    json_t *result =
        json_pack("{s:s, s:s, s:o}", "status", s->stopped ? "stopped" : "failed", "reason",
                  s->stopped   ? "stopped by the user"
                  : s->refusal ? s->refusal
                  : s->death   ? s->death
                               : "the run has no result",
                  "assignment", json_deep_copy(s->values));

    copy_key(result, "cost", s->last);
    copy_key(result, "violations", s->last);
    (void)json_object_set_new(result, "cycles",
                              json_incref(json_object_get(s->last, "cycle")) ?: json_null());
    copy_key(result, "messages", s->last);
    copy_key(result, "bytes", s->last);
    copy_key(result, "time", s->last);
    return result;
}

json_t *solve_result(const struct solve *s)
{
    static const char *const keys[] = {"status",     "reason", "assignment", "missing", "cost",
                                       "violations", "cycles", "messages",   "bytes",   "time"};
    json_t *result;

    if (!s->told)
        return result_of_dead(s);
    result = json_object();
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        copy_key(result, keys[i], s->told);
    if (json_object_get(s->told, "repairs"))
        copy_key(result, "repairs", s->told);
    return result;
}

bool solve_result_is_good(const json_t *result)
{
    const char *status = string_of(result, "status");

    return (strcmp(status, "finished") == 0 || strcmp(status, "timeout") == 0) &&
           json_object_size(json_object_get(result, "assignment")) > 0 &&
           json_array_size(json_object_get(result, "missing")) == 0;
}

void solve_add_value(const json_t *value, struct text *ret)
{
    CLEANUP_FREE char *text =
        json_is_string(value) ? NULL : json_dumps(value, JSON_ENCODE_ANY | REAL);

    text_add_printable(ret, json_is_string(value) ? json_string_value(value) : text ? text : "");
}

static void add_figure(struct text *t, const json_t *result, const char *key, const char *before,
                       const char *after)
{
    const json_t *value = json_object_get(result, key);

    if (!value || json_is_null(value))
        return;
    text_adds(t, before);
    solve_add_value(value, t);
    text_adds(t, after);
}

/* "lost a3 (its program has ended): v3 went to a1" */
static void add_lost(struct text *t, const json_t *lost, const json_t *moved)
{
    const char *agent = string_of(lost, "agent"), *before = "): ";
    const json_t *one;
    size_t i;

    text_adds(t, "lost ");
    text_add_printable(t, agent);
    text_adds(t, " (");
    text_add_printable(t, string_of(lost, "reason"));
    json_array_foreach(moved, i, one)
    {
        if (strcmp(string_of(one, "from"), agent) != 0)
            continue;
        text_adds(t, before);
        text_add_printable(t, string_of(one, "computation"));
        text_adds(t, " went to ");
        text_add_printable(t, string_of(one, "to"));
        before = ", ";
    }
    text_adds(t, *before == ')' ? ")\n" : "\n");
}

/* "cost 2, violated constraints 0; finished after 0.108 s" */
static void add_figures(const json_t *result, struct text *ret)
{
    add_figure(ret, result, "cost", "cost ", "");
    add_figure(ret, result, "violations", ", violated constraints ", "");
    text_adds(ret, json_is_number(json_object_get(result, "cost")) ? "; " : "");
    text_add_printable(ret, result ? string_of(result, "status") : "no result");
    add_figure(ret, result, "time", " after ", " s");
}

void solve_result_line(const json_t *result, struct text *ret)
{
    add_figures(result, ret);
    if (!*string_of(result, "reason") || solve_result_is_good(result))
        return;
    text_adds(ret, ": ");
    text_add_printable(ret, string_of(result, "reason"));
}

int solve_result_text(const json_t *result, struct text *ret)
{
    json_t *assignment = json_object_get(result, "assignment"), *value;
    const json_t *repair, *lost;
    size_t i, k;
    const char *name;

    json_object_foreach(assignment, name, value)
    {
        text_adds(ret, "  ");
        text_add_printable(ret, name);
        text_adds(ret, " = ");
        solve_add_value(value, ret);
        text_addc(ret, '\n');
    }
    add_figures(result, ret);
    add_figure(ret, result, "cycles", ", cycles ", "");
    add_figure(ret, result, "messages", ", messages ", "");
    text_addc(ret, '\n');
    json_array_foreach(json_object_get(result, "repairs"), i, repair)
    {
        json_array_foreach(json_object_get(repair, "agents"), k, lost)
            add_lost(ret, lost, json_object_get(repair, "moved"));
    }
    return text_error(ret);
}
