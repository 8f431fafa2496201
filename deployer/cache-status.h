/*
 * `cache status`: do the caches run, where, and what is in them.
 */
#pragma once

#include "deployer/program.h"

int cache_status(struct program *p, struct error *err);
