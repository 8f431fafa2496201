#include "keyset.h"

#include <string.h>

#include "hash.h"

struct keyset_entry {
    void *value;
    UT_hash_handle hh;
};

/* Entries are allocated in blocks: one allocation per key would cost the reader
 * of a large problem a tenth of its time. */
struct keyset_block {
    struct keyset_block *next;
    size_t used, room;
    struct keyset_entry entries[];
};

enum { ROOM_FIRST = 16, ROOM_MAX = 1024 };

void keyset_clear(struct keyset *s)
{
    HASH_CLEAR(hh, s->entries);
    for (struct keyset_block *next; s->blocks; s->blocks = next) {
        next = s->blocks->next;
        free(s->blocks);
    }
    s->count = 0;
}

static struct keyset_entry *entry_new(struct keyset *s)
{
    struct keyset_block *block = s->blocks;

    if (!block || block->used == block->room) {
        size_t room = !block ? ROOM_FIRST : block->room < ROOM_MAX ? block->room * 2 : ROOM_MAX;

        block = malloc(sizeof(*block) + room * sizeof(*block->entries));
        if (!block)
            return NULL;
        *block = (struct keyset_block){.next = s->blocks, .room = room};
        s->blocks = block;
    }
    return &block->entries[block->used];
}

void *keyset_find(const struct keyset *s, const void *key, size_t size)
{
    struct keyset_entry *e;

    HASH_FIND(hh, s->entries, key, size, e);
    return e ? e->value : NULL;
}

void **keyset_slot(struct keyset *s, const void *key, size_t size)
{
    struct keyset_entry *e;
    unsigned hash;

    HASH_VALUE(key, size, hash);
    HASH_FIND_BYHASHVALUE(hh, s->entries, key, size, hash, e);
    if (e)
        return &e->value;
    e = entry_new(s);
    if (!e)
        return NULL;
    *e = (struct keyset_entry){0};
    HASH_ADD_KEYPTR_BYHASHVALUE(hh, s->entries, key, size, hash, e);
    if (!HASH_WAS_ADDED(e))
        return NULL;
    s->blocks->used++;
    s->count++;
    return &e->value;
}
