/*
 * SHA-256, as lower-case hex.  A struct digest is a value; nothing to free.
 * libsodium's hash needs no sodium_init.
 */
#pragma once

#include <sodium/crypto_hash_sha256.h>
#include <stddef.h>

#include "discovery/base/error.h"

enum { DIGEST_LENGTH = 2 * crypto_hash_sha256_BYTES };

struct digest {
    crypto_hash_sha256_state state;
};

void digest_init(struct digest *d);
void digest_add(struct digest *d, const void *bytes, size_t size);
/* With its NUL, so that two strings are not one. */
void digest_adds(struct digest *d, const char *string);
void digest_end(struct digest *d, char ret[static DIGEST_LENGTH + 1]);

void digest_bytes(const void *bytes, size_t size, char ret[static DIGEST_LENGTH + 1]);
