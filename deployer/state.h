/*
 * What the controller remembers: pins, names, runs and their results, settings.
 * One SQLite file, mode 0600.
 *
 * Each call that writes is one transaction: killed at any moment, it is there
 * or it is not.  Several processes may use one file; a call waits some seconds
 * for another's transaction.  A struct state belongs to one thread.
 *
 * Times are milliseconds since the epoch (UTC); 0: not yet.  Strings handed in
 * are copied; those handed out belong to the struct, see its clear function.
 * Errors: -ENOENT is silent where it is an answer (no such pin); -EBUSY when
 * the file stays locked; -ENOTSUP when a newer dcop has written it; -EBADMSG
 * when it is damaged; -EIO, -ENOSPC, -EROFS, -EACCES, -ENOMEM as they say.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "discovery/base/cleanup.h"
#include "discovery/base/error.h"
#include "discovery/base/text.h"

enum {
    STATE_BUSY_MS = 5000,
    STATE_RUNS_KEPT = 500,        /* older ones are forgotten */
    STATE_OUTPUT_MAX = 16 * 1024, /* of a result's output the end is kept */
};

struct state;

/* Opens the file; makes it, and its folders, when missing; brings its schema up
 * to date.  ":memory:" is a database that nobody else sees. */
int state_open(const char *path, struct state **ret, struct error *err);
void state_free(struct state *s);
DEFINE_CLEANUP(struct state *, state_free);

/* --- pins ------------------------------------------------------------------ */

enum pin_source { PIN_ACCEPT, PIN_QUESTION, PIN_SIGNATURE, PIN_TRUST };
const char *pin_source_name(enum pin_source source);

struct state_pin {
    char *id;
    char *fingerprint; /* SHA256:… */
    char *key_type;    /* "ssh-ed25519"; NULL when only the fingerprint is known */
    char *key_base64;  /* likewise */
    enum pin_source source;
    int64_t created_ms;
    int64_t retired_ms; /* 0: active */
};
void state_pin_clear(struct state_pin *pin);

/* The active pin of an id; -ENOENT, without words, when it has none. */
int state_pin_get(struct state *s, const char *id, struct state_pin *ret, struct error *err);

/* 0 when this key of this id was retired, -ENOENT, without words, when not. */
int state_pin_was_retired(struct state *s, const char *id, const char *fingerprint,
                          struct error *err);

/* Pins an id that has no pin.  The same key again is fine: a public key that
 * was not known is filled in, and a source that says more than `accept` (which
 * is what passwords go by) takes its place.  Times in `pin` are not looked at.
 * -EEXIST: the id is pinned to another key; -EKEYREVOKED: this key was retired
 * and the source is not a person's word (question, trust). */
int state_pin_put(struct state *s, const struct state_pin *pin, struct error *err);

/* As state_pin_put, but retires the id's other key in the same transaction.
 * -EPERM unless the source is a person's word. */
int state_pin_replace(struct state *s, const struct state_pin *pin, struct error *err);

/* Retires the active pin; -ENOENT, without words, when there is none. */
int state_pin_retire(struct state *s, const char *id, struct error *err);

/* All pins of an id (NULL: of all), by id, the active one first. */
struct state_pins {
    struct state_pin *items;
    size_t count;
};
void state_pins_clear(struct state_pins *pins);
int state_pin_list(struct state *s, const char *id, struct state_pins *ret, struct error *err);

/* --- names: who holds, or last held, an agent name -------------------------- */

/* -ENOENT, without words, when nobody ever held it.  `ret_now` (may be NULL) is
 * false when the machine has given it up since. */
int state_name_holder(struct state *s, const char *fleet, const char *agent, char **ret_id,
                      bool *ret_now, struct error *err);

/* The names of a machine become these; whoever held one of them loses it. */
int state_names_set(struct state *s, const char *fleet, const char *id,
                    const struct strings *agents, struct error *err);

/* The names that a machine holds now, in the order in which they were set. */
int state_names_get(struct state *s, const char *fleet, const char *id, struct strings *ret,
                    struct error *err);

/* --- runs ------------------------------------------------------------------- */

enum run_status { RUN_RUNNING, RUN_DONE, RUN_FAILED, RUN_INTERRUPTED };
const char *run_status_name(enum run_status status);

struct state_run {
    int64_t number; /* grows, never used again */
    int64_t started_ms, ended_ms;
    char *verb;             /* "deploy" */
    char *spec;             /* what pyDCOP was; NULL when none was needed */
    char *bundle_digest;    /* likewise */
    struct strings files;   /* of the problem */
    enum run_status status; /* a run that was killed stays RUN_RUNNING */
    bool alive;             /* for readers: RUN_RUNNING, and its process still exists */
};
void state_run_clear(struct state_run *run);

/* Records that a run begins: verb, spec, bundle_digest and files of `run`. */
int state_run_begin(struct state *s, const struct state_run *run, int64_t *ret_number,
                    struct error *err);
int state_run_end(struct state *s, int64_t run, enum run_status status, struct error *err);

struct state_result {
    char *machine; /* its id, or what stands for one */
    char *host;    /* these three may be NULL */
    char *agent;
    char *step;   /* "" is the machine as a whole; NULL is taken for "" */
    char *status; /* in the words of the recap: ok, changed, failed, skipped, unreachable */
    char *detail; /* may be NULL, as may output */
    char *output; /* of the step's commands; its end */
    int64_t started_ms, ended_ms;
};
void state_result_clear(struct state_result *result);

/* Records one step of one machine; a later call for the same replaces it. */
int state_run_result(struct state *s, int64_t run, const struct state_result *result,
                     struct error *err);

struct state_runs {
    struct state_run *items;
    size_t count;
};
void state_runs_clear(struct state_runs *runs);

/* The newest runs first, `limit` of them at most. */
int state_run_list(struct state *s, size_t limit, struct state_runs *ret, struct error *err);

struct state_results {
    struct state_result *items;
    size_t count;
};
void state_results_clear(struct state_results *results);

/* The results of a run, in the order in which they were first recorded. */
int state_result_list(struct state *s, int64_t run, struct state_results *ret, struct error *err);

/* --- settings ---------------------------------------------------------------- */

#define STATE_SETTING_SPEC "spec" /* the last --pydcop that was used */

/* -ENOENT, without words, when it was never set. */
int state_setting_get(struct state *s, const char *key, char **ret, struct error *err);
int state_setting_set(struct state *s, const char *key, const char *value, struct error *err);
