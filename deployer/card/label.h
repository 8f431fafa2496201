/*
 * Labels to stick on the cases: one page of HTML, to be printed.
 */
#pragma once

#include "discovery/base/text.h"

/* Appends a label; in front of the first one, in an empty text, what makes it a page.
 * `hostname` and `fleet` may be NULL. */
void card_label(const char *agent, const char *hostname, const char *fleet, struct text *ret);
