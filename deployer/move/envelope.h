/*
 * An envelope: bytes encrypted with a passphrase, in one file that may lie anywhere.
 *
 *   at   bytes
 *    0      14   "dcop-export 1\n": what it is, and the version of the format
 *   14       4   passes of Argon2id     } big-endian
 *   18       4   its memory, in KiB     }
 *   22      16   its salt
 *   38      24   nonce
 *   62    n+16   the content, by XChaCha20-Poly1305, which authenticates all before it, too
 *    …      32   SHA-256 of all before it, which tells damage from a wrong passphrase
 *
 * All of it is hostile until it is opened: a file that asks for more memory or time than
 * the bounds below is refused.  Any thread.
 */
#pragma once

#include <stddef.h>

#include "deployer/base/secret.h"
#include "discovery/base/text.h"

enum {
    ENVELOPE_CONTENT_MAX = 8 * 1024 * 1024, /* bytes */
    ENVELOPE_FILE_MAX = ENVELOPE_CONTENT_MAX + 14 + 4 + 4 + 16 + 24 + 16 + 32,
    ENVELOPE_PASSES_MAX = 10,
    ENVELOPE_MEMORY_MAX = 1024 * 1024, /* KiB */
};

/* What trying one passphrase costs. */
struct envelope_cost {
    unsigned passes, memory_kib;
};
/* 256 MiB, and some second. */
extern const struct envelope_cost envelope_cost_usual;

/* Appends the file's bytes to `ret`.  -EFBIG: too much content; -ENOMEM. */
int envelope_seal(const void *content, size_t size, const struct secret *passphrase,
                  const struct envelope_cost *cost, struct text *ret, struct error *err);

/* What can be said of the bytes of the file `name` without the passphrase.  -EBADMSG with
 * words: another kind of file, a newer version's, cut or damaged, or out of bounds. */
int envelope_check(const char *name, const void *bytes, size_t size, struct error *err);

/* The content, which the caller hands to sodium_free(), where it is wiped.  Errors of
 * envelope_check; -EINVAL: the passphrase is another one; -ENOMEM. */
int envelope_open(const char *name, const void *bytes, size_t size, const struct secret *passphrase,
                  unsigned char **ret, size_t *ret_size, struct error *err);
