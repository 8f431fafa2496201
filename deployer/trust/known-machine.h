/*
 * A known machine: what the state database says about a machine before it is contacted,
 * for trust_check; and what is stored after the contact.
 *
 * A value that owns what it points to; made by the program's thread, moved into
 * a worker.
 */
#pragma once

#include "deployer/state/state.h"
#include "deployer/target/target.h"
#include "discovery/base/error.h"
#include "trust.h"

/* A person's consent to machines that are new here. */
struct consent {
    bool given; /* by --accept-new, or as the answer to a question */
    bool asked; /* it was a question that showed the fingerprints */
};

struct known_machine {
    struct state_pins pins; /* of its id, the active one first */
    char *agent, *held_by;  /* one of its names that belongs to another id, and that id; NULL:
                               none */
    bool verified;          /* its record's signature is valid, and the record is not an old one */
    struct consent consent;
};

void known_machine_clear(struct known_machine *k);

/* Reads what the database has about a target.  A target without an id is identified by its
 * host key (`hostkey`, as a scan has found it), which takes the place of the id in the
 * tables of machines, pins and names: no id has the form "SHA256:…". */
int known_machine_get(struct state *s, const struct target *t, struct consent consent,
                      struct known_machine *ret, struct error *err);

/* The active pin's fingerprint; NULL: none. */
const char *known_machine_pin(const struct known_machine *k);

/* state_pins_shared_keys for some machines, which are given by target_key: adds a sentence, on
 * a line, for each key that several of them are pinned to. */
int known_machine_shared_keys(struct state *s, const struct strings *machines, struct text *ret,
                              struct error *err);

/* The argument for trust_check; borrows from both. */
struct trust known_machine_trust(const struct known_machine *k, const struct target *t);

/* Called when the machine with this host key has confirmed over SSH that it is the intended
 * one: pins the key if there is no pin, and stores its address, its names and its record's
 * seq. */
int known_machine_learn(struct state *s, const struct target *t, const struct known_machine *k,
                        const char *fingerprint, struct error *err);
