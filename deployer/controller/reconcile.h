/*
 * Reconciliation decides which machines are to be deployed to now, and what the
 * others wait for.  The desired state of a machine is one digest, its wish (names,
 * pyDCOP, orchestrator …): a machine is in its desired state when a deploy with that
 * wish has succeeded on it.
 *
 * A failed deploy is tried again, each time after a longer delay; one that failed
 * too often, or in a way that a retry does not repair, needs a person.  The count
 * starts again with a new wish, when the machine was away, or with a person's retry.
 *
 * With --canary a version goes to one machine first.  While it is at work, is to be tried again, or
 * has failed with it, the others wait.  One that is away, or is not to be deployed to any more, is
 * waited for no longer; nor is one where a deploy ended before it came to the version.
 *
 * Pure: the caller passes the time, in milliseconds of any clock that does not go back.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "discovery/advert/advert.h"

enum {
    RECONCILE_WISH_LENGTH = 64,
    RECONCILE_WHY_MAX = 1024,
    RECONCILE_FAILURES_MAX = 6, /* after so many a person is needed */
    RECONCILE_SETTLE_MS =
        500, /* after its appearance: machines that appear together are deployed together */
    RECONCILE_RELAPSE_MS =
        10 * 1000, /* for so long after a deploy, "failed" of an agent's unit is ignored */
    RECONCILE_STEADY_MS =
        10 * 60 * 1000,            /* after so long without a failure, earlier ones are forgotten */
    RECONCILE_BUSY_MS = 30 * 1000, /* delay if another controller was at work there */
};

/* Why a machine waits during a run. */
#define RECONCILE_PAUSED "the problem is being solved; it is deployed to then"

enum work_state {
    WORK_IDLE,
    WORK_WAITING,
    WORK_QUEUED,
    WORK_PACKING,
    WORK_RUNNING,
    WORK_OK,
    WORK_RETRYING,
    WORK_STUCK,
};
const char *work_state_name(enum work_state state);

/* What is remembered about one machine.  A value: start with {0}.  The time 0 means
 * never, so the clock must not be 0. */
struct ledger {
    char done[RECONCILE_WISH_LENGTH + 1];  /* the wish that was last fulfilled */
    char tried[RECONCILE_WISH_LENGTH + 1]; /* the wish that was last tried */
    char trial[RECONCILE_WISH_LENGTH + 1]; /* the version that it was the first to get, and that is
                                              not proven; "": none */
    unsigned failures;                     /* in a row */
    int64_t appeared_ms, ended_ms;
    bool reached;   /* a deploy has come to the version on trial */
    bool unhealthy; /* and its agents were not healthy with it */
    bool failed;    /* the last try failed */
    bool hopeless;  /* and a retry does not repair it */
    bool busy;      /* because another controller was at work there */
    bool held; /* a person stopped it or rolled it back: left alone until a person deploys or starts
                  it */
    char why[RECONCILE_WHY_MAX];
};

enum ledger_end { LEDGER_DONE, LEDGER_FAILED, LEDGER_HOPELESS, LEDGER_BUSY };

void ledger_appeared(struct ledger *l, int64_t now_ms);
void ledger_begin(struct ledger *l, const char *wish);
/* NULL: the deploy is no first try. */
void ledger_begin_trial(struct ledger *l, const char *version);
/* A step of the deploy began, or has failed. */
void ledger_note_step(struct ledger *l, const char *step, bool failed);
/* Before ledger_end: how the deploy ends if it is a first try.  A version with which the agents
 * were not healthy needs a person; one that was not reached is not on trial here any more; after
 * a success it is written to `proven`. */
enum ledger_end ledger_end_trial(struct ledger *l, enum ledger_end end,
                                 char proven[static RECONCILE_WISH_LENGTH + 1]);
void ledger_end(struct ledger *l, enum ledger_end end, const char *why, int64_t now_ms);
/* A person requests a retry.  A machine that a person stopped stays stopped; one that tries a
 * version first stays the first. */
void ledger_reset(struct ledger *l);

/* The delay after that many failures in a row. */
int64_t reconcile_delay_ms(unsigned failures);

/* One machine: first the input, below it the result. */
struct reconcile_machine {
    const char *name; /* for persons */
    const char *wish; /* NULL: there is nothing to deploy to it */
    bool online;
    const char
        *obstacle; /* a sentence: why it cannot be deployed to (no pin …); NULL: no obstacle */
    bool counts;   /* for the quorum */
    bool at_work;  /* an action is running there, or waits */
    enum advert_state unit;
    struct ledger *ledger;

    enum work_state state;
    bool deploy;      /* now */
    bool trial;       /* and it is the first to get the version */
    const char *why;  /* NULL: no reason; borrowed from the input, or of struct reconcile */
    int64_t again_ms; /* WORK_RETRYING: when */
};

struct reconcile {
    bool automatic;      /* --auto */
    bool paused;         /* the problem is being solved: nothing is deployed meanwhile */
    unsigned quorum;     /* 0: none */
    const char *version; /* that is deployed, to one machine first; NULL: to all at once */
    char proven[RECONCILE_WISH_LENGTH + 1]; /* the last one that a machine was healthy with */
    bool reached;                           /* in and out: the quorum was reached once */
    unsigned present;                       /* out: machines that count */
    char waits[RECONCILE_WHY_MAX]; /* out: what machines are told that wait for the first one */
    int64_t next_ms;               /* out: when to reconcile again; INT64_MAX: at the next change */
};

/* Is a deploy of this version to be watched, because no machine was healthy with it?  On the one
 * that is to get it first (`first`), and on the one that tried it first, also when a person asks
 * for the deploy. */
bool reconcile_is_trial(const struct reconcile *r, const char *version, const struct ledger *l,
                        bool first);

void reconcile(struct reconcile *r, struct reconcile_machine *machines, size_t n, int64_t now_ms);
