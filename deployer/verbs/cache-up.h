/*
 * `cache up` and `cache down`: starts our caches and ends them.
 */
#pragma once

#include "deployer/cli/program.h"

int cache_up(struct program *p, struct error *err);
int cache_down(struct program *p, struct error *err);
