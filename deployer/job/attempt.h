/*
 * An attempt: one SSH session of a job, from the connection to the outcome.  Its
 * parts are the settings sent to the machine (settings.c), its way to the caches
 * (caches.c), and the messages for a command that failed early (explain.c).
 *
 * All of it belongs to the worker that runs the job.
 */
#pragma once

#include "deployer/base/line-splitter.h"
#include "deployer/ssh/forward.h"
#include "job.h"
#include "unfetched.h"

struct job_run {
    const struct job *job;
    struct stop_fds stop_fds;
    struct session *session;
    job_listener *listener;
    void *arg;
    char nonce[NONCE_LENGTH + 1];
    struct stepwire wire;
    struct text settings;
    struct job moved;                    /* what `job` is when another machine than the guessed one
                                            answers; borrows everything */
    bool scanned;                        /* the host key is known, which is all that was wanted */
    bool may_have_password;              /* the source of the machine's pin allows passwords */
    bool password_sent;                  /* to sudo */
    struct text noise;                   /* the start of standard output, until the hello */
    struct text complaints;              /* the tail of standard error */
    uint64_t stderr_size;                /* all of it */
    struct text why;                     /* the words of the step that failed */
    struct text others;                  /* other hosts that answered at its addresses */
    struct line_splitter output, errors; /* of a command, once it streams */
    struct forward_filter_rules filter;  /* of the forward to the caches */
    struct strings cache_hosts;          /* that it may ask the proxy for; looked up once */
    uint64_t cache_left;                 /* bytes that it may still fetch through the forward */
    char token[NONCE_LENGTH + 1];        /* this run's and this machine's; "": not yet */
    unsigned port;                       /* of the machine, which leads to the caches */
    struct text caches;                  /* what it is told of them */
    struct text layer;                   /* what it is told of its layer */
    struct text left;                    /* the steps that a stopped run has left */
    struct text stop;                    /* what tells the machine to stop */
    struct reach reach;                  /* where its agents listen */
    int64_t began_ms;                    /* by CLOCK_MONOTONIC */
    bool planned;                        /* it has steps, between which it can stop */
    bool at_work;                        /* on one of them */
    bool ended, changed, failed, would_change, stopped;
    bool whole;                  /* no delta this time */
    bool delta_sent;             /* and nothing was heard of the bundle's own since */
    int problem;                 /* negative errno from within a handler */
    struct unfetched *unfetched; /* filled instead of told; NULL: told */
    struct error error;
};

/* A job without its last event: one attempt, and another with the whole bundle where a
 * delta did not lead to it.  `unfetched` may be NULL: every failure is told. */
enum job_outcome job_run_part(const struct job *job, struct stop_fds stop, job_listener *listener,
                              void *arg, struct unfetched *unfetched, struct error *err);

/* Never NULL: borrowed from the job. */
const char *job_user(const struct job *job);

/* What sudo gets, if the machine may have it: the machine's own, or the run's;
 * NULL: none. */
const struct secret *job_become_password(const struct job *job);

/* To the job's listener. */
void job_tell(struct job_run *run, const struct job_event *event);

/* The machine has something to fetch and waits: asks once for the forward;
 * job_on_forwarded sends the machine the result. */
void job_on_want(struct job_run *run);

/* The machine waits for a layer: sends it, or the reason why there is none. */
void job_on_layer(struct job_run *run, const char *key);

/* `arg` is the struct job_run; port 0: its sshd forwards nothing. */
void job_on_forwarded(unsigned port, void *arg);

/* The command ended with `status` before the steps could say why: always a
 * negative errno, with words.  It edits the complaints that were kept. */
int job_explain_boot(struct job_run *run, int status, struct error *err);

/* A running step does not end with the connection: adds that to the words of
 * `code`, when a step is running. */
void job_tell_what_goes_on(const struct job_run *run, int code, struct error *err);
