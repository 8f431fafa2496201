/*
 * One run of pyDCOP as its orchestrator tells it: what there is of it at any moment, and its
 * result.  A run that dies keeps what it had.
 *
 * Pure; one thread.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "discovery/base/error.h"
#include "discovery/base/text.h"

enum {
    SOLVE_VARIABLES_MAX = 1000000,
    SOLVE_EVENTS_MAX = 10000,             /* that are kept for the receipt */
    SOLVE_EVENTS_SIZE = 16 * 1024 * 1024, /* bytes of those */
    SOLVE_AGENTS_MAX = 10000,
    SOLVE_REPLICAS_MAX = 100,             /* of each computation */
    SOLVE_METRICS_MAX = 32 * 1024 * 1024, /* bytes of the table */
};

/* A value: solve_init, solve_clear. */
struct solve {
    json_t *prepared; /* the event; NULL: not yet */
    json_t *values;   /* variable: value */
    json_t *last;     /* the last metrics; NULL: none */
    json_t *told;     /* the result as it was told; NULL: none */
    json_t *events;   /* registered, started, gone …, in order */
    size_t events_size;
    size_t agents_max;      /* those that take part: as many can be missed */
    struct text metrics;    /* CSV with a heading */
    struct strings missing; /* agents that did not register */
    struct strings gone;    /* agents that have gone */
    char *refusal;          /* why it could not begin; NULL */
    bool busy;              /* … which may pass in a moment */
    int code;               /* to exit with then: 1 to 3 */
    char *death;            /* why the process ended without a result; NULL */
    bool stopped;           /* by a person */
    bool begun;             /* "go" was said: it has a result in any case */
    bool ended;
};

int solve_init(struct solve *s); /* -ENOMEM */
void solve_clear(struct solve *s);

/* Takes one event (orchestrator.h), or with NULL the end of the process and `why`. */
void solve_hear(struct solve *s, const json_t *event, const char *why);

/* Whether there is something to keep of it; a run that was refused, or stopped before it began,
 * was none. */
bool solve_has_run(const struct solve *s);

/* The result: status (finished, timeout, stopped, failed), reason, assignment, missing, cost,
 * violations, cycles, messages, bytes, time; of a run that heals, repairs.  A new reference; NULL
 * without memory. */
json_t *solve_result(const struct solve *s);

/* Whether it is one: each variable has a value, and the run did not fail. */
bool solve_result_is_good(const json_t *result);

/* Appends it for people: a line for each variable, the figures, a line for each agent that was
 * lost.  -ENOMEM. */
int solve_result_text(const json_t *result, struct text *ret);

/* Appends it in one line, without the newline: cost, violations, status and time, and why there is
 * no result.  NULL is none. */
void solve_result_line(const json_t *result, struct text *ret);

/* Appends one value as people write it: a string without quotes, all else as JSON.  It is
 * escaped for a terminal. */
void solve_add_value(const json_t *value, struct text *ret);
