/*
 * A backlog is the end of a log: its newest lines, numbered from 1, for readers
 * that come again with the number up to which they have it.
 *
 * Lines are kept as a person's terminal may have them: control characters and
 * what is not UTF-8 are escaped.  A value: start with {0}, backlog_clear.  Pure; one thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "discovery/base/text.h"

enum {
    BACKLOG_LINES = 500,
    BACKLOG_BYTES_MAX = 128 * 1024, /* of those kept */
    BACKLOG_LINE_MAX = 1000,        /* the rest of a longer one is cut off, and "…" said */
};

struct backlog {
    char *lines[BACKLOG_LINES]; /* by number modulo the size */
    uint64_t first, last;       /* kept: first + 1 to last */
    size_t bytes;
};

void backlog_clear(struct backlog *b);

/* -ENOMEM: it is lost, and all before it, so that no reader takes what is left for all. */
int backlog_add(struct backlog *b, const char *line);

/* The line of that number; NULL when it is not kept (any more, or yet). */
const char *backlog_line(const struct backlog *b, uint64_t number);
