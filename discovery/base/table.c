#include "table.h"

#include <errno.h>
#include <string.h>

enum { GAP = 2, NARROWEST = 6, SPARE_NARROWEST = 10, NOTE_INDENT = 4, NOTE_LINES = 4 };

struct table_note {
    size_t row;
    char *text; /* printable */
    enum table_tone tone;
};

void table_init(struct table *t, const struct table_column *columns)
{
    *t = (struct table){.columns = columns, .spare = TABLE_NO_SPARE};
    while (t->n_columns < TABLE_COLUMNS_MAX && columns[t->n_columns].heading)
        t->n_columns++;
}

void table_clear(struct table *t)
{
    for (size_t i = 0; i < t->n_cells; i++)
        free(t->cells[i]);
    free(t->cells);
    free(t->tones);
    for (size_t i = 0; i < t->n_notes; i++)
        free(t->notes[i].text);
    free(t->notes);
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

/* NULL without memory. */
static char *printable_copy(const char *string)
{
    CLEANUP_TEXT struct text printable = TEXT_INIT;

    text_add_printable(&printable, string ? string : "");
    return printable.size > 0 ? text_take(&printable) : strdup("");
}

void table_add(struct table *t, const char *cell, enum table_tone tone)
{
    char *taken = printable_copy(cell);

    if (t->failed || !taken || !make_room(t)) {
        free(taken);
        t->failed = true;
        return;
    }
    t->cells[t->n_cells] = taken;
    t->tones[t->n_cells++] = tone;
}

void table_note(struct table *t, const char *note, enum table_tone tone)
{
    struct table_note *notes = reallocarray(t->notes, t->n_notes + 1, sizeof(*notes));
    char *taken = printable_copy(note);

    if (notes)
        t->notes = notes;
    if (!notes || !taken || t->n_cells < t->n_columns) {
        free(taken);
        t->failed = true;
        return;
    }
    notes[t->n_notes++] =
        (struct table_note){.row = (t->n_cells - 1) / t->n_columns, .text = taken, .tone = tone};
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
static size_t widest_column(const struct table *t, const size_t *widths, bool whole, size_t least)
{
    size_t found = t->n_columns;

    for (size_t c = 0; c < t->n_columns; c++)
        if (t->columns[c].whole == whole && widths[c] > least &&
            (found == t->n_columns || widths[c] >= widths[found]))
            found = c;
    return found;
}

static void shrink_spare(const struct table *t, size_t *widths, size_t width)
{
    size_t sum = total_width(widths, t->n_columns);

    if (t->spare >= t->n_columns || sum <= width)
        return;
    if (widths[t->spare] >= sum - width + SPARE_NARROWEST)
        widths[t->spare] -= sum - width;
    else
        widths[t->spare] = 0;
}

static void shrink_columns(const struct table *t, size_t *widths, size_t width)
{
    shrink_spare(t, widths, width);
    for (size_t sum = total_width(widths, t->n_columns); sum > width; sum--) {
        size_t c = widest_column(t, widths, true, width / 2);

        if (c == t->n_columns)
            c = widest_column(t, widths, false, NARROWEST);
        if (c == t->n_columns)
            c = widest_column(t, widths, true, NARROWEST);
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

/* Appends one word, cut into lines where it is wider than a line.  Returns the
 * column after it. */
static size_t add_word(struct text *t, const char *word, size_t size, size_t width, size_t at,
                       size_t indent)
{
    while (size > 0) {
        uint32_t ignored;
        size_t n = utf8_decode(word, size, &ignored);
        char one[8] = {0};
        size_t w;

        n = n ? n : 1;
        memcpy(one, word, n);
        w = text_width(one);
        if (at + w > width && at > indent) {
            text_addf(t, "\n%*s", (int)indent, "");
            at = indent;
        }
        text_add(t, one, n);
        at += w;
        word += n;
        size -= n;
    }
    return at;
}

void text_add_wrapped(struct text *t, const char *printable, size_t width, size_t at, size_t indent)
{
    if (width == 0) {
        text_adds(t, printable);
        return;
    }
    while (*printable) {
        size_t blanks = strspn(printable, " ");
        size_t size = strcspn(printable + blanks, " ");
        CLEANUP_FREE char *word = strndup(printable + blanks, size);

        if (!word) {
            t->failed = true;
            return;
        }
        if (at + blanks + text_width(word) > width && at > indent) {
            text_addf(t, "\n%*s", (int)indent, "");
            at = indent;
        } else if (size > 0) {
            text_addf(t, "%*s", (int)blanks, "");
            at += blanks;
        }
        at = add_word(t, word, size, width, at, indent);
        printable += blanks + size;
    }
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

static void write_note(const struct table_note *n, size_t width, bool color, struct text *ret)
{
    CLEANUP_TEXT struct text cut = TEXT_INIT;
    const char *start = color ? tone_start(n->tone) : "";
    size_t room = width > NOTE_INDENT ? width - NOTE_INDENT : 1;

    text_add_cut(&cut, n->text, width > 0 ? room * NOTE_LINES : SIZE_MAX);
    if (text_error(&cut) < 0)
        ret->failed = true;
    text_addf(ret, "%*s%s", NOTE_INDENT, "", start);
    text_add_wrapped(ret, text_str(&cut), width, NOTE_INDENT, NOTE_INDENT);
    text_adds(ret, *start ? "\033[0m\n" : "\n");
}

/* Appends a row with its notes.  `next_note` is the first note that is not yet
 * written. */
static void write_whole_row(const struct table *t, size_t row, const size_t *widths, size_t width,
                            bool color, size_t *next_note, struct text *ret)
{
    size_t i = row * t->n_columns;

    write_row(t, (const char *const *)t->cells + i, color ? t->tones + i : NULL, widths, ret);
    for (; *next_note < t->n_notes && t->notes[*next_note].row == row; (*next_note)++)
        write_note(&t->notes[*next_note], width, color, ret);
}

static size_t count_lines(const struct text *t)
{
    size_t n = 0;

    for (const char *c = text_str(t); *c; c++)
        n += *c == '\n';
    return n;
}

int table_write_within(const struct table *t, size_t width, size_t lines, bool color,
                       struct text *ret, size_t *ret_rows)
{
    CLEANUP_TEXT struct text row = TEXT_INIT;
    size_t widths[TABLE_COLUMNS_MAX];
    const char *headings[TABLE_COLUMNS_MAX];
    size_t taken = 1, shown = 0, next_note = 0;

    *ret_rows = 0;
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
    for (; (shown + 1) * t->n_columns <= t->n_cells; shown++) {
        text_reset(&row);
        write_whole_row(t, shown, widths, width, color, &next_note, &row);
        taken += count_lines(&row);
        if (text_error(&row) < 0)
            return -ENOMEM;
        if (lines > 0 && taken > lines)
            break;
        text_adds(ret, text_str(&row));
    }
    *ret_rows = shown;
    return text_error(ret);
}

int table_write(const struct table *t, size_t width, bool color, struct text *ret)
{
    size_t ignored;

    return table_write_within(t, width, 0, color, ret, &ignored);
}
