/*
 * `cache prime`: fetches all that a deploy needs into the caches.
 */
#pragma once

#include "deployer/program.h"

int cache_prime(struct program *p, struct error *err);
