/*
 * The doctor's rules for a machine that was examined over SSH: what it said of itself
 * (steps/verbs/doctor), made into findings.
 *
 * Pure; one thread at a time.
 */
#pragma once

#include "deployer/job/job.h"
#include "discovery/base/text.h"
#include "discovery/doctor/finding.h"

enum {
    EXAMINE_CLOCK_SLACK_S = 60, /* as in steps/steps/10-clock */
    EXAMINE_DISK_MIB = 300,     /* a layer, unpacked beside the one before */
    EXAMINE_MEMORY_MIB = 60,    /* an agent with numpy */
};

/* All borrowed. */
struct examined {
    const char *label; /* for people */
    const char *user;  /* who logged in */
    enum job_outcome outcome;
    const char *why;                     /* where that is no good one; NULL: unknown */
    const struct strings *keys, *values; /* its facts; as many of both */
};

void examine_machine(const struct examined *m, struct findings *ret);

/* Takes away findings from outside that `inside` explains, and the other way round: a login
 * that fails where the SSH port is closed, an agent's failure that the record has, too. */
void examine_merge(struct findings *outside, struct findings *inside);
