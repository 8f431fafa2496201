/*
 * A folder in which this controller's own apt works for another system: with that
 * system's sources, keys, architecture and installed packages.  Of the controller's
 * own configuration, only the network settings apply.  It needs no privilege and
 * installs nothing.
 *
 * What the sources serve is hostile: apt runs without a way to new privileges, and where
 * we are root as the user of apt's own sandbox, which may write only in the folders that
 * are its own; it finds the root at APT_CONFINED, in a mount namespace, since the state
 * folder is closed to it.  Its files, its folders and its memory have bounds; where one is
 * exceeded, all that it has written is removed.
 *
 * Below BASE: SUITE-ARCH for a system that was named, m-DIGEST for machines; machines
 * with the same sources, keys and architectures share one.  One process at a time has
 * a root open; another waits for it.  An older apt works for a newer system.  Opening one
 * removes those of machines that were not used for long.
 */
#pragma once

#include "discovery/base/process.h"
#include "system.h"

/* How https sources are requested. */
enum apt_https {
    APT_HTTPS_KEPT,
    APT_HTTPS_AS_HTTP,   /* of a proxy that is not ours */
    APT_HTTPS_FOR_CACHE, /* of our own cache: apt_uri_for_cache */
};

/* How its apt reaches the mirrors. */
struct apt_way {
    const char *proxy; /* "http://127.0.0.1:3142"; NULL: as this controller's own apt does */
    enum apt_https https;
    bool stale;    /* accepts lists that are expired or not valid yet */
    int cancel_fd; /* readable: end it; -1: none */
    /* URIs of the sources of a machine that are used, without a slash at their end: those of this
     * controller and those that a person has allowed; NULL: none is refused. */
    const struct strings *allowed;
};

#define APT_LIST_MAX (256ull << 20)  /* bytes of one package list; Debian's have up to 60 MB */
#define APT_LISTS_MAX (512ull << 20) /* of all lists, and what apt makes of them */
#define APT_MEMORY_MAX (2048ull << 20)

#define APT_CONFINED "/run/dcop-apt"

enum {
    APT_ROOTS_KEPT = 16,              /* of machines */
    APT_ROOT_KEPT_S = 30 * 24 * 3600, /* unused */
};

enum { APT_UPDATE_MS = 10 * 60 * 1000, APT_ASK_MS = 2 * 60 * 1000 };

/* A value: start with {.lock = -1}, apt_root_clear. */
struct apt_root {
    char *folder;
    const char *inside; /* where apt finds the folder */
    struct apt_way way;
    int lock;
    struct strings arches;
    bool drop; /* apt has a user of its own */
    uid_t uid;
    gid_t gid;
    struct strings passed_over; /* messages: sources that are not used, as a key is missing, or
                                   nobody has allowed them */
};

/* A file in the folder that the caller may write when its lists are up to date; removed when the
 * sources have changed since. */
#define APT_ROOT_STAMP "updated"

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

/* Makes a folder directly below the root in which apt may write; the caller frees its path. */
int apt_root_folder(const struct apt_root *root, const char *name, char **ret, struct error *err);

/* Bytes on the disk of all files in a folder. */
uint64_t apt_root_size(const char *folder);

/* The path by which apt itself reaches what is below the root; the caller frees it.  NULL: no
 * memory. */
char *apt_root_inside(const struct apt_root *root, const char *path);

/* What one run of apt may write. */
struct apt_bounds {
    unsigned timeout_ms;
    uint64_t file_max;  /* bytes of a file */
    const char *folder; /* one more folder than apt's own, whose size is watched; NULL: none */
    uint64_t folder_max;
};

/* Runs one of apt's programs with this configuration.  -ENOPKG: it is not installed, or cannot be
 * confined here; -EFBIG: a folder has become too large, and all that apt has written in the root is
 * removed. */
int apt_root_run(const struct apt_root *root, const char *const *argv,
                 const struct apt_bounds *bounds, struct process_result *ret, struct error *err);

/* Downloads the package lists (apt-get update); `anew`: a cache on the way must ask its
 * origin again.  A source that cannot be read is added to `warnings` and is not a failure:
 * apt continues without it.  Lists that their Release says to be too large are not downloaded:
 * -EFBIG.  -ENETUNREACH: there is no list at all. */
int apt_root_update(const struct apt_root *root, bool anew, struct strings *warnings,
                    struct error *err);
