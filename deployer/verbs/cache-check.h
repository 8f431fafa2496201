/*
 * `cache check`: would a deploy succeed from the caches alone, without the
 * internet?  Proved, not estimated: the requests that the machines will make,
 * with the answers compared, against our own cache with its network cut.
 */
#pragma once

#include "deployer/cli/program.h"

/* 0: yes; 1: no, and what is missing was told. */
int cache_check(struct program *p, struct error *err);

/* The same question for `cache status`, for the systems of the last `cache prime`, without
 * asking the machines: what is missing, in words, one a line; none: a deploy
 * would succeed offline now. */
int cache_completeness(struct program *p, struct strings *ret_missing, struct error *err);
