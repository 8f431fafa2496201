/*
 * `cache status`: do the caches run, where, what is in them, and would a
 * deploy succeed from them alone.
 */
#pragma once

#include "cache-up.h"
#include "deployer/cache/contents.h"
#include "deployer/cache/running.h"
#include "deployer/cli/program.h"

/* What is told; `report` apart from the printing, for tests. */
struct cache_report {
    struct cache_running running;
    struct cache_content content;
    struct strings repositories;
    struct strings missing; /* for a deploy without the internet */
    bool asked;             /* `missing` is an answer */
    char *unknown;          /* why `missing` is not an answer; or NULL */
    time_t now;
};

void cache_report_clear(struct cache_report *r);
int cache_report_text(const struct cache_report *r, struct text *ret);
int cache_report_json(const struct cache_report *r, struct text *ret);

/* 0; 1 when they do not run, or something is missing. */
int cache_status(struct program *p, struct error *err);
