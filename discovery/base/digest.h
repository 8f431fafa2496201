/*
 * SHA-256 and HMAC-SHA256 from libsodium, with digests as bytes, hex or base64:
 * used for ids, key fingerprints, signatures and cache keys.
 *
 * A struct digest is a value; nothing to free.  Pure, any thread; sodium_init is
 * not needed.
 */
#pragma once

#include <sodium/crypto_hash_sha256.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    DIGEST_SIZE = crypto_hash_sha256_BYTES,
    DIGEST_LENGTH = 2 * DIGEST_SIZE, /* in hex */
    DIGEST_BASE64_LENGTH = 43,
};

struct digest {
    crypto_hash_sha256_state state;
};

void digest_sha256(const void *data, size_t size, uint8_t ret[static DIGEST_SIZE]);

/* The same as lower-case hex and a NUL. */
void digest_bytes(const void *bytes, size_t size, char ret[static DIGEST_LENGTH + 1]);

/* The same in parts. */
void digest_init(struct digest *d);
void digest_add(struct digest *d, const void *bytes, size_t size);
/* Includes the NUL, so that two strings differ from their concatenation. */
void digest_adds(struct digest *d, const char *string);
void digest_end(struct digest *d, char ret[static DIGEST_LENGTH + 1]);

/* RFC 2104. */
void digest_hmac(const void *key, size_t key_size, const void *data, size_t size,
                 uint8_t ret[static DIGEST_SIZE]);

/* Standard alphabet, without padding, as ssh-keygen(1) -l prints it; `ret`
 * gets the 43 characters and a NUL. */
void digest_base64(const uint8_t digest[static DIGEST_SIZE],
                   char ret[static DIGEST_BASE64_LENGTH + 1]);

/* The same in the alphabet of RFC 4648 §5. */
void digest_base64url(const uint8_t digest[static DIGEST_SIZE],
                      char ret[static DIGEST_BASE64_LENGTH + 1]);

/* Compares in a time that does not depend on where they differ. */
bool digest_equal(const void *a, const void *b, size_t size);

/* Decodes base64 (RFC 4648 §4, padding or none) in place; `ret_size` is the
 * number of bytes.  -EBADMSG for anything else. */
int base64_decode(char *text, size_t *ret_size);
