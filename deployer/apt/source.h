/*
 * Package sources from apt's files, in both formats of sources.list(5): one-line
 * style and deb822 style.  A machine's sources are not trusted, so they are checked
 * here: http and https only, no user or password, no loopback address, no blanks.
 * A source that fails these checks, such as a cdrom, is skipped and listed in
 * `passed_over`.  The option trusted=yes is not taken over: apt rejects an unsigned
 * source here.
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
    char *signed_by; /* a path on the system that the source is from, or fingerprints; NULL:
                        any key that is trusted there */
    char *key;       /* the armoured key, if the source embeds it; else NULL */
};

struct apt_sources {
    struct apt_source *items;
    size_t count;
    struct strings passed_over; /* messages: the skipped sources, and why */
};

void apt_sources_clear(struct apt_sources *s);

/* Is this a URI that may be requested through a cache? */
bool apt_uri_valid(const char *uri);
/* How an http cache that serves https sources, too, is asked for this one: as http on the https
 * port, so that the two schemes of one host and path stay apart.  The caller frees it; NULL: no
 * memory. */
char *apt_uri_for_cache(const char *uri);
/* Is it the name of a suite: letters, digits, "-", "_", ".", "/", "~", "+"? */
bool apt_suite_valid(const char *suite);
/* Is it the name of an architecture in dpkg's form, such as "amd64"? */
bool apt_arch_valid(const char *arch);

/* Adds the sources for `arch` from the text of one file.  A `name` that ends in
 * ".sources" means deb822 style; the name also appears in the messages about skipped
 * sources.  A URI and suite that the list has already get the further components only.
 * -EFBIG over a bound, -ENOMEM. */
int apt_sources_parse(struct apt_sources *s, const char *name, const char *text, const char *arch,
                      struct error *err);

/* Adds the sources of a folder like /etc/apt: sources.list, and sources.list.d below
 * it.  Files that cannot be read are skipped. */
int apt_sources_read(struct apt_sources *s, const char *folder, const char *arch,
                     struct error *err);

/* Derives the sources of another suite of the same distribution: takes the sources of
 * `from` whose suite is `codename`, alone or with "-updates", "-security" or
 * "-backports", and replaces `codename` by `suite`.  The names "stable" and
 * "oldstable" are treated as `codename`.  -ENOENT: there is none. */
int apt_sources_of_suite(const struct apt_sources *from, const char *codename, const char *suite,
                         struct apt_sources *ret, struct error *err);
