/*
 * A backlog is the end of a log: its newest lines, numbered from 1, for readers
 * that return with the number of the last line that they have.
 *
 * Lines are kept in a form that is safe for a terminal: control characters and
 * bytes that are not UTF-8 are escaped.  A value: start with {0}, end with
 * backlog_clear.  Pure; one thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "discovery/base/text.h"

enum {
    BACKLOG_LINES = 500,
    BACKLOG_BYTES_MAX = 128 * 1024, /* of the lines that are kept */
    BACKLOG_LINE_MAX = 1000,        /* the rest of a longer line is replaced by "…" */
};

struct backlog {
    char *lines[BACKLOG_LINES]; /* by number modulo the size */
    uint64_t first, last;       /* kept: first + 1 to last */
    size_t bytes;
};

void backlog_clear(struct backlog *b);

/* -ENOMEM: the line and all lines before it are lost, so that no reader takes the rest for the
 * whole log. */
int backlog_add(struct backlog *b, const char *line);

/* The line with that number; NULL if it is not kept (any more, or yet). */
const char *backlog_line(const struct backlog *b, uint64_t number);
