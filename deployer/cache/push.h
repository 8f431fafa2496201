/*
 * The package files that one machine lacks, as a tar to push to it: for
 * machines that reach no source of packages.  Resolved for its dpkg status and
 * fetched here, through a cache or as this controller's own apt goes; on the
 * machine mode `push` lays it out, and the steps install from there.
 *
 * The files of machines that are alike are fetched once and packed once: any
 * number of threads may call it at once, processes too.
 */
#pragma once

#include "caches.h"
#include "deployer/apt/fetch.h"
#include "deployer/base/paths.h"

enum {
    APT_PUSH_MAX = 1024 * 1024 * 1024, /* bytes of a tar */
    APT_PUSH_FRESH_S = 10 * 60,        /* lists younger than that are not asked for again */
    APT_PUSH_KEPT_S = 30 * 24 * 3600,  /* a .deb that no machine lacked for so long goes */
    APT_PUSH_TARS = 8,                 /* kept, of those not used just now */
};

/* Borrowed; may be filled until it is needed. */
struct apt_push {
    const struct cache_choice *choice;
    const struct caches *caches; /* that were found */
    const struct paths *paths;   /* the state's folder, and packages.sh */
    const char *list;            /* of packages.sh: "APT" */
};

/* A value: start with {0}, apt_pushed_clear. */
struct apt_pushed {
    void *bytes; /* of the tar, in memory that all who push it share */
    size_t size;
    char digest[APT_SHA256_LENGTH + 1]; /* of its SHA256SUMS: names it */
    size_t files;
};

void apt_pushed_clear(struct apt_pushed *p);

/* -ENETUNREACH: this controller cannot fetch a package either, and the error names it;
 * -ENOENT, -ENOPKG, see apt_resolve; -ENODATA: the machine lacks no package. */
int apt_push_make(const struct apt_push *push, const struct apt_system *s, int cancel_fd,
                  struct apt_pushed *ret, struct error *err);
