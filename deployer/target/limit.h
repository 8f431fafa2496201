/*
 * --limit selects agents of machines.
 *
 * The value is a list of patterns, separated by commas; the option may be repeated.
 * The order does not matter.  An agent is selected if one of the patterns without "!"
 * matches it (or if there is no such pattern) and no pattern after "!" matches it.
 *
 *   a1           the agent of this name; or all agents of a machine with this host
 *                name (with or without domain or ".local"), id, address or label
 *   a*, a?, a[1-3]   a glob (glob(7)) for any of these; it is case-sensitive, "/" and
 *                a leading "." are ordinary characters, "?" is one character of
 *                LC_CTYPE
 *   all, *       everything
 *   !PATTERN     not what PATTERN matches
 *   @FILE        the patterns of a file, one a line; "#" at the start of a line or
 *                after a blank begins a comment; commas are part of a pattern
 *   !@FILE       not what these patterns match
 *
 * A backslash makes the character after it ordinary: `\!a`, `x\,y`, `\@a`,
 * `a\*`, `\all` are names.  Blanks around a pattern are removed.
 *
 * A machine is selected if one of its agents is; a machine without agents, if a
 * pattern matches the machine itself.  Pure, except for reading @FILE; any thread.
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

/* A machine to select from; everything but the result is borrowed. */
struct limit_item {
    const char *id, *host; /* NULL: not known */
    const struct strings *agents;
    const struct strings *labels; /* addresses and other names; NULL: none */

    /* The result of limit_apply. */
    bool selected;
    bool *agents_in; /* one for each agent; see limit_items_clear */
};

/* `limits` are the values of --limit; none selects everything.  -EINVAL, with a message
 * that names the pattern, what is wrong with it and, for a pattern of a file,
 * "FILE:LINE: "; the errors of file_read; -ENOMEM.  `ret` is written on success only. */
int limit_parse(const struct strings *limits, struct limit *ret, struct error *err);
void limit_clear(struct limit *s);

/* Marks what is selected.  -EINVAL when a pattern, with or without "!", matches nothing
 * (`err` lists the existing names and the most similar one), or when nothing is
 * selected; -ENOMEM.  On failure nothing is selected. */
int limit_apply(const struct limit *s, struct limit_item *items, size_t n, struct error *err);

/* Can these patterns select machines that are not in the list?  All but names can. */
bool limit_is_open(const struct limit *s);

/* Frees the results. */
void limit_items_clear(struct limit_item *items, size_t n);
