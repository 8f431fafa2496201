/*
 * A system that pyDCOP is deployed to, as far as apt is concerned: its package
 * sources with their keys, its architecture, and what is installed there.
 * Either a machine's, read over SSH (steps/verbs/sources), or one that is named
 * by its suite and architecture, taken to be plain: nothing is known to be
 * installed, so that all of a closure is named.
 *
 * Values; any thread.
 */
#pragma once

#include "deployer/base/content.h"
#include "source.h"

enum {
    APT_SYSTEM_WIRE_MAX = 16 * 1024 * 1024, /* base64, as a machine sends it */
    APT_STATUS_MAX = 32 * 1024 * 1024,
};

struct apt_system {
    char *name;  /* for a person: "trixie-arm64", or the machine's */
    char *suite; /* "trixie"; "" where it does not say */
    char *arch;
    struct strings foreign; /* other architectures that it takes packages of */
    struct apt_sources sources;
    struct content files; /* of the machine: keyrings, by their paths */
    struct text status;   /* dpkg's; empty: nothing is installed */
    struct text preferences;
    bool machine; /* its keyrings are in `files`; else they are this controller's */
};

void apt_system_clear(struct apt_system *s);

/* The one that is named, from this controller's own package sources. `etc` is
 * /etc/apt, `codename` the controller's own suite, see apt_system_codename.
 * -EINVAL for an invalid suite or architecture, -ENOENT without sources. */
int apt_system_named(const char *etc, const char *codename, const char *suite, const char *arch,
                     struct apt_system *ret, struct error *err);

/* This controller's release as os-release(5) names it; "" when it does not. */
int apt_system_codename(const char *os_release, char **ret);
/* This controller's architecture in dpkg's words. */
int apt_system_arch(char **ret, struct error *err);

/* What a machine sent: base64 of a tar.gz with arch, suite, status, preferences,
 * and etc/…, usr/…: sources and keyrings.  `wire` is used up.
 * -EBADMSG when it is not that, -EFBIG over a bound. */
int apt_system_read(const char *name, struct text *wire, struct apt_system *ret, struct error *err);

/* The same from the tar itself, and a system as such a tar: what one run has read, another
 * can use.  A system that was named has none: -EINVAL. */
int apt_system_from_tar(const char *name, const void *bytes, size_t size, struct apt_system *ret,
                        struct error *err);
int apt_system_to_tar(const struct apt_system *s, struct text *ret, struct error *err);

/* What a machine calls that fact. */
#define APT_SYSTEM_FACT "system"
