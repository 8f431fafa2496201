/*
 * What the parts of --limit share: reading patterns, matching them, and the
 * words for one that matches nothing.  Private to deployer/select*.c.
 *
 * Any thread; nothing here is owned but a pattern's own texts, which
 * selection_clear frees.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "limit.h"

struct select_pattern {
    char *glob;  /* backslashes are fnmatch's */
    char *place; /* "FILE:LINE: ", NULL: the command line */
    bool negated;
    bool all;
};

/* Appends it printable and not endless; cut between characters. */
void select_add_shown(struct text *to, const char *name);

/* -EINVAL, with the names that there are and the one that may be meant. */
int select_fail_no_match(const struct select_pattern *p, const struct select_item *items, size_t n,
                         struct error *err);
