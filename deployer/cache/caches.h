/*
 * The caches that packages come through: where an apt proxy and a Python index
 * are reached from this controller.
 *
 * Each of the two is looked for in this order: --apt-proxy or --pip-index; the
 * inventory (controller_proxy_addr with apt_cache_port or pip_cache_port); our own
 * cache, which `dcop-deploy cache up` started; a service of the system, on the port
 * of its own settings.
 *
 * Values; any thread.
 */
#pragma once

#include <stdbool.h>

#include "choice.h"
#include "deployer/base/paths.h"
#include "discovery/base/error.h"
#include "discovery/base/text.h"

struct caches {
    char *apt_proxy;      /* "http://host:port", NULL: none */
    char *pip_index;      /* "http://host:port/root/pypi/+simple/", NULL: none */
    struct strings ports; /* "host:port" of our own cache's repositories that are not on port 80 */
};

void caches_clear(struct caches *c);
int caches_copy(const struct caches *from, struct caches *ret); /* -ENOMEM */

/* Finds the caches that exist; finding none is not an error.  Caches that the user named
 * are not checked for an answer; our own and the system's are.  -ENOMEM. */
int caches_find(const struct cache_choice *choice, const struct paths *p, struct caches *ret,
                struct error *err);

/* The index that pip on this controller uses: the cache's; "": none; NULL: that of pip's own
 * configuration.  Borrowed from `c`. */
const char *caches_index(const struct caches *c, const struct cache_choice *choice);

/* Adds a repository to those that our own apt cache serves.  If the cache runs, it is
 * restarted with its new settings, and answers again when this returns; a repository that
 * it serves already costs nothing and is no error.  "http://host/path" or https; -EINVAL
 * for any other URI. */
int caches_add_repository(const struct paths *p, const char *uri, struct error *err);

/* The same for several at once, with one restart. */
int caches_add_repositories(const struct paths *p, const struct strings *uris, struct error *err);
