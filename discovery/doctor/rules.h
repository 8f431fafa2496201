/*
 * The rules: what was observed, made into findings.  What explains another observation
 * silences it, so that one fault gives one finding.
 *
 * Pure; one thread at a time.
 */
#pragma once

#include "finding.h"
#include "view.h"

enum { RULES_DELAY_MS = 150, RULES_LOST_MIN = 2 /* of VIEW_PINGS; one is no loss */ };

/* `machines`: each that was seen or asked for; neighbours too, which are only judged where
 * they have a beacon.  `given`: a person asks for some of them alone, so that an empty
 * network is no finding. */
void rules_judge(const struct view_host *host, const struct view_machine *machines, size_t n,
                 bool given, struct findings *ret);
