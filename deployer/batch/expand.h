/*
 * Words of a batch file with variables: "out/{set}/{algo_params[variant]}", as Python's
 * str.format has them, without formats and conversions.
 *
 * Pure; any thread.
 */
#pragma once

#include "discovery/base/error.h"
#include "discovery/base/text.h"

/* Names and texts by the same index; of a name given twice the last counts.  A member of a map
 * is "algo_params.variant". */
struct expand_context {
    struct strings names, texts;
};

void expand_context_clear(struct expand_context *c);
int expand_context_set(struct expand_context *c, const char *name, const char *text); /* -ENOMEM */
void expand_context_cut(struct expand_context *c, size_t count); /* keeps the first ones */

enum { EXPAND_SIZE_MAX = 64 * 1024 }; /* of what comes of variables */

/* -EINVAL with words, without a place, for a variable that there is not, and for a text that gets
 * too long. */
int expand_words(const char *words, const struct expand_context *c, struct text *ret,
                 struct error *err);
