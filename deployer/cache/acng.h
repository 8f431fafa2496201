/*
 * apt-cacher-ng as ours: its settings, and the repositories that it serves.
 *
 * It serves the repositories of its list and nothing else (no other host, no
 * CONNECT, no page to administer it), on loopback, and throws nothing away by
 * itself.  A repository is asked for by apt over http, under the host and path
 * that it has; the cache asks upstream as its URI says, be that https.
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

/* Where below `cache` (apt/cache) the file of that URI is, if it is kept; NULL: of none of the
 * repositories. */
char *acng_path_of(const char *cache, const struct strings *repositories, const char *uri);

/* The list, and it with more: those of this controller's own apt when `own`.
 * `ret_new`: how many were not there.  Not readable as a list: -EBADMSG. */
int acng_repositories_read(const struct paths *p, struct strings *ret, struct error *err);
int acng_repositories_write(const struct paths *p, const struct strings *list, struct error *err);

/* Adds a URI unless its host and path are there; https takes the place of
 * http.  1: it is new; -EINVAL: no such URI. */
int acng_repositories_add(struct strings *list, const char *uri, struct error *err);

/* The repositories of this controller's own apt. */
int acng_own_repositories(struct strings *ret, struct error *err);

/* The proxy that this controller's own apt uses; NULL: none. */
char *acng_own_proxy(uint16_t not_port);

/* Writes acng.conf from all that. */
int acng_configure(const struct paths *p, uint16_t port, bool offline, const struct strings *list,
                   struct error *err);

/* Does an apt-cacher-ng answer there? */
bool acng_answers(uint16_t port, unsigned timeout_ms);

/* Its program; NULL: not installed. */
const char *acng_program(void);
