#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "private.h"

static uint64_t took(const struct progress_machine *m)
{
    return m->started && m->ended_ms > m->started_ms ? m->ended_ms - m->started_ms : 0;
}

static void add_column(struct text *t, const char *value, size_t width)
{
    size_t w = text_width(value);

    text_adds(t, value);
    progress_add_spaces(t, (w < width ? width - w : 0) + 2);
}

static void add_row(const struct progress *p, const struct progress_machine *m, size_t labels,
                    size_t hosts, struct text *ret)
{
    CLEANUP_TEXT struct text time = TEXT_INIT;

    add_column(ret, m->label, labels);
    if (hosts)
        add_column(ret, m->host ? m->host : "", hosts);
    progress_add_duration(&time, took(m));
    text_addf(ret, "%4u  %7u  %6u  %7u  %*s%s  ", m->ok, m->changed, m->failed, m->skipped,
              (int)(time.size < 11 ? 11 - time.size : 0), "", text_str(&time));
    progress_add_coloured(ret, p->options.colour, progress_outcome_colour(m->outcome),
                          progress_outcome_name(m->outcome));
    if (m->only_checked && m->outcome == OUTCOME_CHANGED)
        text_adds(ret, " (would be)");
    text_addc(ret, '\n');
}

/* What failed, where, and its last lines of output. */
static void add_failure(const struct progress *p, const struct progress_machine *m,
                        struct text *ret)
{
    CLEANUP_TEXT struct text line = TEXT_INIT;

    progress_add_label(&line, m);
    text_adds(&line, ": ");
    if (m->failed && m->step) {
        text_add_printable(&line, m->step);
        text_addc(&line, ' ');
    }
    text_adds(&line, progress_outcome_name(m->outcome));
    if (m->detail && *m->detail) {
        text_adds(&line, ": ");
        text_add_printable(&line, m->detail);
    }
    text_addc(ret, '\n');
    progress_add_coloured(ret, p->options.colour, COLOUR_RED, text_str(&line));
    text_addc(ret, '\n');
    if (p->options.format != PROGRESS_TERMINAL || p->options.recap_apart)
        progress_add_last_lines(ret, "    ", m->lines);
}

static bool went_wrong(const struct progress_machine *m)
{
    return m->outcome == OUTCOME_FAILED || m->outcome == OUTCOME_UNREACHABLE || m->failed;
}

static int recap_json(const struct progress *p, struct text *ret)
{
    json_t *machines = json_array(), *o;
    int r;

    for (size_t i = 0; i < p->count; i++) {
        const struct progress_machine *m = &p->machines[i];
        json_t *row = json_pack("{s:i,s:i,s:i,s:i}", "ok", (int)m->ok, "changed", (int)m->changed,
                                "failed", (int)m->failed, "skipped", (int)m->skipped);

        progress_json_add_machine(row, m);
        progress_json_add(row, "status", progress_outcome_name(m->outcome));
        if (m->only_checked)
            (void)json_object_set_new(row, "check", json_true());
        if (went_wrong(m)) {
            progress_json_add(row, "step", m->failed ? m->step : NULL);
            progress_json_add(row, "detail", m->detail);
            progress_json_add(row, "output", m->lines);
        }
        (void)json_object_set_new(row, "took", json_real((double)took(m) / 1000));
        (void)json_array_append_new(machines, row);
    }
    o = json_pack("{s:i,s:s,s:o}", "version", 1, "event", "recap", "machines", machines);
    r = progress_add_json_line(ret, o);
    json_decref(o);
    return r;
}

int progress_recap(const struct progress *p, struct text *ret)
{
    size_t labels = strlen("agent"), hosts = 0;

    if (p->options.format == PROGRESS_JSON)
        return recap_json(p, ret);
    if (p->count == 0)
        return 0;
    for (size_t i = 0; i < p->count; i++) {
        size_t l = text_width(p->machines[i].label),
               h = p->machines[i].host ? text_width(p->machines[i].host) : 0;

        labels = l > labels ? l : labels;
        hosts = h > hosts ? h : hosts;
    }
    if (hosts && hosts < strlen("host"))
        hosts = strlen("host");
    add_column(ret, "agent", labels);
    if (hosts)
        add_column(ret, "host", hosts);
    text_adds(ret, "  ok  changed  failed  skipped         time  result\n");
    for (size_t i = 0; i < p->count; i++)
        add_row(p, &p->machines[i], labels, hosts, ret);
    for (size_t i = 0; i < p->count; i++)
        if (went_wrong(&p->machines[i]))
            add_failure(p, &p->machines[i], ret);
    return text_error(ret);
}
