/*
 * What the parts of --limit share: reading patterns, matching them, and the
 * words for one that matches nothing.  Private to target/limit*.c.
 *
 * Any thread; nothing here is owned but a pattern's own texts, which
 * limit_clear frees.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "limit.h"

struct limit_pattern {
    char *glob;  /* backslashes are fnmatch's */
    char *place; /* "FILE:LINE: ", NULL: the command line */
    bool negated;
    bool all;
};

/* Appends it printable and not endless; cut between characters. */
void limit_add_shown(struct text *to, const char *name);

/* -EINVAL, with the names that there are and the one that may be meant. */
int limit_fail_no_match(const struct limit_pattern *p, const struct limit_item *items, size_t n,
                        struct error *err);
