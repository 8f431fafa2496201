/*
 * The small verbs of dcop-deploy.  Each appends to a text what the program is
 * to print; 0, 1 when the answer is no, or a negative errno with words.
 */
#pragma once

#include "discovery/base/error.h"
#include "discovery/base/text.h"
#include "state.h"

/* `trust`: all pins; `trust ID`: those of one machine; `trust ID FINGERPRINT`:
 * this key is the machine's from now on, the one held before is retired. */
int verb_trust(struct state *state, char **arguments, int n, struct text *ret, struct error *err);
