/*
 * Splits a command's output into lines: bytes in, whole lines out, without their
 * newline.  A line that is longer than LINE_SPLITTER_MAX comes in pieces; a NUL becomes
 * "?"; bytes that are not UTF-8 stay as they are, for the code that prints them.
 *
 * Pure; any thread, one at a time.
 */
#pragma once

#include <stddef.h>

#include "discovery/base/text.h"

enum { LINE_SPLITTER_MAX = 4096 }; /* bytes */

typedef void line_splitter_handler(const char *line, void *arg);

/* A value: start with {0} but for the handler and its argument, line_splitter_clear. */
struct line_splitter {
    line_splitter_handler *handler;
    void *arg;
    struct text line;
};

void line_splitter_feed(struct line_splitter *l, const void *bytes, size_t size);

/* Passes on a last line without a newline. */
void line_splitter_end(struct line_splitter *l);
void line_splitter_clear(struct line_splitter *l);
