/*
 * The dashboard's files, held in memory.  They are a folder's, read whole at
 * the start and again when one of them has changed: no name in a request ever
 * becomes a path, so there is nothing to traverse, and the page can be worked
 * on while the service runs.
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

/* Names of [a-z0-9.-] with a known ending are taken, all else is passed over.
 * A folder that is not there: 0, and no files. */
int files_load(const char *folder, struct files **ret, struct error *err);
void files_free(struct files *f);
DEFINE_CLEANUP(struct files *, files_free);

/* `path` as in a URL: "/" is index.html.  NULL: none of that name. */
const struct served_file *files_find(struct files *f, const char *path);
