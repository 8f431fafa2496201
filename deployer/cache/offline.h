/*
 * Our own apt cache without network access: a second apt-cacher-ng on the same files,
 * which serves only what is cached (Offlinemode).  The one that serves the machines
 * keeps running meanwhile.
 */
#pragma once

#include "discovery/base/cleanup.h"
#include "discovery/base/error.h"

struct cache_offline;

/* `conf`: the folder with the settings of our own cache; `work`: a folder for logs and a
 * socket, created and removed again.  Returns when it answers.
 * -ENOPKG: there is no apt-cacher-ng; -EAGAIN: it ended, each time; -ETIMEDOUT: it did not
 * answer; the last two with its output. */
int cache_offline_start(const char *conf, const char *work, struct cache_offline **ret,
                        struct error *err);
void cache_offline_free(struct cache_offline *o);
DEFINE_CLEANUP(struct cache_offline *, cache_offline_free);

/* "http://127.0.0.1:PORT" */
const char *cache_offline_url(const struct cache_offline *o);
