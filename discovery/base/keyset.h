/*
 * A set of byte strings, each with a value: has this key been seen, and where.
 *
 * The set borrows its keys and values.  The hash is keyed with random bytes,
 * so that a hostile file cannot choose keys that collide.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"

struct keyset_slot;

struct keyset {
    struct keyset_slot *slots;
    size_t room; /* a power of two, 0 before the first key */
    size_t count;
    uint64_t seed;
};

#define CLEANUP_KEYSET CLEANUP(keyset_clear)

void keyset_clear(struct keyset *s);

/* The key's value, NULL when it is not there. */
void *keyset_find(const struct keyset *s, const void *key, size_t size);

/* Where the key's value is kept, made when it is not there: a new one is NULL,
 * and the caller must store another at once.  Valid until the next call; NULL
 * when there is no memory. */
void **keyset_slot(struct keyset *s, const void *key, size_t size);
