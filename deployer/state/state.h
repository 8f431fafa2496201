/*
 * What the controller remembers: machines, pins, names, runs and their results,
 * settings.  One SQLite file, mode 0600.
 *
 * Each call that writes is one transaction: if the process is killed, it is written
 * whole or not at all.  Several processes may use one file; a call waits some seconds
 * for the transaction of another.  A struct state belongs to one thread.
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
    STATE_OUTPUT_MAX = 16 * 1024, /* only the end of a result's output is kept */
};

struct state;

/* Opens the file; creates it and its folders when missing; upgrades its schema, after a copy
 * of the old file as PATH.schema-N.  ":memory:" is a private database. */
int state_open(const char *path, struct state **ret, struct error *err);
void state_free(struct state *s);
DEFINE_CLEANUP(struct state *, state_free);

/* Copies what is committed to the file `to`, whole or not at all, mode 0600; what was there
 * is replaced.  Not of ":memory:". */
int state_copy(struct state *s, const char *to, struct error *err);

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

/* The ids whose active pin is this key: several when cards were cloned, none
 * when no id has it.  Ordered. */
int state_pin_by_fingerprint(struct state *s, const char *fingerprint, struct strings *ret,
                             struct error *err);

/* Pins an id that has no pin.  The same key again is fine: a public key that was not
 * known is filled in, and a stronger source than `accept` (the source decides whether
 * passwords may be sent) replaces it.  Times in `pin` are ignored.
 * -EEXIST: the id is pinned to another key; -EKEYREVOKED: this key was retired
 * and the source is not a person's word (question, trust). */
int state_pin_put(struct state *s, const struct state_pin *pin, struct error *err);

/* As state_pin_put, but retires the id's other key in the same transaction.
 * -EPERM unless the source is a person's word. */
int state_pin_replace(struct state *s, const struct state_pin *pin, struct error *err);

/* Retires the active pin; -ENOENT, without words, when there is none. */
int state_pin_retire(struct state *s, const char *id, struct error *err);

/* Retires this key of an id, pinned or never seen: from now on only a person can accept
 * it.  0 also when it was retired before. */
int state_pin_revoke(struct state *s, const char *id, const char *fingerprint, struct error *err);

/* All pins of an id (NULL: of all), by id, the active one first. */
struct state_pins {
    struct state_pin *items;
    size_t count;
};
void state_pins_clear(struct state_pins *pins);
int state_pin_list(struct state *s, const char *id, struct state_pins *ret, struct error *err);

/* A line with a warning for each key that is the active pin of several ids: cards that
 * were cloned with their host key.  -ENOMEM. */
int state_pins_shared_keys(const struct state_pins *pins, struct text *ret);

/* --- machines: what was contacted -------------------------------------------- */

/* Unknown values are NULL or 0; an id is 16 hex digits, or what stands for one. */
struct state_machine {
    char *id;
    char *fingerprint; /* of the host key it showed last */
    char *host;
    char *fleet;
    char *address; /* it was last reached at */
    uint16_t port;
    char *user;
    char *arch, *os;
    char *version, *digest; /* deployed last: pyDCOP's version, the bundle's digest */
    char *agents_address;   /* where others reach its agents, as it says over SSH: IPv4 */
    int64_t first_seen_ms, last_seen_ms;
    int by_hand;           /* 1: a person gave the address; -1: it was found on the network */
    struct strings agents; /* for readers: the names it holds now, in any fleet */
    bool accepted;         /* likewise: its key is pinned, and not retired */
};
void state_machine_clear(struct state_machine *m);

/* Records a contact with a machine whose key was right: last seen is now.  Fields
 * that are NULL or 0 keep their stored value; times, agents and accepted are
 * ignored (state_names_set records names). */
int state_machine_put(struct state *s, const struct state_machine *m, struct error *err);

/* -ENOENT, without words, when it is not known. */
int state_machine_get(struct state *s, const char *id, struct state_machine *ret,
                      struct error *err);

struct state_machines {
    struct state_machine *items;
    size_t count;
};
void state_machines_clear(struct state_machines *machines);

/* All machines, by host, then id. */
int state_machine_list(struct state *s, struct state_machines *ret, struct error *err);

/* The ids that a person may mean by a word: an id with a machine or a pin; else
 * the holders of that agent name; else the machines of that host name, given
 * with or without its domain.  None: 0 and an empty list. */
int state_find_ids(struct state *s, const char *word, struct strings *ret, struct error *err);

/* What state_forget has dropped. */
struct state_forgotten {
    size_t machines, pins, seqs;
    struct strings names; /* held or once held */
};
void state_forgotten_clear(struct state_forgotten *f);

/* Drops a machine, its pins (retired ones too), its names and its seq; the
 * history stays.  -ENOENT, without words, when there is nothing of that id. */
int state_forget(struct state *s, const char *id, struct state_forgotten *ret, struct error *err);

/* --- seq: the highest counter of signed records, per id and host key --------- */

/* -ESTALE, without words, when a higher one was stored: an old record. */
int state_seq_check(struct state *s, const char *id, const char *fingerprint, uint64_t seq,
                    struct error *err);

/* Stores it; a stored one never becomes lower.  -ERANGE above INT64_MAX. */
int state_seq_put(struct state *s, const char *id, const char *fingerprint, uint64_t seq,
                  struct error *err);

/* --- names: who holds, or last held, an agent name -------------------------- */

/* -ENOENT, without words, when nobody ever held it.  `ret_now` (may be NULL) is
 * false when the machine has given it up since. */
int state_name_holder(struct state *s, const char *fleet, const char *agent, char **ret_id,
                      bool *ret_now, struct error *err);

/* The names of a machine become these; another machine that held one of them loses it. */
int state_names_set(struct state *s, const char *fleet, const char *id,
                    const struct strings *agents, struct error *err);

/* The names that a machine holds now, in the order in which they were set. */
int state_names_get(struct state *s, const char *fleet, const char *id, struct strings *ret,
                    struct error *err);

/* Releases a name; the machine remains its last holder.  -ENOENT, without words, when
 * no machine holds it. */
int state_name_release(struct state *s, const char *fleet, const char *agent, struct error *err);

struct state_name {
    char *agent, *id;
    bool now; /* false: given up, this was the last holder */
    int64_t changed_ms;
};
struct state_names {
    struct state_name *items;
    size_t count;
};
void state_names_clear(struct state_names *names);

/* All names that were ever held in a fleet, by name. */
int state_name_list(struct state *s, const char *fleet, struct state_names *ret, struct error *err);

/* --- runs ------------------------------------------------------------------- */

/* What a run was asked for, so that it can be resumed: "key=value" each, a key
 * as often as it has values.  No secrets: of URLs, here, in a run's spec and in settings,
 * the password is left out (url_add_without_password). */
int state_wish_add(struct strings *wish, const char *key, const char *value); /* -ENOMEM */

/* The key of the run's id, which a run that resumes it has too; the word is that of
 * databases which exist. */
#define STATE_WISH_RUN_ID "errand"

/* The key, with any value, of a run that did what the queue of `later` wished. */
#define STATE_WISH_QUEUED "queued"

/* The value number `nth` (from 0) of a key; NULL: there is none. */
const char *state_wish_get(const struct strings *wish, const char *key, size_t nth);

/* A machine that a run is for. */
struct state_target {
    char *machine; /* as in its results: its id, or what stands for one */
    char *host;    /* may be NULL, as may agents */
    char *agents;  /* with blanks between */
    char *status;  /* for readers: of the machine as a whole; NULL: it was not reached */
};
struct state_targets {
    struct state_target *items;
    size_t count;
};
void state_targets_clear(struct state_targets *targets);

enum run_status { RUN_RUNNING, RUN_DONE, RUN_FAILED, RUN_INTERRUPTED };
const char *run_status_name(enum run_status status);

struct state_run {
    int64_t number; /* grows, never used again */
    int64_t started_ms, ended_ms;
    char *verb;           /* "deploy" */
    char *spec;           /* what pyDCOP was; NULL when none was needed */
    char *bundle_digest;  /* likewise */
    struct strings files; /* of the problem */
    struct strings wish;  /* this and targets: not read by state_run_list */
    struct state_targets targets;
    enum run_status status; /* a run that was killed stays RUN_RUNNING */
    bool alive;             /* for readers: RUN_RUNNING, and its process still exists */
};
void state_run_clear(struct state_run *run);

/* The state of a run in one word: "killed" when its process has ended without
 * recording an end, else the name of its status. */
const char *state_run_word(const struct state_run *run);

/* Records that a run begins: verb, spec, bundle_digest, files, wish and targets
 * of `run`; of two targets for one machine the first counts. */
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

/* One run; -ENOENT, without words, when there is none of that number. */
int state_run_get(struct state *s, int64_t number, struct state_run *ret, struct error *err);

/* The newest run (of that verb, unless NULL); -ENOENT, without words. */
int state_run_last(struct state *s, const char *verb, struct state_run *ret, struct error *err);

/* The newest run that a person asked for, and not the queue; likewise. */
int state_run_last_asked(struct state *s, struct state_run *ret, struct error *err);

/* The targets of a run that did not end ok or changed: failed, refused,
 * unreachable, cancelled, or never reached. */
int state_run_unfinished(struct state *s, int64_t run, struct state_targets *ret,
                         struct error *err);

/* How many targets ended how; `left`: cancelled, or never reached. */
struct state_counts {
    size_t ok, changed, failed, refused, unreachable, left;
};
int state_run_counts(struct state *s, int64_t run, struct state_counts *ret, struct error *err);

struct state_results {
    struct state_result *items;
    size_t count;
};
void state_results_clear(struct state_results *results);

/* The results of a run, in the order in which they were first recorded. */
int state_result_list(struct state *s, int64_t run, struct state_results *ret, struct error *err);

/* Those of one machine (`step` NULL: of all its steps). */
int state_result_list_of(struct state *s, int64_t run, const char *machine, const char *step,
                         struct state_results *ret, struct error *err);

/* --- later: deploys that wait for their machines -------------------------------- */

/* The wheel that a wish is for.  It is kept in the database, so that it stays what it was when
 * the wish was made. */
struct state_wheel {
    char *digest; /* SHA-256 in hex */
    char *name;   /* of the file */
    struct text bytes;
};
void state_wheel_clear(struct state_wheel *w);

/* The reason of an entry whose machine is away. */
#define STATE_LATER_OFF "off"

/* One machine's entry. */
struct state_later {
    int64_t entry;         /* grows: a newer wish for the machine has another one */
    char *machine;         /* its id */
    char *host, *fleet;    /* may be NULL, as may spec and version */
    struct strings agents; /* to run there */
    struct strings wish;   /* options, as of a run */
    char *spec;            /* what --pydcop was */
    char *version;         /* of pyDCOP */
    char *wheel;           /* the digest of what is deployed */
    int64_t since_ms;      /* when the wish was made */
    unsigned tries;        /* deploys that failed */
    int64_t next_ms;       /* not before then; 0: at once */
    char *reason;          /* what it waits for */
    int64_t reason_ms;     /* since when */
    bool claimed;          /* for readers: a process that is alive is at it */
    bool own;              /* likewise: and it is this one */
};
void state_later_clear(struct state_later *l);

struct state_laters {
    struct state_later *items;
    size_t count;
};
void state_laters_clear(struct state_laters *l);

/* Writes these entries, all or none, with one wheel; each replaces its machine's older one.
 * Only machine to version, reason and reason_ms are read. */
int state_later_put(struct state *s, const struct state_later *items, size_t n,
                    const struct state_wheel *wheel, struct error *err);

/* All, by host, then machine. */
int state_later_list(struct state *s, struct state_laters *ret, struct error *err);

/* -ENOENT, without words, when no entry needs a wheel with that digest. */
int state_later_wheel(struct state *s, const char *digest, struct state_wheel *ret,
                      struct error *err);

/* Takes the entry for this process.  Without words: -ENOENT when it is gone (done, cancelled or
 * replaced), -EBUSY while a process that is alive, this one too, has it. */
int state_later_claim(struct state *s, int64_t entry, struct error *err);

/* Its deploy ended well: the entry goes.  One that is gone already is fine, here and below. */
int state_later_done(struct state *s, int64_t entry, struct error *err);

/* Its deploy did not: gives the claim back.  `counts`: as a failure (the machine was not just
 * busy). */
int state_later_failed(struct state *s, int64_t entry, const char *reason, int64_t next_ms,
                       bool counts, struct error *err);

/* Gives this process's claim back, and leaves the rest as it is. */
int state_later_release(struct state *s, int64_t entry, struct error *err);

/* What it waits for now; with STATE_LATER_OFF it is tried at once when the machine is back. */
int state_later_tell(struct state *s, int64_t entry, const char *reason, int64_t reason_ms,
                     struct error *err);

/* Lets it be tried at once. */
int state_later_retry(struct state *s, int64_t entry, struct error *err);

/* Drops the entry of a machine; -ENOENT, without words, when it has none.  A deploy of it that
 * runs goes on. */
int state_later_drop(struct state *s, const char *machine, struct error *err);

/* --- settings ---------------------------------------------------------------- */

#define STATE_SETTING_SPEC "spec"   /* the last --pydcop that was used */
#define STATE_SETTING_TRIED "tried" /* only tests whether it can be written */

/* -ENOENT, without words, when it was never set. */
int state_setting_get(struct state *s, const char *key, char **ret, struct error *err);
int state_setting_set(struct state *s, const char *key, const char *value, struct error *err);
