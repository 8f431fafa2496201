/*
 * The files that a bundle is made of, in memory: path, mode, bytes.
 *
 * A wheel is hostile until it is read into here.  Paths in here are relative,
 * plain, printable UTF-8, and short enough for any tar.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "discovery/base/digest.h"
#include "discovery/base/error.h"
#include "discovery/base/text.h"

enum {
    CONTENT_FILES_MAX = 20000,
    CONTENT_FILE_MAX = 32 * 1024 * 1024, /* bytes of one */
    CONTENT_MAX = 128 * 1024 * 1024,     /* bytes of all, unpacked */
    CONTENT_PATH_MAX = 255,              /* so that any tar can read them */
};

struct content_file {
    char *path;
    char *data;
    size_t size;
    mode_t mode;  /* 0644 or 0755 */
    size_t order; /* of arrival */
};

/* A value: start with {0}, content_clear. */
struct content {
    struct content_file *files;
    size_t count, room;
    size_t bytes;
};

void content_clear(struct content *c);

/* Copies a file in.  -EBADMSG for a path that is not allowed, -EFBIG over a
 * bound, -ENOMEM. */
int content_add(struct content *c, const char *path, mode_t mode, const void *data, size_t size,
                struct error *err);

/* Adds a folder: *.py and *.pth at its top go to site/, all else keeps its
 * place.  Hidden files and byte code are left out. */
int content_add_steps(struct content *c, const char *folder, struct error *err);

/* Adds a folder as it is, below `place` ("ui/").  Hidden files are left out. */
int content_add_folder(struct content *c, const char *folder, const char *place, struct error *err);

/* Sorts by path, bytewise.  Two files with the same path and bytes become one; with
 * different bytes, -EBADMSG. */
int content_sort(struct content *c, struct error *err);

/* The files as a gzip'd tar, and what such a one holds, which is not sorted.
 * The same files give the same bytes.  -ENOMEM, -EBADMSG, -EFBIG, -EIO. */
int content_write_tar(const struct content *c, struct text *ret);
int content_read_tar(struct content *c, const void *bytes, size_t size);

/* NULL when there is none. */
const struct content_file *content_find(const struct content *c, const char *path);

/* The digest of the files below the given folders ("site/"); NULL ends the list.
 * After content_sort. */
void content_digest(const struct content *c, const char *const *folders,
                    char ret[static DIGEST_LENGTH + 1]);
