/*
 * Our own caches as they run now, and where they are reached.
 */
#pragma once

#include <stdbool.h>

#include "store.h"

/* What runs now. */
struct cache_running {
    struct cache_settings settings;
    bool running;  /* the supervisor is there */
    bool apt, pip; /* and this one answers */
};

/* -EBADMSG: what is remembered is damaged; `ret` then says what there is. */
int cache_look(const struct paths *p, struct cache_running *ret, struct error *err);

/* The addresses, as in struct caches; NULL without memory. */
char *cache_apt_url(const struct cache_settings *s);
char *cache_pip_url(const struct cache_settings *s);
