#include "digest.h"

#include <errno.h>
#include <string.h>

#include <sodium/utils.h>

enum { BLOCK_SIZE = 64 }; /* SHA-256's */

/*
 * libsodium's hash needs only this function of its utils.o, which links in the
 * whole library: 200 KiB for a program of 50.  Its HMAC does so too, so HMAC is
 * implemented here.  Weak, so that a program that links the whole library uses
 * the library's function.
 */
__attribute__((weak)) void sodium_memzero(void *const pnt, const size_t len)
{
    explicit_bzero(pnt, len);
}

void digest_sha256(const void *data, size_t size, uint8_t ret[static DIGEST_SIZE])
{
    (void)crypto_hash_sha256(ret, data, size);
}

void digest_init(struct digest *d)
{
    (void)crypto_hash_sha256_init(&d->state);
}

void digest_add(struct digest *d, const void *bytes, size_t size)
{
    (void)crypto_hash_sha256_update(&d->state, bytes, size);
}

void digest_adds(struct digest *d, const char *string)
{
    digest_add(d, string, strlen(string) + 1);
}

void digest_end(struct digest *d, char ret[static DIGEST_LENGTH + 1])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t hash[DIGEST_SIZE];

    (void)crypto_hash_sha256_final(&d->state, hash);
    for (size_t i = 0; i < sizeof(hash); i++) {
        ret[2 * i] = digits[hash[i] >> 4];
        ret[2 * i + 1] = digits[hash[i] & 15];
    }
    ret[DIGEST_LENGTH] = '\0';
}

void digest_bytes(const void *bytes, size_t size, char ret[static DIGEST_LENGTH + 1])
{
    struct digest d;

    digest_init(&d);
    digest_add(&d, bytes, size);
    digest_end(&d, ret);
}

static void keyed_hash(const uint8_t key[static BLOCK_SIZE], uint8_t pad, const void *data,
                       size_t size, uint8_t ret[static DIGEST_SIZE])
{
    crypto_hash_sha256_state state;
    uint8_t block[BLOCK_SIZE];

    for (size_t i = 0; i < BLOCK_SIZE; i++)
        block[i] = key[i] ^ pad;
    (void)crypto_hash_sha256_init(&state);
    (void)crypto_hash_sha256_update(&state, block, sizeof(block));
    (void)crypto_hash_sha256_update(&state, data, size);
    (void)crypto_hash_sha256_final(&state, ret);
    explicit_bzero(block, sizeof(block));
    explicit_bzero(&state, sizeof(state));
}

void digest_hmac(const void *key, size_t key_size, const void *data, size_t size,
                 uint8_t ret[static DIGEST_SIZE])
{
    uint8_t block[BLOCK_SIZE] = {0}, inner[DIGEST_SIZE];

    if (key_size > sizeof(block))
        digest_sha256(key, key_size, block);
    else
        memcpy(block, key, key_size);
    keyed_hash(block, 0x36, data, size, inner); /* RFC 2104 §2 */
    keyed_hash(block, 0x5c, inner, sizeof(inner), ret);
    explicit_bzero(block, sizeof(block));
}

bool digest_equal(const void *a, const void *b, size_t size)
{
    const volatile uint8_t *x = a, *y = b;
    uint8_t differ = 0;

    for (size_t i = 0; i < size; i++)
        differ |= x[i] ^ y[i];
    return differ == 0;
}

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void digest_base64url(const uint8_t digest[static DIGEST_SIZE],
                      char ret[static DIGEST_BASE64_LENGTH + 1])
{
    digest_base64(digest, ret);
    for (char *c = ret; *c; c++)
        *c = (char)(*c == '+' ? '-' : *c == '/' ? '_' : *c);
}

void digest_base64(const uint8_t digest[static DIGEST_SIZE],
                   char ret[static DIGEST_BASE64_LENGTH + 1])
{
    uint32_t bits = 0;
    unsigned count = 0;
    size_t at = 0;

    for (size_t i = 0; i < DIGEST_SIZE; i++) {
        bits = bits << 8 | digest[i];
        for (count += 8; count >= 6; count -= 6)
            ret[at++] = alphabet[bits >> (count - 6) & 63];
    }
    ret[at++] = alphabet[bits << (6 - count) & 63]; /* 256 bits: four bits are left */
    ret[at] = '\0';
}

int base64_decode(char *text, size_t *ret_size)
{
    size_t length = strlen(text), at = 0;
    uint32_t bits = 0;
    unsigned count = 0;

    for (unsigned padding = 0; padding < 2 && length > 0 && text[length - 1] == '='; padding++)
        length--;
    for (size_t i = 0; i < length; i++) {
        const char *c = memchr(alphabet, text[i], sizeof(alphabet) - 1);

        if (!c)
            return -EBADMSG;
        bits = bits << 6 | (uint32_t)(c - alphabet);
        count += 6;
        if (count >= 8) {
            count -= 8;
            text[at++] = (char)(bits >> count & 0xff);
        }
    }
    if (count >= 6)
        return -EBADMSG;
    *ret_size = at;
    return 0;
}
