#include "keyset.h"

#include <stdbool.h>
#include <string.h>
#include <sys/random.h>

enum { ROOM_FIRST = 16 };

struct keyset_slot {
    const void *key;
    size_t size;
    uint64_t hash;
    void *value; /* NULL: free */
};

void keyset_clear(struct keyset *s)
{
    free(s->slots);
    *s = (struct keyset){0};
}

static uint64_t mix(uint64_t hash, uint64_t word)
{
    unsigned __int128 product = (unsigned __int128)(hash ^ word) * 0x9e3779b97f4a7c15u;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t hash_of(const struct keyset *s, const void *key, size_t size)
{
    const unsigned char *p = key;
    uint64_t hash = s->seed ^ size, word;

    for (; size >= sizeof(word); p += sizeof(word), size -= sizeof(word)) {
        memcpy(&word, p, sizeof(word));
        hash = mix(hash, word);
    }
    word = 0;
    if (size > 0)
        memcpy(&word, p, size);
    return mix(mix(hash, word), s->seed);
}

/* The slot that holds the key, or the free one where it belongs. */
static struct keyset_slot *slot_of(const struct keyset *s, const void *key, size_t size,
                                   uint64_t hash)
{
    size_t at = (size_t)hash & (s->room - 1);

    for (;; at = (at + 1) & (s->room - 1)) {
        struct keyset_slot *slot = &s->slots[at];

        if (!slot->value)
            return slot;
        if (slot->hash == hash && slot->size == size && memcmp(slot->key, key, size) == 0)
            return slot;
    }
}

static bool grow(struct keyset *s)
{
    struct keyset bigger = {.room = s->room ? s->room * 2 : ROOM_FIRST, .seed = s->seed};

    bigger.slots = calloc(bigger.room, sizeof(*bigger.slots));
    if (!bigger.slots)
        return false;
    /* Without random bytes (an old kernel at boot) it works, only unkeyed. */
    if (s->room == 0 && getrandom(&bigger.seed, sizeof(bigger.seed), GRND_NONBLOCK) < 0)
        bigger.seed = 1;
    for (size_t i = 0; i < s->room; i++) {
        const struct keyset_slot *old = &s->slots[i];

        if (old->value)
            *slot_of(&bigger, old->key, old->size, old->hash) = *old;
    }
    bigger.count = s->count;
    free(s->slots);
    *s = bigger;
    return true;
}

void *keyset_find(const struct keyset *s, const void *key, size_t size)
{
    return s->room ? slot_of(s, key, size, hash_of(s, key, size))->value : NULL;
}

void **keyset_slot(struct keyset *s, const void *key, size_t size)
{
    struct keyset_slot *slot;
    uint64_t hash;

    if (s->count >= s->room / 2 && !grow(s))
        return NULL;
    hash = hash_of(s, key, size);
    slot = slot_of(s, key, size, hash);
    if (!slot->value) {
        *slot = (struct keyset_slot){.key = key, .size = size, .hash = hash};
        s->count++;
    }
    return &slot->value;
}
