#include "solve-show.h"

#include <stdio.h>
#include <string.h>

#include "deployer/solve/solve.h"
#include "discovery/base/cleanup.h"
#include "discovery/base/terminal.h"

const char *solve_show_host(const struct targets *targets, const char *agent)
{
    for (size_t i = 0; i < targets->count; i++)
        if (strings_has(&targets->items[i].agents, agent))
            return targets->items[i].host ? targets->items[i].host : targets->items[i].id;
    return NULL;
}

void solve_show_json(json_t *event)
{
    CLEANUP_FREE char *text = NULL;

    (void)json_object_set_new(event, "version", json_integer(1));
    text = json_dumps(event, JSON_COMPACT | JSON_REAL_PRECISION(15));
    json_decref(event);
    if (text)
        puts(text);
    (void)fflush(stdout);
}

static const char *string_of(const json_t *event, const char *key)
{
    const char *value = json_string_value(json_object_get(event, key));

    return value ? value : "";
}

static void show_json(struct solve_show *s, const json_t *event)
{
    const char *kind = string_of(event, "event"), *name, *host;
    json_t *copy, *value;

    if (strcmp(kind, "alive") == 0 || strcmp(kind, "result") == 0 || strcmp(kind, "stopping") == 0)
        return; /* the result is shown with the experiment's folder */
    if (strcmp(kind, "values") == 0) {
        json_object_foreach(json_object_get(event, "values"), name, value)
            solve_show_json(json_pack("{s:s, s:s, s:O, s:O*}", "event", "value", "variable", name,
                                      "value", value, "at", json_object_get(event, "at")));
        return;
    }
    copy = json_deep_copy(event);
    host = solve_show_host(s->targets, string_of(event, "agent"));
    if (copy && host)
        (void)json_object_set_new(copy, "host", json_string(host));
    if (copy)
        solve_show_json(copy);
}

void solve_show_end(struct solve_show *s)
{
    if (s->drawn)
        fputs("\r\033[K", stderr);
    s->drawn = false;
}

static void add_number(struct text *t, const json_t *event, const char *key, const char *label)
{
    const json_t *value = json_object_get(event, key);

    if (!json_is_number(value))
        return;
    text_adds(t, label);
    if (json_is_integer(value))
        text_addf(t, "%lld", (long long)json_integer_value(value));
    else
        text_addf(t, "%.6g", json_number_value(value));
}

static void draw_metrics(struct solve_show *s, const json_t *event)
{
    CLEANUP_TEXT struct text line = TEXT_INIT;

    if (!s->draws)
        return;
    text_addf(&line, "\r\033[K  %.1f s", json_number_value(json_object_get(event, "time")));
    add_number(&line, event, "cycle", "   cycle ");
    add_number(&line, event, "cost", "   cost ");
    add_number(&line, event, "violations", "   violated ");
    add_number(&line, event, "messages", "   messages ");
    terminal_put(stderr, &line);
    s->drawn = true;
}

/* "a1 on rpi-1" */
static void add_agent(struct text *t, const struct solve_show *s, const json_t *event)
{
    const char *agent = string_of(event, "agent"), *host = solve_show_host(s->targets, agent);

    text_add_printable(t, agent);
    text_adds(t, " on ");
    text_add_printable(t, host ? host : "an unknown machine");
}

static void add_prepared(struct text *t, const json_t *event)
{
    const json_t *note;
    size_t i;

    json_array_foreach(json_object_get(event, "notes"), i, note)
    {
        text_addf(t, "%s", i ? "\n" : "");
        text_add_printable(t, json_string_value(note) ? json_string_value(note) : "");
    }
}

/* "a1 on rpi-1 is replaced after 0.8 s: v1 is now on a2 (rpi-2)"; a line for each agent. */
static void add_repaired(struct text *t, const struct solve_show *s, const json_t *event)
{
    const json_t *lost, *one;
    size_t i, k;

    json_array_foreach(json_object_get(event, "agents"), i, lost)
    {
        size_t count = 0;

        text_addf(t, "%s", i ? "\n" : "");
        add_agent(t, s, lost);
        text_addf(t, " is replaced after %.1f s",
                  json_number_value(json_object_get(event, "took")));
        json_array_foreach(json_object_get(event, "moved"), k, one)
        {
            const char *to = string_of(one, "to"), *host = solve_show_host(s->targets, to);

            if (strcmp(string_of(one, "from"), string_of(lost, "agent")) != 0)
                continue;
            text_adds(t, count++ ? ", " : ": now ");
            text_add_printable(t, string_of(one, "computation"));
            text_adds(t, " is on ");
            text_add_printable(t, to);
            text_adds(t, " (");
            text_add_printable(t, host ? host : "an unknown machine");
            text_adds(t, ")");
        }
    }
}

static void show_text(struct solve_show *s, const json_t *event)
{
    const char *kind = string_of(event, "event");
    CLEANUP_TEXT struct text line = TEXT_INIT;

    if (strcmp(kind, "metrics") == 0)
        draw_metrics(s, event);
    else if (strcmp(kind, "prepared") == 0)
        add_prepared(&line, event);
    else if (strcmp(kind, "registered") == 0) {
        add_agent(&line, s, event);
        text_addf(&line, " is registered (%lld of %lld)",
                  (long long)json_integer_value(json_object_get(event, "count")),
                  (long long)json_integer_value(json_object_get(event, "of")));
    } else if (strcmp(kind, "started") == 0)
        text_adds(&line, "the run has started");
    else if (strcmp(kind, "gone") == 0) {
        add_agent(&line, s, event);
        text_adds(&line, " has gone: ");
        text_add_printable(&line, string_of(event, "reason"));
    } else if (strcmp(kind, "replicated") == 0)
        text_addf(&line, "replicas of each computation: %lld",
                  (long long)json_integer_value(json_object_get(event, "replicas")));
    else if (strcmp(kind, "scenario") == 0) {
        text_adds(&line, "the scenario's event ");
        text_add_printable(&line, string_of(event, "id"));
    } else if (strcmp(kind, "repaired") == 0)
        add_repaired(&line, s, event);
    if (line.size == 0 || s->quiet)
        return;
    solve_show_end(s);
    text_addc(&line, '\n');
    terminal_put(stderr, &line);
}

void solve_show_event(struct solve_show *s, const json_t *event)
{
    if (s->json)
        show_json(s, event);
    else
        show_text(s, event);
}

static void show_difference(const struct solve_show *s, const char *words, bool stops)
{
    CLEANUP_TEXT struct text line = TEXT_INIT;

    if (s->json) {
        solve_show_json(
            json_pack("{s:s, s:s, s:b}", "event", "differs", "words", words, "stops", stops));
        return;
    }
    text_adds(&line, stops ? "Not as in the receipt: " : "Since the receipt: ");
    text_add_printable(&line, words);
    text_addc(&line, '\n');
    if (stops || !s->quiet)
        terminal_put(stderr, &line);
}

void solve_show_differences(struct solve_show *s, const struct strings *stops,
                            const struct strings *notes)
{
    for (size_t i = 0; i < notes->count; i++)
        show_difference(s, notes->items[i], false);
    for (size_t i = 0; i < stops->count; i++)
        show_difference(s, stops->items[i], true);
}
