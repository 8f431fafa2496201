/*
 * A system that pyDCOP is deployed to, as apt sees it: its package sources with their
 * keys, its architecture, and its installed packages.  It is a machine's, read over
 * SSH (steps/verbs/sources), or it is named by its suite and architecture; then no
 * package counts as installed, so that all dependencies are resolved.
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
    char *suite; /* "trixie"; "": not known */
    char *arch;
    struct strings foreign; /* further architectures (dpkg --print-foreign-architectures) */
    struct apt_sources sources;
    struct content files; /* of the machine: keyrings, by their paths */
    struct text status;   /* dpkg's; empty: nothing is installed */
    struct text preferences;
    bool machine; /* its keyrings are in `files`; otherwise this controller's are used */
};

void apt_system_clear(struct apt_system *s);

/* Makes a system from a suite and an architecture, with this controller's own package
 * sources.  `etc` is /etc/apt, `codename` the controller's own suite, see
 * apt_system_codename.  -EINVAL for an invalid suite or architecture, -ENOENT without
 * sources. */
int apt_system_named(const char *etc, const char *codename, const char *suite, const char *arch,
                     struct apt_system *ret, struct error *err);

/* This controller's VERSION_CODENAME of os-release(5); "" without one. */
int apt_system_codename(const char *os_release, char **ret);
/* This controller's architecture, as dpkg names it. */
int apt_system_arch(char **ret, struct error *err);

/* Reads what a machine sent: base64 of a tar.gz with arch, suite, status, preferences,
 * and the sources and keyrings as etc/… and usr/….  `wire` is overwritten.  -EBADMSG for
 * any other content, -EFBIG over a bound. */
int apt_system_read(const char *name, struct text *wire, struct apt_system *ret, struct error *err);

/* The same from the tar itself, and a system as such a tar, so that a later run can use
 * what an earlier one has read.  A system that was named has no tar: -EINVAL. */
int apt_system_from_tar(const char *name, const void *bytes, size_t size, struct apt_system *ret,
                        struct error *err);
int apt_system_to_tar(const struct apt_system *s, struct text *ret, struct error *err);

/* The name of the fact event in which a machine sends it. */
#define APT_SYSTEM_FACT "system"
