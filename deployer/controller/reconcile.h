/*
 * Reconciliation: which machines are to be deployed to now, and what the
 * others wait for.  What is wanted of a machine is one digest, its wish (names,
 * pyDCOP, orchestrator …): a machine is as it is wanted when a deploy with that
 * wish has ended well there.
 *
 * A failure is tried again, each time later; what failed too often, or in a
 * way that no repetition mends, needs a person.  A new wish, a machine that
 * was away, or a person's retry begin anew.
 *
 * Pure: time goes in, in milliseconds of any clock that does not go back.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "discovery/advert/advert.h"

enum {
    RECONCILE_WISH_LENGTH = 64,
    RECONCILE_WHY_MAX = 1024,
    RECONCILE_FAILURES_MAX = 6,       /* then a person is needed */
    RECONCILE_SETTLE_MS = 500,        /* from its appearance: who comes with it, goes with it */
    RECONCILE_RELAPSE_MS = 10 * 1000, /* so long an agent's unit may say "failed" after a deploy */
    RECONCILE_STEADY_MS = 10 * 60 * 1000, /* well for so long: earlier failures are forgotten */
    RECONCILE_BUSY_MS = 30 * 1000,        /* another controller was at work there */
};

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

/* What is remembered of one machine.  A value, {0} at first; times are 0 for
 * never, so no clock may say 0. */
struct ledger {
    char done[RECONCILE_WISH_LENGTH + 1];  /* the wish that was fulfilled last */
    char tried[RECONCILE_WISH_LENGTH + 1]; /* that was tried last */
    unsigned failures;                     /* in a row */
    int64_t appeared_ms, ended_ms;
    bool failed;   /* the last try */
    bool hopeless; /* and no repetition mends it */
    bool busy;     /* and another controller was at work there */
    bool held;     /* stopped or rolled back by a person: left alone until he says otherwise */
    char why[RECONCILE_WHY_MAX];
};

enum ledger_end { LEDGER_DONE, LEDGER_FAILED, LEDGER_HOPELESS, LEDGER_BUSY };

void ledger_appeared(struct ledger *l, int64_t now_ms);
void ledger_begin(struct ledger *l, const char *wish);
void ledger_end(struct ledger *l, enum ledger_end end, const char *why, int64_t now_ms);
/* A person says: again.  What he stopped stays so. */
void ledger_reset(struct ledger *l);

/* How long after its nth failure in a row. */
int64_t reconcile_delay_ms(unsigned failures);

/* One machine: what is known of it, and below what becomes of it. */
struct reconcile_machine {
    const char *wish; /* NULL: nothing is wanted of it */
    bool online;
    const char
        *obstacle; /* a sentence: why it cannot be deployed to, a pin that lacks …; NULL: none */
    bool counts;   /* for the quorum */
    bool at_work;  /* an action is at work there, or waits */
    enum advert_state unit;
    struct ledger *ledger;

    enum work_state state;
    bool deploy;      /* now */
    const char *why;  /* NULL: nothing to say; lives as long as what was given */
    int64_t again_ms; /* WORK_RETRYING: when */
};

struct reconcile {
    bool automatic;   /* --auto */
    unsigned quorum;  /* 0: none */
    bool reached;     /* in and out: it was, once */
    unsigned present; /* out: machines that count */
    int64_t next_ms;  /* out: look again then; INT64_MAX: when something happens */
};

void reconcile(struct reconcile *r, struct reconcile_machine *machines, size_t n, int64_t now_ms);
