#include "sha256.h"

#include <string.h>

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
    unsigned char hash[crypto_hash_sha256_BYTES];

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
