#include "progress.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "private.h"

static const char *const result_names[] = {
    [PROGRESS_OK] = "ok",         [PROGRESS_CHANGE] = "change",   [PROGRESS_CHANGED] = "changed",
    [PROGRESS_FAILED] = "failed", [PROGRESS_SKIPPED] = "skipped",
};

static const char *const kind_names[] = {
    [PROGRESS_CONNECTING] = "connecting",
    [PROGRESS_CHECKING] = "checking",
    [PROGRESS_SENDING] = "sending",
    [PROGRESS_PLAN] = "plan",
    [PROGRESS_START] = "start",
    [PROGRESS_RESULT] = "step",
    [PROGRESS_NOTE] = "note",
    [PROGRESS_UNREACHABLE] = "unreachable",
    [PROGRESS_BROKEN] = "failed",
    [PROGRESS_SKIP] = "skipped",
    [PROGRESS_DONE] = "done",
};

struct progress *progress_new(const struct progress_options *options)
{
    struct progress *p = calloc(1, sizeof(*p));

    if (!p)
        return NULL;
    p->options = *options;
    progress_resize(p, options->width, options->height);
    /* Nothing but failures: there is nothing to draw. */
    if (options->quiet && options->format == PROGRESS_TERMINAL)
        p->options.format = PROGRESS_PLAIN;
    return p;
}

void progress_free(struct progress *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->count; i++) {
        free(p->machines[i].label);
        free(p->machines[i].host);
        free(p->machines[i].step);
        free(p->machines[i].detail);
        free(p->machines[i].lines);
    }
    free(p->machines);
    free(p->widths);
    text_clear(&p->out);
    free(p);
}

int progress_add_machine(struct progress *p, const char *label, const char *host, size_t *ret_index)
{
    struct progress_machine *machines;
    struct progress_machine m = {.label = progress_printable(label)};

    m.host = host ? progress_printable(host) : NULL;
    machines = reallocarray(p->machines, p->count + 1, sizeof(*machines));
    if (machines)
        p->machines = machines;
    if (!machines || !m.label || (host && !m.host)) {
        free(m.label);
        free(m.host);
        return -ENOMEM;
    }
    machines[p->count] = m;
    *ret_index = p->count++;
    p->dirty = true;
    return 0;
}

/* --- text that all writers need --------------------------------------------- */

static void flush_output(struct progress *p)
{
    if (p->out.size && p->options.write)
        p->options.write(p->out.data, p->out.size, p->options.arg);
    text_reset(&p->out);
}

/* --- events into the model --------------------------------------------------- */

static void replace_string(char **to, const char *from)
{
    char *copy = from ? strdup(from) : NULL;

    free(*to);
    *to = copy;
}

static void end_machine(struct progress *p, struct progress_machine *m,
                        enum machine_outcome outcome)
{
    m->phase = PHASE_ENDED;
    m->outcome = outcome;
    m->ended_ms = p->now_ms;
}

static void take_result(struct progress_machine *m, const struct progress_event *e)
{
    m->phase = PHASE_RUNNING;
    m->done += e->result != PROGRESS_SKIPPED; /* the bar stops where it failed */
    switch (e->result) {
    case PROGRESS_OK:
        m->ok++;
        break;
    case PROGRESS_CHANGE:
        m->only_checked = true;
        m->changed++;
        break;
    case PROGRESS_CHANGED:
        m->changed++;
        break;
    case PROGRESS_SKIPPED:
        m->skipped++;
        break;
    case PROGRESS_FAILED:
        m->failed++;
        replace_string(&m->detail, e->detail);
        replace_string(&m->lines, e->lines);
        break;
    }
    if (!m->failed || e->result == PROGRESS_FAILED)
        replace_string(&m->step, e->step);
}

static void take_event(struct progress *p, struct progress_machine *m,
                       const struct progress_event *e)
{
    switch (e->kind) {
    case PROGRESS_CONNECTING:
        m->phase = PHASE_CONNECTING;
        break;
    case PROGRESS_CHECKING:
        m->phase = PHASE_CHECKING;
        break;
    case PROGRESS_SENDING:
        m->phase = PHASE_SENDING;
        break;
    case PROGRESS_PLAN:
        m->planned = m->done + e->number; /* a second plan: the steps start again */
        break;
    case PROGRESS_START:
        m->phase = PHASE_RUNNING;
        m->step_ms = p->now_ms;
        if (!m->failed)
            replace_string(&m->step, e->step);
        break;
    case PROGRESS_RESULT:
        take_result(m, e);
        break;
    case PROGRESS_NOTE:
        replace_string(&m->detail, e->detail);
        break;
    case PROGRESS_UNREACHABLE:
    case PROGRESS_BROKEN:
    case PROGRESS_SKIP:
        replace_string(&m->detail, e->detail);
        if (e->lines)
            replace_string(&m->lines, e->lines);
        end_machine(p, m,
                    e->kind == PROGRESS_UNREACHABLE ? OUTCOME_UNREACHABLE
                    : e->kind == PROGRESS_BROKEN    ? OUTCOME_FAILED
                                                    : OUTCOME_SKIPPED);
        break;
    case PROGRESS_DONE:
        end_machine(p, m, m->failed ? OUTCOME_FAILED : m->changed ? OUTCOME_CHANGED : OUTCOME_OK);
        break;
    }
}

/* --- events as lines ---------------------------------------------------------- */

static bool is_bad(const struct progress_event *e)
{
    return e->kind == PROGRESS_UNREACHABLE || e->kind == PROGRESS_BROKEN ||
           (e->kind == PROGRESS_RESULT && e->result == PROGRESS_FAILED);
}

static bool is_told(const struct progress *p, const struct progress_event *e)
{
    if (is_bad(e))
        return true;
    if (p->options.quiet)
        return false;
    /* The drawing shows the rest. */
    if (p->options.format == PROGRESS_TERMINAL)
        return e->kind == PROGRESS_NOTE || e->kind == PROGRESS_SKIP;
    if (p->options.verbose)
        return e->kind != PROGRESS_PLAN;
    return e->kind == PROGRESS_NOTE || e->kind == PROGRESS_SKIP || e->kind == PROGRESS_DONE ||
           (e->kind == PROGRESS_RESULT && e->result != PROGRESS_OK &&
            e->result != PROGRESS_SKIPPED);
}

static void add_event_words(struct text *t, const struct progress_machine *m,
                            const struct progress_event *e)
{
    if (e->kind == PROGRESS_RESULT || e->kind == PROGRESS_START) {
        text_add_printable(t, e->step ? e->step : "?");
        text_addc(t, ' ');
    }
    if (e->kind == PROGRESS_RESULT)
        text_adds(t, e->result == PROGRESS_CHANGE ? "would change" : result_names[e->result]);
    else if (e->kind == PROGRESS_START)
        text_adds(t, "started");
    else if (e->kind == PROGRESS_DONE)
        text_adds(t, progress_outcome_name(m->outcome));
    else if (e->kind != PROGRESS_NOTE)
        text_adds(t, kind_names[e->kind]);
    if (e->detail && *e->detail) {
        text_adds(t, e->kind == PROGRESS_NOTE ? "" : ": ");
        text_add_printable(t, e->detail);
    }
}

/* `a1 rpi-1: apt changed: 12 packages (3.2 s)` */
static void write_event(struct progress *p, const struct progress_machine *m,
                        const struct progress_event *e)
{
    CLEANUP_TEXT struct text line = TEXT_INIT;
    enum progress_colour colour = is_bad(e) ? COLOUR_RED : COLOUR_NONE;

    progress_add_label(&line, m);
    text_adds(&line, ": ");
    add_event_words(&line, m, e);
    if ((e->kind == PROGRESS_RESULT && m->step_ms) || e->kind == PROGRESS_DONE) {
        text_adds(&line, " (");
        progress_add_duration(&line,
                              p->now_ms - (e->kind == PROGRESS_DONE ? m->started_ms : m->step_ms));
        text_addc(&line, ')');
    }
    if (e->kind == PROGRESS_RESULT && e->result == PROGRESS_CHANGED)
        colour = COLOUR_YELLOW;
    else if (e->kind == PROGRESS_DONE)
        colour = progress_outcome_colour(m->outcome);
    progress_add_coloured(&p->out, p->options.colour, colour, text_str(&line));
    text_addc(&p->out, '\n');
    /* Otherwise the recap has them. */
    if (is_bad(e) && p->options.format == PROGRESS_TERMINAL)
        progress_add_last_lines(&p->out, "    ", e->lines);
}

static void tell_json(struct progress *p, const struct progress_machine *m,
                      const struct progress_event *e)
{
    json_t *o = json_pack("{s:i,s:s}", "version", 1, "event", kind_names[e->kind]);

    progress_json_add_machine(o, m);
    if (e->kind == PROGRESS_PLAN)
        (void)json_object_set_new(o, "steps", json_integer(e->number));
    progress_json_add(o, "step", e->step);
    if (e->kind == PROGRESS_RESULT)
        progress_json_add(o, "status", result_names[e->result]);
    if (e->kind == PROGRESS_DONE)
        progress_json_add(o, "status", progress_outcome_name(m->outcome));
    progress_json_add(o, "detail", e->detail);
    progress_json_add(o, "output", e->lines);
    if (e->kind == PROGRESS_RESULT && m->step_ms)
        (void)json_object_set_new(o, "took", json_real((double)(p->now_ms - m->step_ms) / 1000));
    (void)json_object_set_new(o, "at", json_real((double)(p->now_ms - p->begun_ms) / 1000));
    (void)progress_add_json_line(&p->out, o);
    json_decref(o);
}

/* Time never goes back here, even if the caller's does. */
static void set_now(struct progress *p, uint64_t now_ms)
{
    if (!p->begun) {
        p->begun = true;
        p->begun_ms = now_ms;
    }
    if (now_ms > p->now_ms)
        p->now_ms = now_ms;
}

void progress_event(struct progress *p, const struct progress_event *event, uint64_t now_ms)
{
    struct progress_machine *m;

    set_now(p, now_ms);
    if (event->machine >= p->count || p->finished)
        return;
    m = &p->machines[event->machine];
    if (m->phase == PHASE_ENDED)
        return;
    if (!m->started) {
        m->started = true;
        m->started_ms = p->now_ms;
    }
    take_event(p, m, event);
    p->dirty = true;
    if (p->options.format == PROGRESS_JSON)
        tell_json(p, m, event);
    else if (is_told(p, event)) {
        if (p->options.format == PROGRESS_TERMINAL)
            progress_draw_away(p);
        write_event(p, m, event);
        if (p->options.format == PROGRESS_TERMINAL)
            draw(p);
    }
    if (event->kind == PROGRESS_RESULT)
        m->step_ms = 0;
    flush_output(p);
}

void progress_tick(struct progress *p, uint64_t now_ms)
{
    uint64_t age;

    set_now(p, now_ms);
    if (p->options.format != PROGRESS_TERMINAL || p->finished)
        return;
    age = p->now_ms - p->drawn_ms;
    /* The clocks are redrawn once a second, even if nothing else changes. */
    if (p->drawn && (age < PROGRESS_REDRAW_MS || (!p->dirty && age < 1000)))
        return;
    draw(p);
    flush_output(p);
}

void progress_resize(struct progress *p, unsigned width, unsigned height)
{
    p->options.width = width ? width : 80;
    p->options.height = height ? height : 24;
    p->dirty = true;
}

void progress_hide(struct progress *p)
{
    progress_draw_away(p);
    p->dirty = true;
    flush_output(p);
}

void progress_finish(struct progress *p, uint64_t now_ms)
{
    set_now(p, now_ms);
    if (p->finished)
        return;
    for (size_t i = 0; i < p->count; i++)
        if (p->machines[i].phase != PHASE_ENDED)
            end_machine(p, &p->machines[i], OUTCOME_INTERRUPTED);
    if (p->options.format == PROGRESS_TERMINAL)
        draw(p);
    p->drawn = 0;
    p->finished = true;
    flush_output(p);
}
