/*
 * What apt says when it fails, in a line for a person.
 */
#pragma once

#include "discovery/base/process.h"
#include "discovery/base/text.h"

/* The first line of apt's that says what went wrong, for a person. */
void apt_complaint(const struct process_result *result, struct text *ret);
