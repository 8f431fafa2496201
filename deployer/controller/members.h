/*
 * The directory: the machines that the main loop knows, copied from the roster,
 * each with what the service stores about it.
 *
 * A machine is named by its ref: its id and a short digest of its host key, because
 * machines in doubt share an id.  Clones share the host key, too: the ref of all but one
 * ends with "-" and a number.  If there is a fleet key, the ref of a machine that is
 * not verified has a "u" after the digest.  One thread.
 */
#pragma once

#include "deployer/trust/standing.h"
#include "discovery/base/hash.h"
#include "discovery/roster/roster.h"
#include "reconcile.h"

enum { REF_MAX = ADVERT_ID_LENGTH + 1 + 8 + 1 + sizeof("-4294967295") - 1 };

struct member {
    const void *key; /* the roster's entry: identifies it, never dereferenced */
    struct machine machine;
    char ref[REF_MAX + 1];
    struct standing standing;
    struct ledger ledger;
    struct strings assigned; /* names that it will get, until it has them */

    /* What is shown of its work: */
    enum work_state state;
    char why[RECONCILE_WHY_MAX];
    int64_t again_ms;  /* when it is tried again, CLOCK_MONOTONIC; 0: it is not */
    bool trial;        /* its next deploy is the first one of a version */
    bool at_work;      /* a worker is active, or about to start */
    const char *verb;  /* of the action at work or waiting; static */
    const char *phase; /* likewise */
    char step[48];
    unsigned number, total;
    int64_t run;                    /* 0: none yet */
    const char *outcome;            /* of the last action; static */
    char detail[RECONCILE_WHY_MAX]; /* why, if the outcome was not good */
    int64_t began_ms;               /* when the present action began */
    const char *pending;            /* an action that waits for its turn; static */
    bool awaited;                   /* the queue of `deploy --later` does something there soon */
    int64_t later;                  /* the entry of the queue that is done; 0: none */
    unsigned later_tries;           /* that failed before */
    char shown[65];                 /* digest of what was last published about it */
    UT_hash_handle hh;
};

/* The member that a match's machine is part of. */
struct member *member_of(const struct machine *m);

struct members {
    struct member *members; /* by key */
    size_t count;
};

void members_clear(struct members *d);

/* Takes the machine over (`m` is emptied).  NULL without memory.  `ret_new`:
 * there was no such member before. */
struct member *members_take(struct members *d, const void *key, struct machine *m, bool *ret_new);
void members_drop(struct members *d, struct member *m);

/* By ref, or by an id that only one machine has: 1: found; 0: none; -EEXIST:
 * several. */
int members_find(const struct members *d, const char *ref, struct member **ret);

/* Does its host key differ from the one that is pinned to its id, while the accepted
 * machine with that id, or with a name that it advertises, is known?  A machine that
 * is alone may have been reflashed: a person is asked, and it keeps its names. */
bool members_is_impostor(const struct members *d, const struct member *m);

/* All, in display order; the caller frees the array. */
struct member **members_list(const struct members *d, size_t *ret_count);
