/*
 * The regular expressions of a batch file: Python's, as far as POSIX has the same, with named
 * groups.  They match a whole name.
 *
 * Known: . [ ] * + ? { } | ( ), (?P<name>…), (?:…), \d \w \s and their opposites, and escaped
 * punctuation.  What is not known is refused: lazy repetitions, looking around, references.
 *
 * Pure; any thread.
 */
#pragma once

#include <regex.h>
#include <stdbool.h>

#include "discovery/base/error.h"
#include "discovery/base/text.h"

enum { PATTERN_GROUPS_MAX = 32, PATTERN_SIZE_MAX = 4096 };

/* A value: pattern_compile, pattern_clear. */
struct pattern {
    regex_t regex;
    bool compiled;
    char *names[PATTERN_GROUPS_MAX + 1]; /* of groups; NULL: it has none */
};

/* -EINVAL with words, without a place. */
int pattern_compile(const char *python, struct pattern *ret, struct error *err);
void pattern_clear(struct pattern *p);

/* Whether it is the whole of `name`; if so, appends names and texts of the named groups.
 * -ENOMEM. */
int pattern_match(const struct pattern *p, const char *name, bool *ret_matches,
                  struct strings *ret_names, struct strings *ret_texts);
