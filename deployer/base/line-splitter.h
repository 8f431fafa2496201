/*
 * Lines of a command's output as it comes: bytes in, whole lines out, without
 * their newline.  A line that is longer than LINES_MAX comes in pieces; a NUL
 * becomes "?"; what is not UTF-8 is left as it is, for whoever prints it.
 *
 * Pure; any thread, one at a time.
 */
#pragma once

#include <stddef.h>

#include "discovery/base/text.h"

enum { LINES_MAX = 4096 }; /* bytes */

typedef void lines_handler(const char *line, void *arg);

/* A value: start with {0} but for the handler and its argument, lines_clear. */
struct lines {
    lines_handler *handler;
    void *arg;
    struct text line;
};

void lines_feed(struct lines *l, const void *bytes, size_t size);

/* What came without a newline at the end. */
void lines_end(struct lines *l);
void lines_clear(struct lines *l);
