/*
 * Trust decides whether a host key is accepted for the intended machine.
 *
 * mDNS says where a machine may be, but does not prove which machine it is.  A pin is
 * the host key that the controller has stored for an id; another key is refused, and
 * so is a retired one, until a person accepts it.  Without a pin, the key must be the
 * advertised one, if one was advertised, and the advert's signature or a person (also
 * by --accept-new) must accept it.
 *
 * Pure; any thread.
 */
#pragma once

#include <stdbool.h>

#include "deployer/state/state.h"
#include "discovery/base/error.h"

struct trust {
    const char *id;                  /* NULL: not known yet */
    const char *host;                /* for messages */
    const char *pin;                 /* the pinned fingerprint; NULL: none */
    enum pin_source source;          /* of the pin; without one, of the consent: PIN_ACCEPT for
                                        --accept-new, PIN_QUESTION when a person was asked */
    const char *expected;            /* the advertised fingerprint; NULL: none */
    bool verified;                   /* the advert's signature is valid */
    const struct state_pins *pins;   /* of the id (state_pin_list), for the retired ones; may be
                                        NULL */
    const char *agent, *held_by;     /* one of its names that belongs to another id, and that id
                                        (with its host, for people); NULL: none */
    bool written;                    /* a person has written its names, in an inventory */
    bool in_doubt;                   /* another machine advertises the same id with another key */
    bool cloned;                     /* or with the same key: its fingerprint tells neither apart */
    bool accept_new;                 /* machines without a pin are accepted */
    bool accept_held;                /* a person was asked and has accepted that `agent` moves to
                                        this machine; --accept-new does not suffice */
    const struct strings *confirmed; /* keys that known_hosts has for the very name that a person
                                        gave; NULL: none */
    const char *listed;              /* where its ed25519 key is in known_hosts; NULL: nowhere */
    const struct strings *revoked;   /* as of known_hosts_revoked; NULL: none */
};

/* Whether known_hosts has that key for the name that a person gave.  It stands for the question,
 * in this run; the pin that is made of it counts as unseen: by its id the machine may be found
 * under any name later. */
bool trust_is_confirmed(const struct trust *t, const char *fingerprint);

/* "FILE:LINE" that revokes the key, in a list as of known_hosts_revoked (NULL: empty); NULL: it is
 * not revoked. */
const char *trust_find_revoked(const struct strings *revoked, const char *fingerprint);

/* 0 when `fingerprint` is accepted, else -EKEYREJECTED with a message that has both
 * fingerprints and the command that accepts the new one. */
int trust_check(const struct trust *t, const char *fingerprint, struct error *err);

/* The source of the pin, or of the pin that is made after trust_check has accepted the key: a
 * signature, if no person was asked. */
enum pin_source trust_source(const struct trust *t);

/* May a machine with such a pin be given passwords? */
bool trust_gets_passwords(enum pin_source source);
