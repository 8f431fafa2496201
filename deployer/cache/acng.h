/*
 * Our own apt-cacher-ng: its settings, and the repositories that it serves.
 *
 * It serves the repositories of its list and nothing else (no other host, no
 * CONNECT, no page to administer it), on loopback, and removes no file by itself.
 * A repository is its whole URI, the scheme included: one that is requested over http
 * is fetched over http, and one of https is requested as apt_uri_for_cache says.  Only
 * this controller's own sources and what a person has allowed are on the list.
 *
 * Values; any thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "deployer/base/paths.h"
#include "discovery/base/error.h"
#include "discovery/base/text.h"

enum { CACHE_REPOSITORIES_MAX = 256, CACHE_URI_MAX = 1024 };

struct acng_settings {
    const char *folder; /* <state>/caches/apt */
    uint16_t port;
    bool offline;
    const char *proxy;                  /* upstream; NULL: none */
    const struct strings *repositories; /* URIs */
};

/* The text of acng.conf.  -ENOMEM. */
int acng_settings_text(const struct acng_settings *s, struct text *ret);

/* The folder below apt/cache where a repository's files are. */
char *acng_folder_of(const char *uri);

/* The path below `cache` (apt/cache) at which the file of that URI is, if it is cached.  The
 * caller frees it.  NULL: the URI belongs to none of the repositories. */
char *acng_path_of(const char *cache, const struct strings *repositories, const char *uri);

/* The list of repositories, a URI a line; reading adds to `ret`, nothing when there is no
 * list yet.  -EBADMSG: the list is damaged. */
int acng_repositories_read(const struct paths *p, struct strings *ret, struct error *err);
int acng_repositories_write(const struct paths *p, const struct strings *list, struct error *err);

/* Adds a URI unless the list has it.  1: the list has changed; 0: it has not; -EINVAL: not a
 * valid URI; -EFBIG: the list is full. */
int acng_repositories_add(struct strings *list, const char *uri, struct error *err);

/* Removes a URI.  1: the list has changed; 0: it does not have it. */
int acng_repositories_remove(struct strings *list, const char *uri);

/* The repositories of this controller's own apt. */
int acng_own_repositories(struct strings *ret, struct error *err);

/* The proxy that this controller's own apt uses; the caller frees it.  NULL: none, or a proxy
 * on port `not_port` of loopback, which is our own cache. */
char *acng_own_proxy(uint16_t not_port);

/* Writes acng.conf. */
int acng_configure(const struct paths *p, uint16_t port, bool offline, const struct strings *list,
                   struct error *err);

/* Does an apt-cacher-ng answer there? */
bool acng_answers(uint16_t port, unsigned timeout_ms);

/* The path of apt-cacher-ng; NULL: not installed. */
const char *acng_program(void);
