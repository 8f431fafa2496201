/*
 * SHA-256 and HMAC-SHA256 from libsodium, and base64: what an id, a key's
 * fingerprint and a signature are made of.  Pure, any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DIGEST_SIZE = 32, DIGEST_BASE64_LENGTH = 43 };

void digest_sha256(const void *data, size_t size, uint8_t ret[static DIGEST_SIZE]);

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

/* In a time that does not tell where they differ. */
bool digest_equal(const void *a, const void *b, size_t size);

/* Decodes base64 (RFC 4648 §4, padding or none) in place; `ret_size` is the
 * number of bytes.  -EBADMSG for anything else. */
int base64_decode(char *text, size_t *ret_size);
