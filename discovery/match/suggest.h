/*
 * Suggest measures how similar two names are: whether a person who wrote one may
 * have meant the other.
 *
 * Two measures: the fold, which is the same for names that differ only in
 * case, blanks and zero padding (A1, a01, "a1 "), and the number of edits
 * between two folds.
 *
 * Pure; any thread.  Case follows the locale's LC_CTYPE; ASCII always folds.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "discovery/base/text.h"

enum { SUGGEST_CHARS_MAX = 255 /* of a name; the rest does not count */ };

/* A name's fold: its characters without case, blanks and padding. */
struct suggest_fold {
    uint32_t chars[SUGGEST_CHARS_MAX];
    size_t count;
};

void suggest_fold(const char *name, struct suggest_fold *ret);

/* Insertions, deletions, substitutions and swaps of neighbours that make one
 * of the other (Damerau and Levenshtein, no character edited twice); max + 1
 * when there are more than `max`, which must be 2 at most. */
unsigned suggest_distance(const struct suggest_fold *a, const struct suggest_fold *b, unsigned max);

/* How many edits still count as near, when the longer fold has so many
 * characters.  One edit turns a1 into a2, which is another agent: the shorter
 * the name, the less may differ. */
unsigned suggest_limit(size_t longer);
