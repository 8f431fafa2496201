/*
 * Package sources as apt's files name them, both forms of sources.list(5): one
 * line each, and deb822.  A machine's own are hostile until they got in here:
 * http and https only, no user or password, no loopback address, no blanks;
 * what is not like that, and what the controller could not check (an unsigned
 * source, a cdrom), is passed over and named.
 *
 * Values; any thread.
 */
#pragma once

#include <stddef.h>

#include "discovery/base/error.h"
#include "discovery/base/text.h"

enum {
    APT_SOURCES_MAX = 256,
    APT_URI_MAX = 1024,
    APT_SOURCES_FILE_MAX = 256 * 1024,
};

struct apt_source {
    char *uri;   /* without a slash at its end */
    char *suite; /* "bookworm-security"; ends in a slash: no components */
    struct strings components;
    char *signed_by; /* a path on the system that it is from, or fingerprints; NULL: any
                        key that is trusted there */
    char *key;       /* the key itself, armoured, when the source has it; else NULL */
};

struct apt_sources {
    struct apt_source *items;
    size_t count;
    struct strings passed_over; /* in words */
};

void apt_sources_clear(struct apt_sources *s);

/* A URI that may be asked for through a cache. */
bool apt_uri_valid(const char *uri);
/* The name of a suite: letters, digits, "-", "_", ".", "/", "~", "+". */
bool apt_suite_valid(const char *suite);
/* "amd64", as dpkg says it. */
bool apt_arch_valid(const char *arch);

/* Adds the sources of one file's text, those for `arch`; `name` ends in
 * ".sources" for deb822 and is told of what is passed over.  A source that is
 * there already is not added again.  -EFBIG over a bound, -ENOMEM. */
int apt_sources_parse(struct apt_sources *s, const char *name, const char *text, const char *arch,
                      struct error *err);

/* Those of a folder like /etc/apt: sources.list, and sources.list.d below it.
 * Files that cannot be read are passed over. */
int apt_sources_read(struct apt_sources *s, const char *folder, const char *arch,
                     struct error *err);

/* Another suite of the same distribution: of `from`, the sources whose suite is
 * `codename` or begins with "codename-", with that replaced by `suite`; a suite
 * that is only named by its age ("stable") counts as `codename`.  -ENOENT:
 * there is none. */
int apt_sources_of_suite(const struct apt_sources *from, const char *codename, const char *suite,
                         struct apt_sources *ret, struct error *err);
