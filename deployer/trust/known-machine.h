/*
 * What the controller knows of a machine before it meets it, from the state
 * database, as trust wants it; and what it learns by meeting it.
 *
 * A value that owns what it points to; made by the program's thread, moved into
 * a worker.
 */
#pragma once

#include "deployer/state/state.h"
#include "deployer/target/target.h"
#include "discovery/base/error.h"
#include "trust.h"

/* What a person has said of machines that are new here. */
struct consent {
    bool given; /* yes: by --accept-new, or asked */
    bool asked; /* with the fingerprints before their eyes */
};

struct known_machine {
    struct state_pins pins; /* of its id, the active one first */
    char *agent, *held_by;  /* a name of its that another id held, and that id; NULL: none */
    bool verified;          /* its record's signature holds, and the record is not an old one */
    struct consent consent;
};

void known_machine_clear(struct known_machine *k);

/* What the database has of a target.  One without an id is known by its host
 * key (hostkey, as a scan has found it), which stands for the id in the tables
 * of machines, pins and names: no id has the form "SHA256:…". */
int known_machine_get(struct state *s, const struct target *t, struct consent consent,
                      struct known_machine *ret, struct error *err);

/* The active pin's fingerprint; NULL: none. */
const char *known_machine_pin(const struct known_machine *k);

/* state_pins_shared_keys among some machines, by target_key: a sentence a line for each key
 * that several of them are pinned to. */
int known_machine_shared_keys(struct state *s, const struct strings *machines, struct text *ret,
                              struct error *err);

/* As trust_check wants it; borrows from both. */
struct trust known_machine_trust(const struct known_machine *k, const struct target *t);

/* The machine with this host key has said over SSH that it is the one that was
 * meant: pins it if it has no pin, and remembers where it was, its names and
 * its record's seq. */
int known_machine_learn(struct state *s, const struct target *t, const struct known_machine *k,
                        const char *fingerprint, struct error *err);
