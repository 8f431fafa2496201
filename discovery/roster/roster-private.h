/*
 * What the files of the roster share: roster.c takes sightings and losses, roster-tuple.c
 * has the tuples, roster-entry.c says which machine a record is of, roster-addresses.c
 * at which addresses a machine is.
 */
#pragma once

#include "discovery/base/hash.h"
#include "roster.h"

enum { ANSWERS_MAX = 4 }; /* addresses of a machine that answered */

/* One of Avahi's tuples, or a direct one, and its resolved record.  A verified and an unverified
 * record of the same tuple are two of these. */
struct tuple {
    struct entry *entry;
    struct tuple *next; /* of the same machine */
    /* The newest first.  Only a direct or a verified tuple has several: an attacker
     * who replays a record under its name does not displace the earlier address. */
    struct address addresses[ROSTER_ADDRESSES_MAX];
    size_t n_addresses;
    bool direct;    /* SIGHTING_DIRECT */
    bool remote;    /* SIGHTING_DOMAIN */
    bool by_hand;   /* SIGHTING_BY_HAND */
    bool forgotten; /* the daemon that told it is gone */
    bool own_name;  /* the instance's name is the machine's own */
    bool chosen;    /* its own, or an alternative that a beacon takes */
    UT_hash_handle hh;
    size_t key_size;
    char key[]; /* see tuple_key */
};

/* An address that answered, and when. */
struct answer {
    struct address address;
    struct timespec at;
};

struct entry {
    struct machine machine;             /* first: listeners and callers get a pointer to it */
    struct answer answers[ANSWERS_MAX]; /* the newest first */
    bool probed;                        /* by a probe, the last time at `probed_at` */
    struct timespec probed_at;
    bool absent; /* its last probe failed, and nothing has come from itself since */
    size_t n_answers;
    struct tuple *tuples;
    size_t n_tuples, n_fresh; /* fresh: not forgotten */
    struct entry *next;       /* same id, another host key, or a clone */
    struct ident *ident;
};

/* All machines that claim one id: one, or several in doubt. */
struct ident {
    char id[ADVERT_ID_LENGTH + 1];
    struct entry *entries;
    UT_hash_handle hh;
};

struct roster {
    struct ident *idents;
    struct tuple *tuples;
    size_t count, n_untrusted;
    const struct machine **sorted;
    bool is_sorted;
    bool none_departed; /* all machines have a tuple: do not look for others in vain */
    bool expects_signatures;
    const struct known *known; /* NULL: none */
    struct network networks[ROSTER_NETWORKS_MAX];
    size_t n_networks;
    roster_listener *listener;
    void *listener_arg;
};

/* Tells the listener. */
void roster_notify(struct roster *r, const struct entry *e, enum roster_change change);

/* ---- roster-tuple.c ---- */

/* NULL: not known. */
struct tuple *tuple_find(const struct roster *r, const struct sighting_key *k, bool verified);

/* A new tuple of no machine yet, in the table.  -ENOMEM, -ENOSPC. */
int tuple_make(struct roster *r, const struct sighting *s, struct tuple **ret);

/* It must belong to no machine. */
void tuple_free(struct roster *r, struct tuple *t);

/* Gives it to a machine, as its newest; takes it away. */
void tuple_link(struct tuple *t, struct entry *e);
void tuple_unlink(struct tuple *t);

/* Drops the tuples that the previous daemon reported. */
void entry_drop_forgotten(struct roster *r, struct entry *e);

/* The record has its machine's own name ("dcop-" and the id). */
bool sighting_has_own_name(const struct sighting *s);

/* Has the machine a record of this instance on this interface, over any protocol? */
bool entry_has_instance(const struct entry *e, const struct sighting *s);

/* Has it a record of a domain (`remote`), or of the link that still counts? */
bool entry_has_record_of(const struct entry *e, bool remote);

/* Has it a record, and none but of the state? */
bool entry_is_by_hand(const struct entry *e);

/* Has it a record under a name that a beacon takes; under its own? */
bool entry_has_chosen_record(const struct entry *e);
bool entry_has_own_record(const struct entry *e);

/* ---- roster-entry.c ---- */

/* NULL: not known; `ident` may be NULL, too. */
struct ident *ident_find(const struct roster *r, const char *id);
struct entry *entry_find(const struct ident *ident, const char *hostkey, bool verified,
                         unsigned clone);

/* The verified one, if there are both. */
struct entry *entry_find_best(const struct roster *r, const struct machine_key *k);

/* Says anew which machines of the id are in doubt. */
void ident_mark_doubt(struct roster *r, struct ident *ident);

void entry_free(struct entry *e);

/* Only for entries without tuples. */
void entry_drop(struct roster *r, struct entry *e);

/* The machine of a sighting: a known one; or the machine without a host key
 * that this tuple belongs to; or a new one.  -ENOMEM, -ENOSPC. */
int entry_of_sighting(struct roster *r, const struct sighting *s, const struct tuple *t,
                      struct timespec now, struct entry **ret);

/* ---- roster-addresses.c ---- */

/* `a` NULL: the address is not known, which changes nothing. */
void entry_note_answer(struct entry *e, const struct address *a, struct timespec now);

/* The addresses of all tuples; the newest under the machine's own name are
 * always kept. 1 when they changed, 0, or -ENOMEM. */
int entry_merge_addresses(const struct roster *r, struct entry *e);

/* The sighting's addresses come first.  Earlier ones stay only where it is signed,
 * since the addresses are not: one record takes the place of one at most. */
void tuple_set_addresses(struct tuple *t, const struct sighting *s);
