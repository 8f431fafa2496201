/*
 * uthash with a hash function that the network cannot predict, and without its
 * exit() when memory runs out: an element that could not be added has hh.tbl
 * NULL (see HASH_WAS_ADDED).
 */
#pragma once

#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>

/* Seeded from the bytes the kernel gives each process (getauxval(3)), so that
 * nobody on the network can choose names that all fall into one bucket. */
static inline unsigned hash_bytes(const void *bytes, size_t size)
{
    const uint8_t *b = bytes;
    uint64_t seed[2], h;

    memcpy(seed, (const void *)getauxval(AT_RANDOM), sizeof(seed));
    h = seed[0];
    for (size_t i = 0; i < size; i++) {
        h = (h ^ b[i]) * 0x9e3779b97f4a7c15u;
        h ^= (h >> 29) ^ seed[1];
    }
    return (unsigned)(h ^ (h >> 32));
}

#define HASH_FUNCTION(key, size, hash) ((hash) = hash_bytes((key), (size)))
#define HASH_NONFATAL_OOM 1

#include <uthash.h>

#define HASH_WAS_ADDED(element) ((element)->hh.tbl != NULL)
