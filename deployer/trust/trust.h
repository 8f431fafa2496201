/*
 * Trust: may this host key be the machine that is meant?
 *
 * mDNS says where a machine might be, never who it is.  A pin is the host key
 * that the controller holds for an id; a key that differs from it is refused,
 * and so is one that was retired, until a person says otherwise.  Without a
 * pin, the key must be the one that was advertised, and either the advert's
 * signature or a person (also by --accept-new) must accept it.
 *
 * Pure; any thread.
 */
#pragma once

#include <stdbool.h>

#include "deployer/state/state.h"
#include "discovery/base/error.h"

struct trust {
    const char *id;                /* NULL: not known yet */
    const char *host;              /* for the words */
    const char *pin;               /* fingerprint held, NULL: none */
    enum pin_source source;        /* of the pin; without one, of the yes: PIN_ACCEPT for
                                      --accept-new, PIN_QUESTION when a person was asked */
    const char *expected;          /* fingerprint advertised, NULL: none */
    bool verified;                 /* the advert's signature holds */
    const struct state_pins *pins; /* of the id (state_pin_list); the retired ones are looked
                                      at; may be NULL */
    const char *agent, *held_by;   /* a name of its that another id held, and that id (its host
                                      too, as people call it); NULL: none */
    bool in_doubt;                 /* another machine claims the same id with another key */
    bool accept_new;               /* a yes was given for machines that have no pin */
    bool accept_held;              /* a person was asked, and said yes to `agent` moving here;
                                      --accept-new is not that */
};

/* 0 when `fingerprint` is acceptable, else -EKEYREJECTED and the words: both
 * fingerprints, and the command that accepts the new one. */
int trust_check(const struct trust *t, const char *fingerprint, struct error *err);

/* Where the pin comes from, or would once trust_check has said yes: a signature
 * counts where no person was asked. */
enum pin_source trust_source(const struct trust *t);

/* May a machine with such a pin be given passwords? */
bool trust_gets_passwords(enum pin_source source);
