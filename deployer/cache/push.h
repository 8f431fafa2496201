/*
 * The package files that one machine lacks, as a tar to push to it: for machines that
 * reach no package source.  The files are resolved for the machine's dpkg status and
 * fetched here, through a cache or as this controller's own apt does it; on the machine,
 * steps/verbs/push unpacks the tar, and the steps install from there.
 *
 * For machines with the same packages, the files are fetched once and packed once.  Any
 * number of threads and processes may call it at once.
 */
#pragma once

#include "caches.h"
#include "deployer/apt/fetch.h"
#include "deployer/base/paths.h"

enum {
    APT_PUSH_MAX = 1024 * 1024 * 1024, /* bytes of a tar */
    APT_PUSH_FRESH_S = 10 * 60,        /* younger lists are not downloaded again */
    APT_PUSH_KEPT_S = 30 * 24 * 3600,  /* a .deb that was not needed for so long is removed */
    APT_PUSH_TARS = 8,                 /* tars that are kept, beside recent ones (PRUNE_AGE_S) */
};

/* All of it is borrowed, and must be complete before apt_push_make is called. */
struct apt_push {
    const struct cache_choice *choice;
    const struct caches *caches; /* the result of caches_find */
    const struct paths *paths;   /* the state's folder, and packages.sh */
    const char *list;            /* of packages.sh: "APT" */
};

/* A value: start with {0}, apt_pushed_clear. */
struct apt_pushed {
    void *bytes; /* the tar, mapped from its file: machines that get the same tar share it */
    size_t size;
    char digest[APT_SHA256_LENGTH + 1]; /* of its SHA256SUMS; the tar's name */
    size_t files;
};

void apt_pushed_clear(struct apt_pushed *p);

/* Packs these files of `folder` into a tar below `base`, or takes the one that is there, if
 * all of it is what its files' digests say: after a power cut it need not be.  Sorts the
 * files.  What is packed is on the disk before it has its name. */
int apt_pushed_pack(const char *base, struct apt_files *files, const char *folder,
                    struct apt_pushed *ret, struct error *err);

/* -ENETUNREACH: this controller cannot fetch a package either (`err` names it);
 * -ENOENT, -ENOPKG, see apt_resolve; -ENODATA: the machine lacks no package. */
int apt_push_make(const struct apt_push *push, const struct apt_system *s, int cancel_fd,
                  struct apt_pushed *ret, struct error *err);
