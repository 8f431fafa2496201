/*
 * Starts and ends the processes of our caches, and makes them read their settings again.
 * The caller holds the lock of cache_busy.
 */
#pragma once

#include "deployer/base/paths.h"
#include "discovery/base/error.h"
#include "store.h"

/* Which of the caches: those that are wanted, those that answer. */
struct cache_pair {
    bool apt, pip;
};

/* Starts the supervisor in the background and waits until the caches answer that are in
 * `pair`, and leaves those there that do.  One that does not is no reason to end the other:
 * 0, and `err` says why it does not answer.  Without any, the supervisor is ended again:
 * -EIO, with the last lines of the log. */
int cache_start(const struct paths *p, const struct cache_settings *s, struct cache_pair *pair,
                struct error *err);

/* Ends the caches and waits for their end.  0 also when none ran; -EBUSY: they do not
 * end. */
int cache_stop(const struct paths *p, struct error *err);

/* Makes apt-cacher-ng read its settings again; it answers when this returns.  -ESRCH: the
 * caches have ended; -ETIMEDOUT. */
int cache_reread(const struct paths *p, const struct cache_settings *s, struct error *err);
