/*
 * What a child process may still do that runs code from elsewhere (a setup.py) as a user who
 * owns keys: it reads the system's programs and what is named, writes to one folder, and has
 * no socket, so no network, no SSH agent and no D-Bus.  Needs no privilege.
 *
 * Files: Landlock (Linux 5.13; Documentation/userspace-api/landlock.rst), else the program
 * bubblewrap (bwrap(1)), which uses user namespaces.  Sockets, and what reaches into other
 * processes: a seccomp filter (seccomp(2)); with bubblewrap, namespaces.  From Linux 6.12 on,
 * Landlock lets no signal out either.  Landlock does not look at chmod(2) and the like: the
 * user's own files can get other modes.
 *
 * With `network` the same keeps a program that listens to the network, such as pyDCOP, from its
 * user's files; it has sockets of IPv4, IPv6 and netlink, but no Unix sockets.
 *
 * A value is used by one thread at a time.
 */
#pragma once

#include <stdbool.h>

#include "discovery/base/cleanup.h"
#include "discovery/base/error.h"
#include "discovery/base/text.h"

/* From the best on. */
enum sandbox_kind {
    SANDBOX_LANDLOCK,
    SANDBOX_BUBBLEWRAP,
    SANDBOX_SECCOMP, /* no sockets; files are not protected */
    SANDBOX_NONE,
};

struct sandbox_options {
    enum sandbox_kind kind;
    const struct strings *reads; /* files and folders, absolute, beside the system's own;
                                    those that are not there are left out */
    const char *writes;          /* a folder that exists */
    bool network;                /* it has the network's sockets; not with bubblewrap */
    int landlock_most;           /* > 0: does with this version of Landlock, for tests */
};

struct sandbox;

/* Copies what `options` names.  -EOPNOTSUPP: this system has no such sandbox; but only a child
 * that enters it shows whether it works. */
int sandbox_new(const struct sandbox_options *options, struct sandbox **ret, struct error *err);
void sandbox_free(struct sandbox *s);
DEFINE_CLEANUP(struct sandbox *, sandbox_free);

/* The words of the command that runs `argv` in it, beside sandbox_enter.  0 or -ENOMEM. */
int sandbox_command(const struct sandbox *s, const char *const *argv, struct strings *ret);

/* Enters it, for good: for process_options.confine.  It calls nothing that is unsafe between
 * fork and exec.  0 or a negative errno. */
int sandbox_enter(const void *sandbox);
