/*
 * Downloads the files that apt_resolve named, through the root's proxy, several at
 * once, with apt's own downloader, as the machines will, and compares each with its
 * hash.  The files are kept, or removed again: then the download only fills the cache
 * between here and the mirror, and proves that they are complete.
 */
#pragma once

#include "resolve.h"

enum { APT_FETCH_AT_ONCE = 4, APT_FETCH_MS = 30 * 60 * 1000 };

#define APT_FETCH_BYTES_MAX (4ull << 30) /* of one system's packages */

struct apt_fetch {
    const struct apt_root *root;
    const struct apt_files *files;
    const char *folder; /* of apt_root_folder: they are written here, under their names */
    bool throw_away;    /* each is removed again once it was compared */
    bool repair;        /* a damaged file is requested once more, past the cache's copy */
    unsigned at_once;   /* 0: APT_FETCH_AT_ONCE */
    /* Called on the caller's thread, now and then; may be NULL. */
    void (*progress)(size_t files, uint64_t bytes, void *arg);
    void *arg;
};

/* `ret_missing`: an item "NAME VERSION" for each file that could not be downloaded
 * complete; the message of the first failure is in `ret_why`.  Returns 0 even when files
 * are missing.  If no server can be reached, all remaining files are given up at once.
 * -EFBIG: the files are larger than APT_FETCH_BYTES_MAX by what apt says of them, and none is
 * downloaded; or what came was larger than that, and all is removed.  -ECANCELED, or an error of
 * the file system. */
int apt_fetch(const struct apt_fetch *fetch, struct strings *ret_missing, struct text *ret_why,
              struct error *err);

/* Does the file at `path` have the size and the hash of `file`? */
bool apt_file_is_whole(const char *path, const struct apt_file *file);
