/*
 * The crew are the service's workers: runs, each a verb on some machines,
 * recorded in the state database as dcop-deploy's are; one executor for all of
 * them, so that --forks holds for all of them together.
 *
 * Everything is told on the loop's thread.
 */
#pragma once

#include <systemd/sd-event.h>

#include "deployer/bundle/pack.h"
#include "deployer/job/job.h"
#include "deployer/state/state.h"

enum crew_kind {
    CREW_BEGAN,      /* the run, in the record; no machine yet */
    CREW_PHASE,      /* word: "connecting", "checking", "sending", "steps"; number: how many
                        steps there are, 0: not known */
    CREW_STEP,       /* word: the step; status: "started" or of the result; text; lines; number:
                        which one it is */
    CREW_OUTPUT,     /* word: "stdout", "stderr"; text: a line */
    CREW_NOTE,       /* text */
    CREW_END,        /* of a machine: outcome; text: why */
    CREW_ENDED,      /* the run, in the record */
    CREW_UNRECORDED, /* text: why the database did not take what there was to record */
};

/* Borrowed for the call. */
struct crew_event {
    enum crew_kind kind;
    int64_t run;      /* 0: not recorded */
    const char *verb; /* static */
    const void *key;  /* of the machine; NULL: of the run, or of none */
    const char *word, *status, *text, *lines;
    unsigned number;
    enum job_outcome outcome;
    bool busy; /* CREW_END: another controller is at work there */
};

typedef void crew_listener(const struct crew_event *event, void *arg);

/* One machine of a run. */
struct crew_order {
    const void *key;
    struct target target; /* moved into the job */
};

struct crew_run {
    const char *verb; /* static: what the machine's side calls the mode */
    struct pack *pack;
    struct text settings; /* more for the machine's side; moved */
    struct consent consent;
    struct strings wish, files;        /* for the record; borrowed */
    const char *user, *orchestrator;   /* copied; NULL: as job.h says */
    const struct cache_choice *choice; /* where packages come from; copied */
    const char *packages; /* what is pushed to a machine that reaches no source of packages: a
                             list of packages.sh; static, NULL: nothing */
    unsigned timeout_ms;
    bool unrecorded;
    struct crew_order *orders; /* emptied */
    size_t count;
};

struct crew_options {
    unsigned forks;
    struct state *state;
    const struct paths *paths;
    const char *who;               /* for the machines' locks */
    const struct strings *keys;    /* as named; none: the usual ones */
    const struct secret *password; /* these two may be NULL */
    const struct secret *become_password;
    crew_listener *listener;
    void *arg;
};

struct crew;

/* What the options point to is borrowed and outlives it. */
int crew_new(sd_event *loop, const struct crew_options *options, struct crew **ret,
             struct error *err);

/* Cancels what is at work: on the machines it goes on to its end. */
void crew_free(struct crew *c);
DEFINE_CLEANUP(struct crew *, crew_free);

/* Begins a run; each of its machines is told CREW_END later, also when it
 * could not be tried.  On failure none is. */
int crew_begin(struct crew *c, struct crew_run *run, struct error *err);

/* Records what the database did not take before (CREW_UNRECORDED); each run that
 * has its end only now is told CREW_ENDED once more. */
int crew_catch_up(struct crew *c, struct error *err);

bool crew_idle(const struct crew *c);
