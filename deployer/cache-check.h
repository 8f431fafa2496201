/*
 * `cache check`: would a deploy succeed from the caches alone, without the
 * internet?
 */
#pragma once

#include "deployer/program.h"

/* Proves it by a dry resolve.  0: yes; 1: no, and what is missing was told. */
int cache_check(struct program *p, struct error *err);

/* The same question for `cache status`, answered from what is cached: what is
 * missing, in words, one a line; none: a deploy would succeed offline now. */
int cache_completeness(struct program *p, struct strings *ret_missing, struct error *err);
