/*
 * `cache allow` and `cache forget`, and the question of `cache prime`: which package sources
 * this controller fetches from for machines, beside its own.
 */
#pragma once

#include "deployer/apt/systems.h"
#include "deployer/cli/program.h"

int cache_allow(struct program *p, struct error *err);
int cache_forget(struct program *p, struct error *err);

/* Shows the sources of machines that nobody has allowed yet, and asks once for all.  Where
 * nobody can be asked, or the answer is no, they are left out.  `ret_allowed` gets those that are
 * allowed then. */
int cache_sources_ask(struct program *p, const struct apt_systems *systems,
                      struct strings *ret_allowed, struct error *err);
