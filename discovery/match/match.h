/*
 * A match is the roster compared with a problem: which of its agents have a
 * machine, and why the others have none.
 *
 * Everything in it is borrowed: agent names from the problem and the machines'
 * adverts, machines from the caller's array.  It is valid while neither
 * changes; the arrays and the warnings are its own (match_clear).
 *
 * Pure: no network, no clock; one thread at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "discovery/base/text.h"
#include "discovery/problem/problem.h"
#include "discovery/roster/roster.h"

/* One agent and the machine that has its name. */
struct match_pair {
    const char *agent;
    const struct machine *machine;
};

/* One agent name on several machines. */
struct match_duplicate {
    const char *agent;
    const struct machine **machines; /* owned array, two or more */
    size_t count;
};

/* One agent name that a machine says, though it is another one's. */
struct match_claim {
    const char *agent;
    const struct machine *machine, *holder;
};

/* Two machines with one IPv4 address. */
struct match_shared {
    const struct machine *first, *second;
};

/* A name that is not in the problem. */
struct match_unexpected {
    const char *agent;
    const struct machine *machine;
    const char *suggestion; /* an agent that no machine has; NULL: none is near */
};

/* Agents of the problem are in the problem's order, each in one of the first
 * four; the rest is in the order of the machines.  Machines that are offline
 * are in `offline` only. */
struct match {
    const struct problem *problem;
    struct match_pair *matched; /* one machine that is online has it */
    size_t n_matched;
    struct match_duplicate *duplicates; /* several that are online have it */
    size_t n_duplicates;
    struct match_claim *claims; /* of matched names, by machines that are online */
    size_t n_claims;
    struct match_pair *offline; /* all its machines are offline: the first of them */
    size_t n_offline;
    const char **missing; /* no machine has it */
    size_t n_missing;
    struct match_unexpected *unexpected;
    size_t n_unexpected;
    const struct machine **unassigned; /* with a beacon, online, without a name */
    size_t n_unassigned;
    const struct machine **unverified; /* online, untrusted: in none of the others */
    size_t n_unverified;
    size_t n_without_ipv4;       /* matched, but pyDCOP cannot reach their machines */
    struct match_shared *shared; /* matched machines with the same best IPv4 address */
    size_t n_shared;
    struct strings warnings; /* sentences, for people; not escaped for a terminal */
};

#define MATCH_INIT ((struct match){0})

/* Who of several machines with one name is its holder, as far as the caller knows: asked for
 * machines that are online, of names that several of them say. */
struct match_holders {
    bool (*holds)(const struct machine *m, const char *agent, void *arg);
    void *arg;
};

/* Compares, in time proportional to machines and names, so that it can be
 * asked anew whenever the roster changes.  No suggestions and no warnings yet.
 * With `holders` (NULL: nobody knows), a name that has exactly one holder is matched, and
 * the others only claim it; without, it is a duplicate.
 * `ret` is written on success only.  -ENOMEM. */
int match_make(const struct machine *const *machines, size_t n_machines,
               const struct problem *problem, const struct match_holders *holders,
               struct match *ret);

/* Fills in what only a person reads: the suggestions, each missing or offline
 * agent to one unexpected name at most, the nearest first, and the warnings.
 * Bounded work however many names there are: past MATCH_COMPARED_MAX pairs of
 * names, the later ones get no suggestion.  -ENOMEM. */
enum { MATCH_COMPARED_MAX = 1000000 };
int match_explain(struct match *m, const struct machine *const *machines, size_t n_machines);

/* Is the answer yes?  Missing, duplicate, offline and a machine without an IPv4
 * address make it no; when strict, unexpected, unassigned, claims and shared addresses
 * do too. */
bool match_ok(const struct match *m, bool strict);

void match_clear(struct match *m);
