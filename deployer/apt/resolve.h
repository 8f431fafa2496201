/*
 * Which files apt would install on a system: resolved on this controller, by
 * its own apt, without a machine of that kind.
 */
#pragma once

#include <stdint.h>

#include "root.h"

enum {
    APT_FILES_MAX = 5000,
    APT_FILE_NAME_MAX = 255,
    APT_SHA256_LENGTH = 64, /* hex digits */
};

struct apt_file {
    char *uri;
    char *name; /* PACKAGE_VERSION_ARCH.deb, as apt names it in its archives */
    char *package, *version;
    uint64_t size;
    char sha256[APT_SHA256_LENGTH + 1];
};

/* A value: start with {0}. */
struct apt_files {
    struct apt_file *items;
    size_t count;
    uint64_t bytes;
};

void apt_files_clear(struct apt_files *files);

/* NULL when there is none of that package. */
const struct apt_file *apt_files_find(const struct apt_files *files, const char *package);

/* Parses the output of `apt-get --print-uris`: on each line a quoted URI, the name, the
 * size and the hash.  The text is not trusted, because the names become file names.
 * -EBADMSG, and `err` quotes the line. */
int apt_files_parse(const char *text, struct apt_files *ret, struct error *err);

bool apt_files_has(const struct apt_files *files, const struct apt_file *file);
int apt_files_copy(const struct apt_files *from, struct apt_files *ret); /* -ENOMEM */

/* Moves the files whose URI `to` does not have yet from `from` to `to`. */
int apt_files_merge(struct apt_files *to, struct apt_files *from);

/* The files that apt would install for `packages`, beside the packages that the root's
 * status lists as installed; none when everything is installed.  -ENOENT: no source has a
 * package; -ENOPKG: the dependencies cannot be met; both with apt's message. */
int apt_resolve(const struct apt_root *root, const struct strings *packages, struct apt_files *ret,
                struct error *err);
