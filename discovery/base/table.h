/*
 * A table of text for people: columns as wide as their content, within a
 * terminal's width.
 *
 * A struct table is a value that owns copies of its cells; cells are escaped as
 * they come in (text_add_printable), so text from the network may be passed
 * unchanged.  When memory runs out, the table is marked as failed, and
 * table_write reports it.  Any thread, one at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "text.h"

enum { TABLE_COLUMNS_MAX = 16, TABLE_NO_SPARE = TABLE_COLUMNS_MAX };

enum table_tone { TABLE_PLAIN, TABLE_GOOD, TABLE_BAD, TABLE_FAINT };

struct table_column {
    const char *heading; /* borrowed for the table's life */
    bool whole;          /* cut this one last */
};

struct table_note; /* text below a row */

struct table {
    const struct table_column *columns;
    size_t n_columns;
    char **cells; /* row by row */
    enum table_tone *tones;
    size_t n_cells, room;
    struct table_note *notes; /* in the order of their rows */
    size_t n_notes;
    size_t spare; /* this column is cut first, and left out where little of it would stay;
                     table_init: TABLE_NO_SPARE */
    bool failed;
};

/* `columns` ends with a NULL heading and outlives the table. */
void table_init(struct table *t, const struct table_column *columns);
void table_clear(struct table *t);

/* The next cell, left to right and row by row; NULL is an empty one. */
void table_add(struct table *t, const char *cell, enum table_tone tone);

/* Text below the newest row, indented and wrapped.  More than four lines of it are
 * cut where there is a width. */
void table_note(struct table *t, const char *note, enum table_tone tone);

/* Appends the table: headings, then the rows, two blanks between columns, none
 * at the end of a line.  Columns that are empty in every row are left out.
 * Where `width` columns (0: no limit) are not enough, the spare column shrinks
 * first, then the widest one, down to some characters, and those marked whole
 * last, unless they take more than half; cut text ends in "…".  Colour for tones
 * when `color`.  -ENOMEM. */
int table_write(const struct table *t, size_t width, bool color, struct text *ret);

/* The same in at most so many lines (0: no limit): rows at the end that do not fit
 * with their notes are left out.  The number of rows that are shown is returned. */
int table_write_within(const struct table *t, size_t width, size_t lines, bool color,
                       struct text *ret, size_t *ret_rows);

/* Appends as much of a printable string as `width` columns hold; cut text ends
 * in "…".  Returns the columns used. */
size_t text_add_cut(struct text *t, const char *printable, size_t width);

/* Appends a printable string in lines of at most `width` columns (0: one line),
 * broken at blanks, and within words that are wider than a line.  `at` is the
 * column where it starts; further lines start with `indent` blanks.  No newline at
 * the end. */
void text_add_wrapped(struct text *t, const char *printable, size_t width, size_t at,
                      size_t indent);
