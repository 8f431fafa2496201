/*
 * Shared by the parts of --limit: parsing patterns, matching them, and the message
 * about one that matches nothing.  Private to target/limit*.c.
 *
 * Any thread.  A pattern owns its strings, which limit_clear frees.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "limit.h"

struct limit_pattern {
    char *glob;  /* for fnmatch(3), with its backslash escapes */
    char *place; /* "FILE:LINE: "; NULL: the command line */
    bool negated;
    bool all;
};

/* Appends a name in printable form; a long one is cut between characters. */
void limit_add_shown(struct text *to, const char *name);

/* Fails with -EINVAL; the message lists the existing names and the most similar one. */
int limit_fail_no_match(const struct limit_pattern *p, const struct limit_item *items, size_t n,
                        struct error *err);
