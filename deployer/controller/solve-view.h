/*
 * What the service shows of a run of `dcop-deploy solve`: made from what was asked for, then from
 * the run's events (solve/orchestrator.h, as `solve --json` prints them) and its end.
 *
 * Values, names and words come from machines: each kind has a bound, and what does not fit is left
 * out, which is said.
 *
 * Pure; one thread.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    SOLVE_VIEW_VALUES_MAX = 64 * 1024, /* bytes of names and values as JSON */
    SOLVE_VIEW_HOSTS_MAX = 256 * 1024, /* bytes of agents' and computations' names, likewise */
    SOLVE_VIEW_NOTES_MAX = 50,
    SOLVE_VIEW_WORDS_MAX = 1000, /* bytes of a note */
    SOLVE_VIEW_NAME_MAX = 255,   /* bytes of a name; one that is longer is left out */
};

enum solve_view_state { SOLVE_STARTING, SOLVE_RUNNING, SOLVE_ENDING, SOLVE_ENDED };

/* A value: solve_view_init, solve_view_clear. */
struct solve_view {
    enum solve_view_state state;
    json_t *known;  /* figures and names, with the keys that the API has */
    json_t *agents; /* name: {name, host, state, variables: {name: true}}, in order */
    json_t *hosts;  /* computation: agent */
    json_t *values; /* variable: value */
    json_t *notes;
    bool only_variables; /* each computation is that of a variable */
    bool stopped;        /* a person said so */
    bool values_cut, hosts_cut;
    size_t values_size, hosts_size;
};

/* `asked`: algorithm, distribution, seed, time_limit, heal; each may be missing.  -ENOMEM. */
int solve_view_init(struct solve_view *v, const json_t *asked, int64_t now_ms);
void solve_view_clear(struct solve_view *v);

/* One that takes part; `host` NULL: it has no machine yet. */
void solve_view_add_agent(struct solve_view *v, const char *name, const char *host);

/* Takes one event; what it lacks, or has of another type, is left out. */
void solve_view_hear(struct solve_view *v, const json_t *event);

/* A line of its stderr, or another sentence for people. */
void solve_view_note(struct solve_view *v, const char *words);

/* A person stops it. */
void solve_view_stop(struct solve_view *v);

/* It has ended: `status` as in process_result; `left_out` lines were not understood. */
void solve_view_end(struct solve_view *v, int status, unsigned long left_out, int64_t now_ms);

/* As the API shows it; a new reference, NULL without memory.  It borrows what `v` has: it is to be
 * written before the next event. */
json_t *solve_view_json(const struct solve_view *v);

/* The experiment's name: the folder of its result, without the path; NULL: not known. */
const char *solve_view_id(const struct solve_view *v);
