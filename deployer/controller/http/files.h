/*
 * The dashboard's files, held in memory.  All files of a folder are read at the
 * start, and again when they change.  A name in a request never becomes a path, so
 * path traversal is impossible, and the page can be edited while the service runs.
 *
 * One thread.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "discovery/base/cleanup.h"
#include "discovery/base/error.h"
#include "discovery/base/text.h"

enum { FILES_MAX = 64, FILES_BYTES_MAX = 4 * 1024 * 1024 };

struct served_file {
    char *name, *path;
    const char *type;
    struct text bytes;
    char tag[40]; /* its ETag, quoted */
    struct timespec changed;
};

struct files;

/* Loads names of [a-z0-9.-] with a known ending and ignores all others.  If the folder
 * does not exist: 0, and no files. */
int files_load(const char *folder, struct files **ret, struct error *err);
void files_free(struct files *f);
DEFINE_CLEANUP(struct files *, files_free);

/* `path` is that of a URL: "/" is index.html.  NULL: no file of that name. */
const struct served_file *files_find(struct files *f, const char *path);
