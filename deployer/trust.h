/*
 * Trust: may this host key be the machine that is meant?
 *
 * mDNS says where a machine might be, never who it is.  A pin is the host key
 * that the controller holds for an id; a key that differs from it is refused.
 * Without a pin, the key must be the one that a person (or --accept-new) said
 * yes to, which is the one that was advertised.
 *
 * Pure; any thread.
 */
#pragma once

#include <stdbool.h>

#include "discovery/base/error.h"

struct trust {
    const char *id;       /* NULL: not known yet */
    const char *host;     /* for the words */
    const char *pin;      /* fingerprint held, NULL: none */
    const char *expected; /* fingerprint advertised, NULL: none */
    bool accept_new;      /* a yes was given for machines that have no pin */
};

/* 0 when `fingerprint` is acceptable, else -EKEYREJECTED and the words: both
 * fingerprints, and the command that accepts the new one. */
int trust_check(const struct trust *t, const char *fingerprint, struct error *err);
