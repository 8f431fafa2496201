/*
 * What --limit selects: which agents of which machines.
 *
 * An option's value is patterns with commas between them; the option may be
 * repeated.  The order does not matter: selected is what any of the patterns
 * without "!" matches (without such a pattern: everything), except what a
 * pattern after "!" matches.
 *
 *   a1           an agent: that one of its machine's agents; or a machine, by
 *                host name (with or without domain), id, address or label: all
 *                of its agents
 *   a*, a?, a[1-3]   a glob (glob(7)) on any of these; case counts, "/" and a
 *                leading "." are ordinary, "?" is one character of LC_CTYPE
 *   all, *       everything
 *   !PATTERN     not these
 *   @FILE        one pattern a line; "#" at the start of a line or after a
 *                blank begins a comment; commas are part of the pattern
 *   !@FILE       none of those
 *
 * A backslash makes the character after it ordinary: `\!a`, `x\,y`, `\@a`,
 * `a\*`, `\all` are names.  Blanks around a pattern are dropped.
 *
 * A machine is selected when one of its agents is, or, when it has none, when
 * it is matched itself.  Pure but for reading @FILE; any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "discovery/base/error.h"
#include "discovery/base/text.h"

enum {
    LIMIT_FILE_MAX = 1 << 20, /* bytes of one @FILE */
    LIMIT_PATTERNS_MAX = 10000,
};

struct limit_pattern;

/* A value. */
struct limit {
    struct limit_pattern *patterns;
    size_t count; /* 0: everything is selected */
};

#define LIMIT_INIT ((struct limit){0})

/* A machine to select from; all but the result is borrowed. */
struct limit_item {
    const char *id, *host; /* NULL: not known */
    const struct strings *agents;
    const struct strings *labels; /* addresses and what else it is called; NULL: none */

    /* The result, of limit_apply. */
    bool selected;
    bool *agents_in; /* one for each agent; see limit_items_clear */
};

/* `limits` are the values of --limit; none selects everything.  -EINVAL with
 * the pattern and what is wrong with it, "FILE:LINE: " before it when it stands
 * in a file; what file_read says; -ENOMEM.  `ret` is written on success only. */
int limit_parse(const struct strings *limits, struct limit *ret, struct error *err);
void limit_clear(struct limit *s);

/* Marks what is selected.  -EINVAL when a pattern, with or without "!", matches
 * nothing (`err` names what there is and the nearest name), or when nothing is
 * left; -ENOMEM.  On failure nothing is selected. */
int limit_apply(const struct limit *s, struct limit_item *items, size_t n, struct error *err);

/* Frees the results. */
void limit_items_clear(struct limit_item *items, size_t n);
