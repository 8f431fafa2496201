#include <stdio.h>
#include <string.h>

#include "private.h"

enum { BAR = 12, LABEL_MAX = 24 };

/* How many rows of the terminal the drawing takes: lines that were drawn on a
 * wider one have been folded since. */
static size_t rows_drawn(const struct progress *p)
{
    size_t rows = 0;

    for (size_t i = 0; i < p->drawn; i++)
        rows += p->widths[i] ? (p->widths[i] + p->options.width - 1) / p->options.width : 1;
    return rows;
}

/* ECMA-48: CUU and ED. */
void progress_draw_away(struct progress *p)
{
    size_t rows = rows_drawn(p);

    if (rows)
        text_addf(&p->out, "\r\033[%zuA\033[J", rows);
    p->drawn = 0;
}

static void add_line(struct progress *p, const char *printable, enum progress_colour colour)
{
    CLEANUP_TEXT struct text line = TEXT_INIT;

    /* A line as wide as the terminal would leave the cursor in doubt. */
    progress_add_fit(&line, printable, p->options.width - 1);
    progress_add_coloured(&p->out, p->options.colour, colour, text_str(&line));
    text_adds(&p->out, "\033[K\n"); /* EL: what was longer before */
    if (p->drawn >= p->widths_room) {
        size_t room = p->widths_room ? 2 * p->widths_room : 64;
        unsigned *widths = reallocarray(p->widths, room, sizeof(*widths));

        if (!widths)
            return; /* one line too many would stay on the screen */
        p->widths = widths;
        p->widths_room = room;
    }
    p->widths[p->drawn++] = (unsigned)text_width(text_str(&line));
}

static void add_bar(struct text *t, const struct progress_machine *m)
{
    unsigned total = m->planned > m->done ? m->planned : m->done;
    unsigned filled = total ? BAR * m->done / total : 0;

    if (m->phase == PHASE_ENDED && !m->failed && m->outcome != OUTCOME_UNREACHABLE &&
        m->outcome != OUTCOME_INTERRUPTED && m->outcome != OUTCOME_SKIPPED)
        filled = BAR;
    text_addc(t, '[');
    for (unsigned i = 0; i < BAR; i++)
        text_addc(t, i < filled ? '#' : '.');
    text_addc(t, ']');
    if (total)
        text_addf(t, " %2u/%-2u", m->done, total);
    else
        progress_add_spaces(t, 6);
    text_addc(t, ' ');
}

static void add_doing(struct progress *p, struct text *t, const struct progress_machine *m)
{
    static const char *const phases[] = {
        [PHASE_WAITING] = "waiting",   [PHASE_CONNECTING] = "connecting",
        [PHASE_CHECKING] = "checking", [PHASE_SENDING] = "sending",
        [PHASE_RUNNING] = "",          [PHASE_ENDED] = "",
    };

    if (m->phase == PHASE_ENDED) {
        text_adds(t, progress_outcome_name(m->outcome));
        if (m->outcome == OUTCOME_FAILED && m->failed && m->step) {
            text_adds(t, ": ");
            text_add_printable(t, m->step);
        } else if (m->detail && m->outcome != OUTCOME_OK && m->outcome != OUTCOME_CHANGED) {
            text_adds(t, ": ");
            text_add_printable(t, m->detail);
        }
    } else if (m->phase == PHASE_RUNNING)
        text_add_printable(t, m->step ? m->step : "…");
    else
        text_adds(t, phases[m->phase]);
    if (m->started) {
        text_adds(t, " (");
        progress_add_duration(
            t, (m->phase == PHASE_ENDED ? m->ended_ms : p->now_ms) -
                   (m->step_ms && m->phase == PHASE_RUNNING ? m->step_ms : m->started_ms));
        text_addc(t, ')');
    }
}

static void add_column(struct text *t, const char *value, size_t width)
{
    size_t w = text_width(value);

    progress_add_fit(t, value, width);
    progress_add_spaces(t, (w < width ? width - w : 0) + 2);
}

static void draw_machine(struct progress *p, const struct progress_machine *m, size_t labels,
                         size_t hosts)
{
    CLEANUP_TEXT struct text line = TEXT_INIT;
    enum progress_colour colour = COLOUR_NONE;

    add_column(&line, m->label, labels);
    if (hosts)
        add_column(&line, m->host ? m->host : "", hosts);
    add_bar(&line, m);
    add_doing(p, &line, m);
    if (m->phase == PHASE_ENDED)
        colour = progress_outcome_colour(m->outcome);
    else if (m->failed)
        colour = COLOUR_RED;
    else if (m->phase == PHASE_WAITING)
        colour = COLOUR_DIM;
    add_line(p, text_str(&line), colour);
}

static void draw_summary(struct progress *p, size_t hidden)
{
    CLEANUP_TEXT struct text line = TEXT_INIT;
    struct progress_counts c;
    unsigned busy = 0, waiting = 0, ended = 0;

    progress_count(p, &c);
    for (size_t i = 0; i < p->count; i++) {
        busy += p->machines[i].phase != PHASE_ENDED && p->machines[i].phase != PHASE_WAITING;
        waiting += p->machines[i].phase == PHASE_WAITING;
        ended += p->machines[i].phase == PHASE_ENDED;
    }
    text_addf(&line, "%u of %u done", ended, c.machines);
    if (busy)
        text_addf(&line, ", %u at work", busy);
    if (waiting)
        text_addf(&line, ", %u waiting", waiting);
    if (c.failed)
        text_addf(&line, ", %u failed", c.failed);
    if (c.unreachable)
        text_addf(&line, ", %u unreachable", c.unreachable);
    if (hidden)
        text_addf(&line, " (%zu not shown)", hidden);
    text_adds(&line, ", ");
    progress_add_duration(&line, p->now_ms - p->begun_ms);
    add_line(p, text_str(&line), c.failed || c.unreachable ? COLOUR_RED : COLOUR_NONE);
}

/* With more machines than rows, those that need attention come first. */
static unsigned urgency(const struct progress_machine *m)
{
    if (m->failed || m->outcome == OUTCOME_FAILED || m->outcome == OUTCOME_UNREACHABLE)
        return 0;
    if (m->phase != PHASE_ENDED && m->phase != PHASE_WAITING)
        return 1;
    return m->phase == PHASE_ENDED ? 3 : 2;
}

/* Marks `rows` machines by urgency, and among equals by order; returns how many
 * are left out.  Failures get half of the rows while others are at work. */
static size_t choose_rows(const struct progress *p, bool *shown, size_t rows)
{
    size_t left = rows, busy = 0;

    for (size_t i = 0; i < p->count; i++)
        busy += urgency(&p->machines[i]) == 1;
    for (unsigned pass = 0; pass < 5 && left > 0; pass++) {
        /* Passes: half of the failures, the busy, the other failures, the rest. */
        static const unsigned order[] = {0, 1, 0, 2, 3};
        size_t quota = pass == 0 && busy > rows / 2 ? rows / 2 : left;

        for (size_t i = 0; i < p->count && left > 0 && quota > 0; i++)
            if (!shown[i] && urgency(&p->machines[i]) == order[pass]) {
                shown[i] = true;
                left--;
                quota--;
            }
    }
    return p->count > rows ? p->count - rows : 0;
}

void draw(struct progress *p)
{
    CLEANUP_FREE bool *shown = calloc(p->count + 1, sizeof(*shown));
    /* One row for the summary, one for the cursor. */
    size_t rows = p->options.height > 3 ? p->options.height - 2 : 1, labels = 0, hosts = 0, above;
    size_t hidden;

    if (!shown)
        return;
    hidden = choose_rows(p, shown, rows);
    for (size_t i = 0; i < p->count; i++) {
        size_t l = text_width(p->machines[i].label),
               h = p->machines[i].host ? text_width(p->machines[i].host) : 0;

        labels = l > labels ? l : labels;
        hosts = h > hosts ? h : hosts;
    }
    labels = labels < LABEL_MAX ? labels : LABEL_MAX;
    hosts = p->options.width < 60 ? 0 : hosts < LABEL_MAX ? hosts : LABEL_MAX;
    above = rows_drawn(p);
    if (above)
        text_addf(&p->out, "\r\033[%zuA", above);
    p->drawn = 0;
    for (size_t i = 0; i < p->count; i++)
        if (shown[i])
            draw_machine(p, &p->machines[i], labels, hosts);
    draw_summary(p, hidden);
    text_adds(&p->out, "\033[J");
    p->drawn_ms = p->now_ms;
    p->dirty = false;
}
