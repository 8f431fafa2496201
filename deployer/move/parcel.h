/*
 * What an envelope holds: sections, each of a letter, its size (4 bytes, big-endian) and
 * its bytes.
 *
 *   S  the state, as JSON (deployer/state/transfer.h)
 *   K  the fleet key, 32 bytes; left out: there is none
 *   P  an SSH private key, as its file; left out: there is none
 *
 * Packed bytes are secret: the caller hands them to sodium_free(), where they are wiped.
 */
#pragma once

#include <stdbool.h>

#include "discovery/base/error.h"
#include "discovery/base/key.h"

enum { PARCEL_SSH_KEY_MAX = 16 * 1024 };

/* A value; its pointers are borrowed.  Wipe it with key_clear(&fleet_key). */
struct parcel {
    const char *state;
    size_t state_size;
    bool has_fleet_key;
    struct key fleet_key;
    const char *ssh_key; /* NULL: none */
    size_t ssh_key_size;
};

/* -ENOMEM. */
int parcel_pack(const struct parcel *p, unsigned char **ret, size_t *ret_size, struct error *err);

/* The pointers of `ret` are into `bytes`.  -EBADMSG with words: a section is cut, twice
 * there, of a wrong size, of a kind that this version does not know, or the state is
 * missing. */
int parcel_unpack(const unsigned char *bytes, size_t size, struct parcel *ret, struct error *err);

/* The file of a private key, which nobody but its owner (this user, or root) may access.  The
 * caller hands the bytes to sodium_free(), where they are wiped.  -ENOENT, -EACCES …; -EPERM:
 * others may access it; -EBADMSG: it is no private key, or not a regular file. */
int parcel_read_ssh_key(const char *path, char **ret, size_t *ret_size, struct error *err);

/* Whether it looks like the file of a private key, of a size that is taken. */
bool parcel_is_ssh_key(const char *bytes, size_t size);
