/*
 * `cache prime`: fetches all that a deploy needs into the caches, for the systems
 * of the machines or those named, without needing a machine of that kind.
 * Safe to interrupt and to repeat: what is cached is not fetched again.
 */
#pragma once

#include "deployer/cli/program.h"

/* 0: all of it is cached; 1: some could not be fetched, which was told. */
int cache_prime(struct program *p, struct error *err);
