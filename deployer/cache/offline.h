/*
 * Our own apt cache with its network cut: a second apt-cacher-ng on the same
 * files, which gives what is there and asks nobody, for as long as a check
 * takes.  The one that serves the machines goes on meanwhile.
 */
#pragma once

#include "discovery/base/cleanup.h"
#include "discovery/base/error.h"

struct cache_offline;

/* `conf`: the folder with the settings of the one that serves; `work`: a folder for logs and
 * a socket, made and removed again.  Returns once it answers.
 * -ENOPKG: there is no apt-cacher-ng; -ETIMEDOUT: it did not answer, with its words. */
int cache_offline_start(const char *conf, const char *work, struct cache_offline **ret,
                        struct error *err);
void cache_offline_free(struct cache_offline *o);
DEFINE_CLEANUP(struct cache_offline *, cache_offline_free);

/* "http://127.0.0.1:PORT" */
const char *cache_offline_url(const struct cache_offline *o);
