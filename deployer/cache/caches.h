/*
 * The caches that packages come through: where an apt proxy and a Python index
 * are reached from this controller.
 *
 * Looked for in this order, each of the two by itself: what --apt-proxy and
 * --pip-index say; what the inventory says (controller_proxy_addr with
 * apt_cache_port and pip_cache_port); our own, which `dcop-deploy cache up`
 * started; a service of the system that listens where its own settings say.
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
    struct strings ports; /* "host:port" of our own's repositories that are not on port 80 */
};

void caches_clear(struct caches *c);
int caches_copy(const struct caches *from, struct caches *ret); /* -ENOMEM */

/* Finds the caches that exist; finding none is not an error.  Caches that the user named
 * are not checked for an answer; our own and the system's are.  -ENOMEM. */
int caches_find(const struct cache_choice *choice, const struct paths *p, struct caches *ret,
                struct error *err);

/* The index that pip asks on this controller: the cache's; "": none; NULL: that of
 * pip's own settings. */
const char *caches_index(const struct caches *c, const struct cache_choice *choice);

/* A repository that our own apt cache is to serve, beside those it has: its
 * settings are written anew and it reads them, if it runs, and answers again
 * when this returns.  "http://host/path" or https; what is known already is no
 * error and costs nothing.  -EINVAL for any other URI. */
int caches_add_repository(const struct paths *p, const char *uri, struct error *err);

/* The same for several at once, with one restart. */
int caches_add_repositories(const struct paths *p, const struct strings *uris, struct error *err);
