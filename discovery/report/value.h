/*
 * The JSON of roster-text.h as values, for callers that put them into a larger
 * document.  The caller owns what is returned; NULL without memory.  Pure, one
 * thread at a time.
 */
#pragma once

#include <jansson.h>

#include "roster-text.h"

/* A machine as in a roster. */
json_t *report_machine_value(const struct machine *m);

/* The match after match_explain, with its "version". */
json_t *report_match_value(const struct match *m, bool strict);
