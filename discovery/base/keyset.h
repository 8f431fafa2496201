/*
 * A set of byte strings, each with a value: has this key been seen, and where.
 *
 * uthash with the keyed hash of hash.h, so that a hostile file cannot choose keys
 * that collide.  The set borrows its keys and values.
 */
#pragma once

#include <stddef.h>

#include "cleanup.h"

struct keyset_entry;
struct keyset_block;

struct keyset {
    struct keyset_entry *entries; /* of uthash */
    struct keyset_block *blocks;  /* of entries */
    size_t count;
};

#define CLEANUP_KEYSET CLEANUP(keyset_clear)

void keyset_clear(struct keyset *s);

/* The key's value, NULL when it is not there. */
void *keyset_find(const struct keyset *s, const void *key, size_t size);

/* A pointer to the key's value; adds the key when it is missing.  A new value
 * is NULL, and the caller must store another at once.  Valid until the next
 * call; NULL when there is no memory. */
void **keyset_slot(struct keyset *s, const void *key, size_t size);
