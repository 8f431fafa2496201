/*
 * Downloads the files that apt_resolve named, through the root's proxy, several at
 * once, and compares each with its hash: with apt's own downloader, as the machines
 * will.  Either to keep them, or only to fill the cache between here and the mirror
 * and to prove that they are complete.
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

/* `ret_missing`: an item "NAME VERSION" for each file that could not be downloaded
 * complete; the message of the first failure is in `ret_why`.  Returns 0 even when files
 * are missing.  A network that does not answer is given up once, not for each file.
 * -ECANCELED, or an error of the file system. */
int apt_fetch(const struct apt_fetch *fetch, struct strings *ret_missing, struct text *ret_why,
              struct error *err);

/* Whether a file is that one, by its size and hash. */
bool apt_file_is_whole(const char *path, const struct apt_file *file);
