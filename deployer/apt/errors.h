/*
 * apt's error message as one line for a person.
 */
#pragma once

#include "discovery/base/process.h"
#include "discovery/base/text.h"

/* The first line of apt's output that says what went wrong. */
void apt_complaint(const struct process_result *result, struct text *ret);
