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
#include "deployer/apt/root.h"
#include "deployer/base/paths.h"
#include "discovery/base/error.h"
#include "discovery/base/text.h"

struct caches {
    char *apt_proxy;      /* "http://host:port", NULL: none */
    bool own_apt;         /* it is our own cache */
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

/* Adds repositories, which a person has allowed, to those that our own apt cache serves and
 * that apt on this controller fetches from for machines.  If the cache runs, it is restarted
 * with its new settings, and answers again when this returns; a repository that it serves
 * already costs nothing and is no error.  "http://host/path" or https; -EINVAL for any other
 * URI, and for a host that is this computer's loopback.  1: the list has changed. */
int caches_add_repositories(const struct paths *p, const struct strings *uris, struct error *err);

/* Could the cache serve it?  -EINVAL, with words, as above. */
int caches_check_repository(const char *uri, struct error *err);

/* Removes repositories; what is cached of them stays.  Those that were on the list are added to
 * `ret_forgotten`. */
int caches_forget_repositories(const struct paths *p, const struct strings *uris,
                               struct strings *ret_forgotten, struct error *err);

/* The repositories of this controller's own apt, and those that a person has allowed: adds to
 * `ret`.  A machine's other sources are not fetched from.  -EBADMSG: the list is damaged. */
int caches_allowed(const struct paths *p, struct strings *ret, struct error *err);

/* How apt_way asks for https sources through these caches. */
enum apt_https caches_https(const struct caches *c);
