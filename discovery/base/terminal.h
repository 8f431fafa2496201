/*
 * Where results and messages go: standard output or standard error, as a
 * terminal, a pipe or a file.
 */
#pragma once

#include <stdio.h>

#include "error.h"
#include "text.h"

struct terminal_style {
    size_t width; /* columns; 0: no limit */
    bool color;
};

/* The style for a file descriptor: no limit and no colour unless it is a
 * terminal. */
struct terminal_style terminal_style(int fd);

/* Is it a terminal that can be drawn on?  One of TERM=dumb, or without TERM, shows escape
 * sequences as they are, and cannot go back to a line. */
bool terminal_takes_escapes(int fd);

/* Only on a terminal that takes escape sequences, and never where NO_COLOR is set and
 * not empty (no-color.org). */
bool terminal_wants_color(int fd);

size_t terminal_height(int fd); /* lines; 0: not a terminal */

/* Writes all of it to standard output, at once.  -EPIPE when the reader has gone. */
int terminal_write(const struct text *t);

/* Writes everything and flushes; an error is told by terminal_end. */
void terminal_put(FILE *to, const struct text *t);

/* At the end of a program: was all of standard output written?  A reader that has
 * gone wanted no more.  Otherwise a negative errno with words. */
int terminal_end(FILE *to, struct error *err);
