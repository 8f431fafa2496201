#include "table.h"

#include <errno.h>
#include <string.h>

enum { GAP = 2, NARROWEST = 6 };

void table_init(struct table *t, const struct table_column *columns)
{
    *t = (struct table){.columns = columns};
    while (t->n_columns < TABLE_COLUMNS_MAX && columns[t->n_columns].heading)
        t->n_columns++;
}

void table_clear(struct table *t)
{
    for (size_t i = 0; i < t->n_cells; i++)
        free(t->cells[i]);
    free(t->cells);
    free(t->tones);
    *t = (struct table){0};
}

static bool make_room(struct table *t)
{
    size_t room = t->room ? t->room * 2 : 64;
    char **cells;
    enum table_tone *tones;

    if (t->n_cells < t->room)
        return true;
    cells = reallocarray(t->cells, room, sizeof(*cells));
    if (!cells)
        return false;
    t->cells = cells;
    tones = reallocarray(t->tones, room, sizeof(*tones));
    if (!tones)
        return false;
    t->tones = tones;
    t->room = room;
    return true;
}

void table_add(struct table *t, const char *cell, enum table_tone tone)
{
    CLEANUP_TEXT struct text printable = TEXT_INIT;
    char *taken;

    text_add_printable(&printable, cell ? cell : "");
    text_adds(&printable, "");
    taken = printable.data ? text_take(&printable) : strdup("");
    if (t->failed || !taken || !make_room(t)) {
        free(taken);
        t->failed = true;
        return;
    }
    t->cells[t->n_cells] = taken;
    t->tones[t->n_cells++] = tone;
}

/* Each column's natural width; 0 for one that is empty everywhere. */
static void measure_columns(const struct table *t, size_t widths[static TABLE_COLUMNS_MAX])
{
    for (size_t c = 0; c < t->n_columns; c++)
        widths[c] = 0;
    for (size_t i = 0; i < t->n_cells; i++) {
        size_t width = text_width(t->cells[i]);

        /* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): cells have columns */
        if (width > widths[i % t->n_columns])
            widths[i % t->n_columns] = width;
    }
    for (size_t c = 0; c < t->n_columns; c++) {
        size_t heading = text_width(t->columns[c].heading);

        if (widths[c] > 0 && widths[c] < heading)
            widths[c] = heading;
    }
}

static size_t total_width(const size_t *widths, size_t n)
{
    size_t sum = 0;

    for (size_t c = 0; c < n; c++)
        sum += widths[c] > 0 ? widths[c] + (sum > 0 ? GAP : 0) : 0;
    return sum;
}

/* The widest column of that kind that can still shrink; n_columns: none. */
static size_t widest_column(const struct table *t, const size_t *widths, bool whole)
{
    size_t found = t->n_columns;

    for (size_t c = 0; c < t->n_columns; c++)
        if (t->columns[c].whole == whole && widths[c] > NARROWEST &&
            (found == t->n_columns || widths[c] >= widths[found]))
            found = c;
    return found;
}

static void shrink_columns(const struct table *t, size_t *widths, size_t width)
{
    for (size_t sum = total_width(widths, t->n_columns); sum > width; sum--) {
        size_t c = widest_column(t, widths, false);

        if (c == t->n_columns)
            c = widest_column(t, widths, true);
        if (c == t->n_columns)
            return; /* on a terminal this narrow the lines are too long */
        widths[c]--;
    }
}

size_t text_add_cut(struct text *t, const char *printable, size_t width)
{
    size_t whole = text_width(printable), left = strlen(printable), taken = 0;

    if (whole <= width) {
        text_adds(t, printable);
        return whole;
    }
    while (left > 0) {
        uint32_t ignored;
        size_t n = utf8_decode(printable, left, &ignored);
        char one[8] = {0};
        size_t w;

        n = n ? n : 1;
        memcpy(one, printable, n);
        w = text_width(one);
        if (taken + w + 1 > width)
            break;
        text_add(t, one, n);
        taken += w;
        printable += n;
        left -= n;
    }
    if (width > 0) {
        text_adds(t, "…");
        taken++;
    }
    return taken;
}

static const char *tone_start(enum table_tone tone)
{
    switch (tone) {
    case TABLE_PLAIN:
        return "";
    case TABLE_GOOD:
        return "\033[32m";
    case TABLE_BAD:
        return "\033[31m";
    case TABLE_FAINT:
        return "\033[2m";
    }
    return "";
}

/* Appends a line of n_columns cells, padded where another cell follows. */
static void write_row(const struct table *t, const char *const *cells, const enum table_tone *tones,
                      const size_t *widths, struct text *ret)
{
    size_t owed = 0; /* blanks, written only when text follows them */

    for (size_t c = 0; c < t->n_columns; c++) {
        const char *start = tones ? tone_start(tones[c]) : "";
        size_t taken = 0;

        if (widths[c] == 0)
            continue;
        if (*cells[c]) {
            for (; owed > 0; owed--)
                text_addc(ret, ' ');
            text_adds(ret, start);
            taken = text_add_cut(ret, cells[c], widths[c]);
            if (*start)
                text_adds(ret, "\033[0m");
        }
        owed += widths[c] - taken + GAP;
    }
    text_addc(ret, '\n');
}

int table_write(const struct table *t, size_t width, bool color, struct text *ret)
{
    size_t widths[TABLE_COLUMNS_MAX];
    const char *headings[TABLE_COLUMNS_MAX];

    if (t->failed)
        return -ENOMEM;
    if (t->n_cells < t->n_columns)
        return 0; /* no rows, no headings */
    measure_columns(t, widths);
    if (width > 0)
        shrink_columns(t, widths, width);
    for (size_t c = 0; c < t->n_columns; c++)
        headings[c] = t->columns[c].heading;
    write_row(t, headings, NULL, widths, ret);
    for (size_t i = 0; i + t->n_columns <= t->n_cells; i += t->n_columns)
        write_row(t, (const char *const *)t->cells + i, color ? t->tones + i : NULL, widths, ret);
    return text_error(ret);
}
