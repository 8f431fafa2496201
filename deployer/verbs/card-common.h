/*
 * What all cards of one call have in common: what was asked for, and what is read once.
 */
#pragma once

#include "deployer/base/content.h"
#include "deployer/base/secret.h"
#include "deployer/cli/program.h"
#include "discovery/base/key.h"

/* A value: start with {0}, card_common_clear. */
struct card_common {
    struct strings keys;
    struct content beacons;
    struct text setup;
    struct key fleet_key;
    bool has_fleet_key;
    struct secret *wifi;
    char *password; /* hashed */
    char country[3];
    const char *device; /* the card that is worked on, if we have mounted it */
};

/* Reads keys, beacons, setup.sh and the fleet key; asks for the wireless network's password. */
int card_common_read(struct program *p, struct card_common *c, struct error *err);
void card_common_clear(struct card_common *c);

/* What to call the card in messages: its device, else the folder. */
const char *card_common_place(const struct card_common *c, const char *folder);

/* Whether it is for a machine that has no card. */
bool card_common_is_seed(const struct deploy_options *o);
