/*
 * Keys of 32 bytes that sign adverts: the fleet key, which only the controller
 * has, and a machine's key, the HMAC-SHA256 of its id and its SSH host key with
 * the fleet key, so that a machine can sign only for itself: a key is of no use
 * to a machine with another host key, whatever id it claims.
 *
 * In a file a key is 64 hex digits and a newline; one that was saved on another
 * computer may have a byte order mark, CRLF and blanks around it.  Only its owner
 * may access the file.  A struct key is a value that its owner wipes with key_clear; nothing
 * here leaves a copy behind.  Any thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "error.h"

enum { KEY_SIZE = 32, KEY_HEX_LENGTH = 64, KEY_FILE_MAX = 256 };

#define KEY_FLEET_FILE "fleet.key" /* in the folder of key_folder() */

struct key {
    uint8_t bytes[KEY_SIZE];
};

void key_clear(struct key *k);

enum { KEY_HOSTKEY_MAX = 64 };

/* The machine's key.  `id` are its 16 hex digits, `hostkey` the fingerprint of its SSH
 * host key ("SHA256:…", KEY_HOSTKEY_MAX bytes at most), both as in the advert. */
void key_derive(const struct key *fleet, const char *id, const char *hostkey, struct key *ret);

/* Reads a key from a file.  -ENOENT: there is none; -ENODATA: the file is
 * empty, or an empty line; -EBADMSG: not a key; else the system's error, each
 * with a message. */
int key_load(const char *path, struct key *ret, struct error *err);

/* As key_load, and -EPERM when others than its owner (who must be this user, or
 * root) may read or write the file. */
int key_read(const char *path, struct key *ret, struct error *err);

/* Writes the file with mode 0600, completely or not at all.  Both the file and
 * its folder's entry are on the disk when it returns. */
int key_write(const char *path, const struct key *k, struct error *err);

/* Makes a random key in a new file, and the folders (mode 0700) in front of it.
 * -EEXIST: there is a file already; it is not changed. */
int key_make(const char *path, struct key *ret, struct error *err);

/* The folder of a user's settings: `config` if it is given, else
 * $XDG_CONFIG_HOME/dcop, else ~/.config/dcop.  The caller frees it.  NULL:
 * there is no home, or no memory.  A service gets /etc/dcop as `config`. */
char *key_folder(const char *config);

/* A folder that a person has named must be there: else a wrong name would mean no fleet
 * key, and every machine would count.  0 for NULL; -ENOENT, -ENOTDIR … with words. */
int key_check_folder(const char *config, struct error *err);

/* Reads the fleet key of that folder: 1 and the key; 0: there is none; else as
 * key_read and key_check_folder. */
int key_read_fleet(const char *config, struct key *ret, struct error *err);
