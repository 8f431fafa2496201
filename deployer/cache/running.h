/*
 * The state of our own caches now, and their URLs.
 */
#pragma once

#include <stdbool.h>

#include "store.h"

struct cache_running {
    struct cache_settings settings;
    bool running;  /* the supervisor runs */
    bool apt, pip; /* and this cache answers */
};

/* -EBADMSG: the stored settings are damaged; `ret` then has the default ones, and whether the
 * supervisor runs.  0 also when nothing is stored yet. */
int cache_look(const struct paths *p, struct cache_running *ret, struct error *err);

/* The URLs, as in struct caches.  The caller frees them.  NULL without memory. */
char *cache_apt_url(const struct cache_settings *s);
char *cache_pip_url(const struct cache_settings *s);
