/*
 * A run is a verb on some machines, in parallel, recorded in the state database
 * step by step.  The runner holds all runs of a program; they share one
 * executor, so that --forks holds for all of them together.
 *
 * A machine's host key is pinned once the machine has said over SSH that it has
 * the id that was meant.  The caches are looked up once a run, in a thread, before
 * its first job begins.
 *
 * Everything is told on the loop's thread.
 */
#pragma once

#include <systemd/sd-event.h>

#include "deployer/base/nonce.h"
#include "deployer/bundle/pack.h"
#include "deployer/cache/caches.h"
#include "deployer/job/job.h"
#include "deployer/state/state.h"

enum run_event_kind {
    RUN_BEGAN,         /* it is in the record; no machine has begun */
    RUN_NOT_BEGUN,     /* code, text: why not; RUN_MACHINE_ENDED follows for each machine */
    RUN_CONNECTING,    /* a machine, as are those that follow */
    RUN_TRUSTED,       /* text: the fingerprint of its host key, which is acceptable */
    RUN_SENDING,       /* it lacks the bundle, which is on its way */
    RUN_STEP,          /* step: what it says of its steps and itself; number: of the step */
    RUN_OUTPUT,        /* text: a line of a command's output; errors: of its standard error */
    RUN_MACHINE_ENDED, /* outcome; text: why, when it is none of the good ones; busy */
    RUN_NOT_TOUCHED,   /* a machine that does not begin, because one before it failed; text: that */
    RUN_ENDED,         /* its last machine has ended, and that is in the record */
    RUN_UNRECORDED,    /* text: why the database did not take what there was to record */
};

/* Borrowed for the call. */
struct run_event {
    enum run_event_kind kind;
    int64_t run;      /* its number in the record; 0: it is not recorded */
    const char *verb; /* the plan's */
    const void *key;  /* of the machine; NULL: it is of the run, or of none */
    const struct stepwire_event *step;
    unsigned number;
    enum job_outcome outcome;
    bool errors, busy; /* busy: another controller is at work there */
    int code;          /* negative errno */
    const char *text;
};

typedef void run_listener(const struct run_event *event, void *arg);

enum { RUN_WAVES_MAX = 8 };

/* One machine of a run. */
struct run_target {
    const void *key;      /* the caller's name for it, in events */
    struct target target; /* moved into the job */
};

/* What is to be done.  Borrowed for the call but where it says otherwise; what the
 * words of a field are empty for is in job.h. */
struct run_plan {
    const char *verb;       /* outlives the run: for record and events */
    const char *mode;       /* outlives the run: what the machine's side calls it; NULL: the verb */
    struct pack *pack;      /* what is sent; NULL: nothing */
    struct text settings;   /* more for the machine's side; moved */
    struct consent consent; /* what a person has said of new machines */
    struct strings wish;    /* for the record */
    struct strings files;   /* likewise: the problem's */
    const char *id;         /* of the run that this one resumes; NULL: it gets one */
    const char *user, *orchestrator;
    const char *packages; /* the list of packages.sh that its steps install from; outlives
                             the run; NULL: it needs no caches */
    const struct cache_choice *choice; /* which caches; with `packages` */
    const struct caches *caches;       /* found already; NULL: they are looked for */
    unsigned timeout_ms;
    uint64_t output_max;        /* bytes that the mode's command may print; 0: it runs none */
    bool scan;                  /* host keys alone */
    bool looks;                 /* say what would change, change nothing */
    bool asks;                  /* how machines are: it places no agents, and they try each other,
                                   if they do, as its settings say (doctor/pairs.h) */
    bool unrecorded;            /* no entry in the record */
    bool queued;                /* it does what the queue of `later` wishes; another one that says
                                   what is to run there ends such wishes for its machines */
    struct run_target *targets; /* emptied */
    size_t count;
    const size_t *waves; /* so many of them go first, then so many …, then the rest: each wave
                            begins when all machines before it have ended well, and not at all if
                            one has not; copied */
    size_t n_waves;      /* RUN_WAVES_MAX at most; 0: all at once */
};

struct runner_options {
    unsigned forks;
    struct state *state;
    const struct paths *paths;
    const char *who;                      /* for the machines' locks */
    const struct strings *keys;           /* as named; none: the usual ones */
    const char *config;                   /* the settings' folder, see paths_keys */
    const struct secret *password;        /* to log in with; NULL: none */
    const struct secret *become_password; /* sudo's; NULL: none */
    const struct strings *revoked;        /* host keys (known_hosts_revoked); NULL: none */
    run_listener *listener;
    void *arg;
};

struct runner;

/* What the options point to is borrowed and outlives it. */
int runner_new(sd_event *loop, const struct runner_options *options, struct runner **ret,
               struct error *err);

/* Cancels running jobs: their steps continue on the machines to their end.  In the
 * record such machines are cancelled and their runs interrupted; nobody is told. */
void runner_free(struct runner *r);
DEFINE_CLEANUP(struct runner *, runner_free);

/* Begins a run, at once or when its caches are found; each of its machines is told
 * RUN_MACHINE_ENDED later, also when it could not be tried, or RUN_NOT_TOUCHED.  On failure nothing
 * has begun and nobody is told, but RUN_UNRECORDED. */
int runner_begin(struct runner *r, struct run_plan *plan, struct error *err);

/* Lets machines end after the running step, and the waiting ones at once. */
void runner_stop(struct runner *r);

/* Ends all soon: a step that runs on a machine continues there. */
void runner_cancel(struct runner *r);

/* Records what the database did not take before (RUN_UNRECORDED); each run that
 * has its end only now is told RUN_ENDED once more. */
int runner_catch_up(struct runner *r, struct error *err);
