/*
 * Taking a fleet key from the boot partition: a card that was prepared with
 * dcop-fleet.key beside dcop-agent.conf gives its machine the machine's key, and
 * the fleet key is erased from it.  As root, before the beacon starts.
 *
 * The machine's key is on the disk before anything is erased: power may fail at
 * any point, and the next start continues from there.
 */
#pragma once

#include "discovery/base/error.h"

#define TAKE_KEY_MACHINE_FILE "/etc/dcop/key"

/* Where fleet keys are looked for; NULL ends the list. */
extern const char *const take_key_fleet_files[];

/* 1: a key was taken; 0: there is none; else what went wrong.  When erasing
 * fails, the machine's key exists nevertheless.  `root` is put in front of the
 * paths. */
int take_key(const char *root, const char *state_folder, struct error *err);
