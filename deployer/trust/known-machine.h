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
    bool asked; /* it was a question that showed the fingerprints of some (target.shown) */
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

/* Is it the pin of an id, and not of a machine that is known by its host key alone? */
bool known_machine_pin_has_id(const struct state_pin *pin);

/* The machine with this host key, by all pins there are (state_pin_list).  NULL: none, or several
 * with an id (clones).  Pure. */
const struct state_pin *known_machine_by_key(const struct state_pins *all, const char *fingerprint);

/* What a machine showed and said over SSH. */
struct known_machine_met {
    const char *fingerprint;    /* of its host key */
    const struct address *peer; /* where it answered; NULL: not known */
    const char *hostname;       /* that it said; NULL: none */
    const char *agents_address; /* likewise, where others reach its agents */
};

/* Called when the machine has confirmed over SSH that it is the intended one, and that it
 * has the names that were meant: pins the key if there is no pin, and stores where it
 * answered, its names and its record's seq.  Its host name is the machine's own where the
 * target has it from a record.  A name that another pinned machine holds stays with that one,
 * unless a person gave it (`named`, `given`), or has said yes to a question that showed whose it
 * was. */
int known_machine_learn(struct state *s, const struct target *t, const struct known_machine *k,
                        const struct known_machine_met *met, struct error *err);
