/*
 * The directory: the machines as the main loop knows them, copies of the
 * roster's, each with what the service holds of it.
 *
 * A machine is named by its ref: its id, and a short digest of its host key, as
 * machines in doubt share an id; one that is not verified, where that counts,
 * has a "u" behind it.  One thread.
 */
#pragma once

#include "deployer/trust/standing.h"
#include "discovery/base/hash.h"
#include "discovery/roster/roster.h"
#include "reconcile.h"

enum { REF_MAX = ADVERT_ID_LENGTH + 1 + 8 + 1 };

struct member {
    const void *key; /* the roster's entry: a name, never followed */
    struct machine machine;
    char ref[REF_MAX + 1];
    struct standing standing;
    struct ledger ledger;
    struct strings assigned; /* names that it is to get, until it has them */

    /* What is shown of the work there: */
    enum work_state state;
    char why[RECONCILE_WHY_MAX];
    int64_t again_ms;  /* of the monotonic clock; 0: no */
    bool at_work;      /* a worker is there, or about to be */
    const char *verb;  /* of the action at work or waiting; static */
    const char *phase; /* likewise */
    char step[48];
    unsigned number, total;
    int64_t run;                    /* 0: none yet */
    const char *outcome;            /* of the last action; static */
    char detail[RECONCILE_WHY_MAX]; /* why, when it was none of the good ones */
    int64_t began_ms;               /* the action at work */
    const char *pending;            /* an action that waits until this one has ended; static */
    char shown[65];                 /* digest of what listeners heard of it last */
    UT_hash_handle hh;
};

/* The machines of a match are members' own. */
struct member *member_of(const struct machine *m);

struct members {
    struct member *members; /* by key */
    size_t count;
};

void members_clear(struct members *d);

/* Takes the machine over (`m` is emptied).  NULL without memory.  `ret_new`:
 * it was not there. */
struct member *members_take(struct members *d, const void *key, struct machine *m, bool *ret_new);
void members_drop(struct members *d, struct member *m);

/* By ref, or by an id that only one machine has: 1, found; 0: none; several:
 * -EEXIST. */
int members_find(const struct members *d, const char *ref, struct member **ret);

/* Is its host key another than the one that is pinned to its id, while the
 * accepted machine of that id, or of a name that it says, is known?  One that is
 * alone may have been reflashed: a person is asked, and its names are its own. */
bool members_is_impostor(const struct members *d, const struct member *m);

/* All, in the order of display: the array is the caller's to free. */
struct member **members_list(const struct members *d, size_t *ret_count);
