/*
 * What a person or a program sees of a run while it is on.
 */
#pragma once

#include <jansson.h>

#include "deployer/target/target.h"

struct solve_show {
    const struct targets *targets; /* for the machines' names */
    bool json, quiet;
    bool draws; /* one line of a terminal, drawn over and over */
    bool drawn;
};

/* The name of the machine that runs the agent; NULL: none does. */
const char *solve_show_host(const struct targets *targets, const char *agent);

/* Shows one event of the orchestrator. */
void solve_show_event(struct solve_show *s, const json_t *event);

/* Shows what is not as a receipt has it: what stops the run, and what is only told. */
void solve_show_differences(struct solve_show *s, const struct strings *stops,
                            const struct strings *notes);

/* Ends the line that was drawn. */
void solve_show_end(struct solve_show *s);

/* Writes one line of JSON, with its version; takes the reference. */
void solve_show_json(json_t *event);
