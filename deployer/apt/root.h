/*
 * A folder in which this controller's own apt works for another system: with that
 * system's sources, keys, architecture and installed packages.  Of the controller's
 * own configuration, only the network settings apply.  It needs no privilege and
 * installs nothing.
 *
 * Below BASE: SUITE-ARCH for a system that was named, m-DIGEST for machines; machines
 * with the same sources, keys and architectures share one.  One process at a time has
 * a root open; another waits for it.  An older apt works for a newer system.
 */
#pragma once

#include "discovery/base/process.h"
#include "system.h"

/* How its apt reaches the mirrors. */
struct apt_way {
    const char *proxy; /* "http://127.0.0.1:3142"; NULL: as this controller's own apt does */
    bool plain;        /* https sources are requested as http; the cache uses https upstream */
    bool stale;        /* accepts lists that are expired or not valid yet */
    int cancel_fd;     /* readable: end it; -1: none */
};

enum { APT_UPDATE_MS = 10 * 60 * 1000, APT_ASK_MS = 2 * 60 * 1000 };

/* A value: start with {.lock = -1}, apt_root_clear. */
struct apt_root {
    char *folder, *config; /* its own configuration file */
    struct apt_way way;
    int lock;
    struct strings passed_over; /* messages: sources that are not used, as a key is missing */
};

void apt_root_clear(struct apt_root *root);

/* The name of the folder; systems with the same name share package lists.  The caller
 * frees *ret.  -ENOMEM. */
int apt_root_name(const struct apt_system *s, char **ret);

/* Creates or updates the folder, and locks it.  `fresh`: without the lists that it had.
 * -EINVAL: a path that apt cannot read; -ENOENT: no source is left; or an error of the
 * file system. */
int apt_root_open(const char *base, const struct apt_system *s, const struct apt_way *way,
                  bool fresh, struct apt_root *ret, struct error *err);

/* Another machine's installed packages and preferences, in the same root. */
int apt_root_set(struct apt_root *root, const struct apt_system *s, struct error *err);

/* Runs one of apt's programs with this configuration.  -ENOPKG: it is not installed. */
int apt_root_run(const struct apt_root *root, const char *const *argv, unsigned timeout_ms,
                 struct process_result *ret, struct error *err);

/* Downloads the package lists (apt-get update); `anew`: a cache on the way must ask its
 * origin again.  A source that cannot be read is added to `warnings` and is not a failure:
 * apt continues without it.  -ENETUNREACH: there is no list at all. */
int apt_root_update(const struct apt_root *root, bool anew, struct strings *warnings,
                    struct error *err);
