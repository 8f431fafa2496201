/*
 * Our caches' processes: started, ended, told to read their settings again.
 * The caller holds cache_busy.
 */
#pragma once

#include "deployer/base/paths.h"
#include "discovery/base/error.h"
#include "store.h"

/* Leaves the supervisor behind and waits until both caches answer.  -EIO with
 * what they said when they do not: nothing is left behind then. */
int cache_start(const struct paths *p, const struct cache_settings *s, struct error *err);

/* Ends what runs, and awaits its end.  0 too when nothing ran. */
int cache_stop(const struct paths *p, struct error *err);

/* apt-cacher-ng reads its settings again, and answers when this returns. */
int cache_reread(const struct paths *p, const struct cache_settings *s, struct error *err);
