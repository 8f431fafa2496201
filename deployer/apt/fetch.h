/*
 * Gets files that apt_resolve named, through the root's way, several at once,
 * and compares each with its hash: with apt's own downloader, so as the machines
 * will.  Either to keep, or only so that the cache between here and the mirror
 * holds them and they are known to be whole.
 */
#pragma once

#include "resolve.h"

enum { APT_FETCH_AT_ONCE = 4, APT_FETCH_MS = 30 * 60 * 1000 };

struct apt_fetch {
    const struct apt_root *root;
    const struct apt_files *files;
    const char *folder; /* where they go, by their names */
    bool throw_away;    /* each is removed again once it was compared */
    bool repair;        /* what came damaged is asked for once more, past the cache's copy */
    unsigned at_once;   /* 0: APT_FETCH_AT_ONCE */
    /* Called on the caller's thread, now and then; may be NULL. */
    void (*progress)(size_t files, uint64_t bytes, void *arg);
    void *arg;
};

/* `ret_missing`: an item for each file that is not to be had whole, "NAME VERSION"; the
 * words of the first failure are in `ret_why`.  0, also when files are missing; a
 * network that is not there is given up once, not for each file.  -ECANCELED, or what
 * the file system says. */
int apt_fetch(const struct apt_fetch *fetch, struct strings *ret_missing, struct text *ret_why,
              struct error *err);

/* Whether a file is that one, by its size and hash. */
bool apt_file_is_whole(const char *path, const struct apt_file *file);
