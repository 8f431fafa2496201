#include "screen.h"

#include <errno.h>
#include <string.h>

#include "discover.h"
#include "discovery/base/table.h"

enum { INDENT = 2, ROWS_MIN = 4 /* for the sum, the last change and the table */ };

static size_t count_lines(const char *text)
{
    size_t n = 0;

    for (; *text; text++)
        n += *text == '\n';
    return n;
}

/* Appends whole lines, `max` at most; the last one says how many were left out. */
static void add_lines(struct text *t, const char *lines, size_t max)
{
    size_t n = count_lines(lines), shown = n > max ? max - 1 : n;

    for (size_t i = 0; i < shown; i++) {
        size_t size = strcspn(lines, "\n") + 1;

        text_add(t, lines, size);
        lines += size;
    }
    if (n > shown)
        text_addf(t, "… %zu more lines\n", n - shown);
}

static void add_cut_line(const struct screen *s, const struct text *line, struct text *ret)
{
    text_add_cut(ret, text_str(line), s->style.terminal.width);
    text_addc(ret, '\n');
    if (text_error(line) < 0)
        ret->failed = true;
}

static void add_sentence(const struct screen *s, const char *sentence, struct text *ret)
{
    CLEANUP_TEXT struct text line = TEXT_INIT;

    if (!sentence)
        return;
    text_add_printable(&line, sentence);
    add_cut_line(s, &line, ret);
}

static void add_trouble(const struct screen *s, struct text *ret)
{
    CLEANUP_TEXT struct text line = TEXT_INIT;

    if (s->trouble) {
        text_adds(&line, "Avahi: ");
        text_add_printable(&line, s->trouble);
        text_adds(&line, "; waiting for it");
        add_cut_line(s, &line, ret);
        text_reset(&line);
    }
    add_sentence(s, s->domain, ret);
    add_sentence(s, s->known, ret);
    for (size_t i = 0; i < s->n_lacks; i++)
        add_sentence(s, s->lacks[i], ret);
    if (s->too_many) {
        text_adds(&line, DISCOVER_TOO_MANY);
        add_cut_line(s, &line, ret);
    }
}

/* The match takes half of the screen at most. */
static int add_match(const struct screen *s, struct text *ret)
{
    CLEANUP_TEXT struct text match = TEXT_INIT;
    int r;

    if (!s->match)
        return 0;
    r = report_match_text(s->match, s->strict, &s->style, &match);
    if (r < 0)
        return r;
    add_lines(ret, text_str(&match), s->rows / 2 > ROWS_MIN ? s->rows / 2 : ROWS_MIN);
    text_addc(ret, '\n');
    return 0;
}

static void add_last_change(const struct screen *s, struct text *ret)
{
    CLEANUP_TEXT struct text line = TEXT_INIT;
    char when[16];
    struct tm tm;

    if (!s->change || !localtime_r(&s->changed, &tm) ||
        strftime(when, sizeof(when), "%H:%M:%S", &tm) == 0)
        return;
    text_addf(&line, "Last change %s: ", when);
    text_adds(&line, s->change);
    add_cut_line(s, &line, ret);
}

/* What stands above the table. */
static void add_head(const struct screen *s, size_t hidden, struct text *ret)
{
    report_add_sum_line(s->machines, s->n, hidden, &s->style, ret);
    add_last_change(s, ret);
}

static int add_machines(const struct screen *s, size_t rows, struct text *ret)
{
    CLEANUP_TEXT struct text table = TEXT_INIT, head = TEXT_INIT;
    size_t hidden = 0;
    int r = 0;

    /* The second time the head is as long as it will be, with what is hidden. */
    for (int i = 0; r >= 0 && i < 2; i++) {
        size_t taken;

        text_reset(&head);
        text_reset(&table);
        add_head(s, hidden, &head);
        taken = count_lines(text_str(&head));
        r = report_roster_fit(s->machines, s->n, &s->style, rows > taken ? rows - taken : 1, &table,
                              &hidden);
    }
    if (r < 0)
        return r;
    add_head(s, hidden, ret);
    text_adds(ret, text_str(&table));
    return text_error(&head);
}

int screen_write(const struct screen *s, struct text *ret)
{
    CLEANUP_TEXT struct text all = TEXT_INIT;
    size_t taken;
    int r;

    add_trouble(s, &all);
    r = add_match(s, &all);
    if (r < 0)
        return r;
    taken = count_lines(text_str(&all));
    if (s->n == 0)
        text_adds(&all, "No machines.\n");
    else
        r = add_machines(s, s->rows > taken ? s->rows - taken : 1, &all);
    if (r < 0 || text_error(&all) < 0)
        return -ENOMEM;
    add_lines(ret, text_str(&all), s->rows);
    return text_error(ret);
}
