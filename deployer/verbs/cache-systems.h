/*
 * The systems of the selected machines, read over SSH: mode `sources` of
 * the machine's side, with the trust of every other action.
 */
#pragma once

#include "deployer/apt/systems.h"
#include "deployer/cli/program.h"

/* The program's targets, as they are found, trusted and asked by every verb: those of -p,
 * -i or -l, and without any of them every machine that is there.  1: the answer is no. */
int cache_systems_ask(struct program *p, struct apt_systems *ret, struct error *err);
