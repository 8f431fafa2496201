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

/* What `apt-get --print-uris` says: one quoted URI a line, name, size, hash.  Hostile:
 * names become files.  -EBADMSG with the line. */
int apt_files_parse(const char *text, struct apt_files *ret, struct error *err);

bool apt_files_has(const struct apt_files *files, const struct apt_file *file);
int apt_files_copy(const struct apt_files *from, struct apt_files *ret); /* -ENOMEM */

/* Moves what `from` has and `to` has not, by URI. */
int apt_files_merge(struct apt_files *to, struct apt_files *from);

/* What installing `packages` takes, beside what the root says is installed: none when all of
 * it is.  -ENOENT: no source has a package, -ENOPKG: they do not fit together; with
 * apt's words. */
int apt_resolve(const struct apt_root *root, const struct strings *packages, struct apt_files *ret,
                struct error *err);
