/*
 * What the machines said of themselves during an action, machine by machine,
 * for verbs that make a table of it.  Values are the machines' own: hostile to
 * a terminal until escaped (struct table does that).
 */
#pragma once

#include "deployer/target/target.h"

struct machine_facts {
    char *id, *host, *agents; /* who it is, from the target; id and host may be NULL */
    struct strings keys, values;
};

/* A value: facts_init, facts_clear. */
struct facts {
    struct machine_facts *machines; /* in the order of the targets */
    size_t count;
};

int facts_init(struct facts *f, const struct targets *targets); /* -ENOMEM */
void facts_clear(struct facts *f);

/* A deployment_listener; `arg` is the struct facts. */
void facts_hear(size_t machine, const char *key, const char *value, void *arg);

/* The last value of that key, NULL when it was not said. */
const char *fact_of(const struct machine_facts *m, const char *key);

/* All values of that key, with blanks between. */
int facts_join(const struct machine_facts *m, const char *key, struct text *ret);
