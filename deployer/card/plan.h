/*
 * What a card is to hold, from what is asked for: a pure function, so that tests compare
 * whole files.
 *
 * The machine is set up by one program, setup.sh, whatever the format; the format decides
 * only who calls it: systemd (kernel's command line), cloud-init (runcmd) or rpi-preseed.
 * cloud-init makes the user, too, as it would otherwise make its own.
 */
#pragma once

#include "deployer/base/content.h"
#include "discovery/base/key.h"
#include "look.h"

enum {
    CARD_HOSTNAME_MAX = 63, /* RFC 1035 §2.3.4 */
    CARD_SSID_MAX = 32,     /* IEEE 802.11 §9.4.2.2 */
    CARD_ID_LENGTH = 16,
};

struct card_wish {
    const char *agent;           /* NULL: none yet */
    const char *fleet;           /* NULL: none said */
    const char *user;            /* who is made, with the keys */
    const char *hostname;        /* NULL: each machine makes one of its id */
    const char *password;        /* as crypt(5); NULL: none, keys only */
    bool sudo_asks;              /* sudo wants the password */
    const struct strings *keys;  /* lines of authorized_keys */
    const char *ssid;            /* NULL: no wireless network */
    const char *passphrase;      /* NULL: an open one */
    const char *country;         /* ISO 3166-1, of the wireless network */
    const struct key *fleet_key; /* NULL: none */
    const char *id;              /* of this preparation: CARD_ID_LENGTH hex digits */
    const char *setup;           /* setup.sh */
    size_t setup_size;
    const struct content *beacons; /* ARCHITECTURE/FILE */
};

/* -EINVAL with words: what would not survive the way through lines and quotes. */
int card_wish_check(const struct card_wish *w, struct error *err);

/* A host name for an agent: small letters, digits and hyphens.  `ret` has
 * CARD_HOSTNAME_MAX + 1 bytes; false: nothing is left of the name. */
bool card_hostname(const char *agent, char *ret);

/* -EINVAL, with words: two of the agents get the same host name. */
int card_hostnames_check(const struct strings *agents, struct error *err);

/* As content_clear; overwrites the bytes first. */
void card_plan_clear(struct content *plan);

/* The files, in the order in which they are written: what starts it all is last.  They hold
 * secrets, if the wish does. */
int card_plan(const struct card_look *look, const struct card_wish *w, struct content *ret,
              struct error *err);

/* The user-data of a virtual machine's seed, which has all files within itself; of the wish's
 * secrets the password's hash and that of the wireless network, not the fleet key. */
int card_plan_seed(const struct card_wish *w, struct content *ret, struct error *err);

/* A fragment of a preseed file for Debian's installer, and the archive that it unpacks; likewise
 * without the fleet key. */
int card_plan_preseed(const struct card_wish *w, struct content *ret, struct error *err);
