/*
 * A run, its machines and the runner, as the two halves of run.h see them: what
 * happens in a run (run.c), and how it begins (begin.c).
 */
#pragma once

#include "deployer/base/task.h"
#include "deployer/cache/push.h"
#include "deployer/trust/known-machine.h"
#include "executor.h"
#include "record.h"
#include "run.h"

/* A run while any of its machines has not ended. */
struct run {
    struct runner *runner;
    struct job_common common;
    struct pack *pack;
    struct text settings, fleet; /* fleet: for common.fleet */
    struct auth *auth;
    struct task *finding; /* the caches; NULL: not at it */
    struct cache_choice choice;
    struct caches caches;
    bool caches_found;
    struct upstreams upstreams;
    struct apt_push push;
    struct reach_place reached;
    struct error finding_error;
    struct consent consent;
    struct state_pins pins;   /* for common.pins */
    struct state_names names; /* for common.names */
    struct state_run record;  /* its strings and lists are the run's own */
    char id[NONCE_LENGTH + 1];
    char *user, *orchestrator;
    const char *verb;
    struct run_target *targets; /* until they are jobs */
    size_t n_targets, begun;
    size_t waves[RUN_WAVES_MAX], n_waves, wave; /* sizes; the next one's place */
    char *broken; /* the first machine that has not ended well; NULL: none */
    int64_t number;
    size_t left;
    bool unrecorded, queued, bad, cancelled;
    struct run *next, **at;
};

/* Bytes that one machine may put into the record of a run: an honest one needs some
 * 10 KiB.  Beyond it, results are recorded without their words. */
enum { MEMBER_RECORD_MAX = 128 * 1024 };

/* One machine's part. */
struct member {
    struct run *run;
    const void *key;
    char *host, *agents;
    char machine[TARGET_KEY_MAX]; /* its key in the record, which does not change */
    struct target target;         /* a copy, to learn from */
    struct known_machine known;   /* likewise */
    char fingerprint[JOB_FINGERPRINT_MAX];
    char *hostkey; /* as in known_hosts; NULL: not known */
    struct address peer;
    char agents_address[ADDRESS_TEXT_MAX]; /* that it says; "": none, or no IPv4 address */
    char hostname[65]; /* that it says: HOST_NAME_MAX (hostname(7)); "": longer, or not said */
    bool is_met, is_intended, learnt, has_id, busy;
    unsigned results;
    size_t recorded; /* bytes of details and output */
    int64_t step_started_ms;
};

struct runner {
    struct runner_options options;
    sd_event *loop;
    struct executor *executor;
    struct record *record;
    struct member **members; /* by job; NULL once it has ended */
    size_t n_members, at_work;
    struct run *runs;
    bool ending;
};

void run_member_free(struct member *m);

/* Takes it out of the runner, too; a thread that looks for its caches is waited for. */
void run_free(struct run *r);

/* Tells the listener; number and verb are filled in. */
void run_tell(const struct run *r, struct run_event event);

/* Begins its record, unless it has none.  What state_run_begin says. */
int run_record_begin(struct run *r, struct error *err);

/* All machines that have begun have ended: those that wait for them begin, or it has ended. */
void run_go_on(struct run *r);

/* Records its end, tells it, and frees the run. */
void run_end(struct run *r);

/* The executor's listener; `arg` is the runner. */
executor_listener runner_on_job_event;
