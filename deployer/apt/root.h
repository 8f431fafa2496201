/*
 * A folder in which this controller's own apt works for another system: its
 * sources, keys, architecture and installed packages, and nothing of the
 * controller's own configuration but the way to the network.  It needs no
 * privilege and installs nothing.
 *
 * Below BASE: SUITE-ARCH for a system that was named, m-DIGEST for machines,
 * those with the same sources and keys together.  One process at a time has a
 * root open; another waits for it.  An older apt works for a newer system.
 */
#pragma once

#include "discovery/base/process.h"
#include "system.h"

/* How its apt gets to the mirrors. */
struct apt_way {
    const char *proxy; /* "http://127.0.0.1:3142"; NULL: as this controller's own apt does */
    bool plain;        /* https sources are asked for as http: the cache makes them https */
    bool stale;        /* lists that are no longer valid, or not yet, will do */
    int cancel_fd;     /* readable: end it; -1: none */
};

enum { APT_UPDATE_MS = 10 * 60 * 1000, APT_ASK_MS = 2 * 60 * 1000 };

/* A value: start with {.lock = -1}, apt_root_clear. */
struct apt_root {
    char *folder, *config; /* its own configuration file */
    struct apt_way way;
    int lock;
    struct strings passed_over; /* sources whose keys are not there, in words */
};

void apt_root_clear(struct apt_root *root);

/* The name of the folder: who has the same shares lists. */
int apt_root_name(const struct apt_system *s, char **ret);

/* Makes the folder, or what differs in it.  `fresh`: without the lists that it had.
 * -EINVAL: a path that apt cannot read; -ENOENT: no source is left; else what the file
 * system says. */
int apt_root_open(const char *base, const struct apt_system *s, const struct apt_way *way,
                  bool fresh, struct apt_root *ret, struct error *err);

/* Another machine's installed packages and preferences, in the same root. */
int apt_root_set(struct apt_root *root, const struct apt_system *s, struct error *err);

/* Runs a program of apt's with this configuration.  -ENOPKG where there is no apt. */
int apt_root_run(const struct apt_root *root, const char *const *argv, unsigned timeout_ms,
                 struct process_result *ret, struct error *err);

/* Gets the lists; `anew`: a cache on the way is not to answer from what it has.  What single
 * sources could not be read is added to `warnings`, and is no failure: apt goes on without them.
 * -ENETUNREACH: there is none at all. */
int apt_root_update(const struct apt_root *root, bool anew, struct strings *warnings,
                    struct error *err);
