/*
 * What the machines said of themselves during an action, machine by machine,
 * for verbs that make a table of it.  Values are the machines' own: hostile to
 * a terminal until escaped (struct table does that).
 */
#pragma once

#include "act.h"
#include "deployer/target/target.h"

struct machine_facts {
    char *id, *host, *agents; /* who it is, from the target; id and host may be NULL */
    char *hostkey;            /* the fingerprint of its host key, once accepted */
    bool ended;
    enum job_outcome outcome; /* once it has ended */
    char *why;                /* likewise: why the outcome is not a good one; or NULL */
    struct strings keys, values;
    struct text diff; /* what --diff shows of it */
};

/* A value: facts_init, facts_clear. */
struct facts {
    struct machine_facts *machines; /* in the order of the targets */
    size_t count;
};

int facts_init(struct facts *f, const struct targets *targets); /* -ENOMEM */
void facts_clear(struct facts *f);

/* `arg` is the struct facts. */
action_listener facts_hear;

/* The last value of that key; NULL when the machine has not sent it. */
const char *facts_get(const struct machine_facts *m, const char *key);

/* The same as a whole number; false when it is none. */
bool facts_get_number(const struct machine_facts *m, const char *key, long long *ret);

/* All values of that key, with blanks between. */
int facts_join(const struct machine_facts *m, const char *key, struct text *ret);
