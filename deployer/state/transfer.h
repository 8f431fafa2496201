/*
 * What one controller hands to another: machines, pins, names and seqs, as JSON, and
 * pyDCOP's spec if it is NAME==VERSION.  The history of runs stays where it is.
 *
 * What is taken is hostile until each value has been checked.  It is taken in one
 * transaction, in which the caller also prepares what lies outside the database: a list
 * of words is stored with it, which the next program settles if this one is killed.
 * One thread at a time.
 */
#pragma once

#include "state.h"

enum {
    TRANSFER_ROWS_MAX = 100000, /* of each kind */
    TRANSFER_TEXT_MAX = 255,    /* bytes of a value */
    TRANSFER_KEY_MAX = 8192,    /* of a public host key, in base64 */
};

struct transfer_count {
    size_t machines; /* ids that something is known of */
    size_t pins;     /* keys that are trusted */
    size_t names;    /* held now */
};

int transfer_count(struct state *s, struct transfer_count *ret, struct error *err);

/* Appends {"machines": […], "pins": […], "names": […], "seqs": […], "pydcop": "…"}. */
int transfer_write(struct state *s, struct text *ret, struct error *err);

struct transfer {
    const char *json;
    size_t size;
    bool replace; /* what is known here and not in `json` may be lost */
    /* Called in the transaction, before it ends: what it appends to `words` is pending.  A
     * failure leaves all as it was. */
    int (*prepare)(void *with, struct text *words, struct error *err);
    void *with;
};

/* Takes it in the place of what is here; unless `replace`, a machine that was met later here,
 * the word of a pin's source and pyDCOP's spec stay.  `ret_spec`: the spec of `json` that is
 * now the one here, the caller frees it; NULL: another is, or
 * none.  -EBADMSG with words: not
 * valid; -EEXIST with words: something would be lost, and `replace` is not set. */
int transfer_take(struct state *s, const struct transfer *t, char **ret_spec, struct error *err);

/* 1: an import that was killed has left words that are pending; 0: none has. */
int transfer_is_pending(struct state *s, struct error *err);

/* Makes these words pending, until transfer_take stores others. */
int transfer_announce(struct state *s, const struct text *words, struct error *err);

/* Calls `settle` with the words that are pending, if there are some, while no other process
 * writes; then drops them, unless it returns 1. */
int transfer_settle(struct state *s,
                    int (*settle)(void *with, const char *words, struct error *err), void *with,
                    struct error *err);
