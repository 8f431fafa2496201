/*
 * The beacons that a card brings: packages of Debian's releases
 * (debian-12/dcop-beacon_VERSION_ARCHITECTURE.deb), or a program and its units
 * (ARCHITECTURE/dcop-beacon).
 */
#pragma once

#include "deployer/base/content.h"

/* Appends "amd64 (Debian 12, 13), arm64" for the files below share/dcop/beacon, in their order;
 * the architecture alone where one is for all releases.  0, -ENOENT: there is no beacon among
 * them, -ENOMEM. */
int card_beacons_add(const struct content *files, struct text *ret);
