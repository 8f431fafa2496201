/*
 * A queue passes pointers from producer threads to one consumer, first in, first
 * out, with a descriptor that an event loop can wait for.
 *
 * It is the only module of the project with a lock: pushed items belong to the
 * queue, popped items to the consumer, and nothing is shared.
 *
 * queue_push may be called by any thread; queue_pop and queue_free by the
 * consumer only, and queue_free only after every producer has finished.
 */
#pragma once

#include <stddef.h>

#include "cleanup.h"

struct queue;

/* Holds up to `max` items, 0: no limit. `destroy` (or NULL) frees the items
 * that are left at the end.  NULL with errno set on failure. */
struct queue *queue_new(size_t max, void (*destroy)(void *item));
void queue_free(struct queue *q);
DEFINE_CLEANUP(struct queue *, queue_free);

/* 0; or -ENOBUFS when it is full, -ENOMEM: the caller then still owns
 * the item. */
int queue_push(struct queue *q, void *item);

/* As queue_push, but waits while the queue holds `most` items or more: for
 * producers that could fill the memory.  Never by the consumer's thread. */
int queue_push_wait(struct queue *q, void *item, size_t most);

/* What one producer has in the queue: a value, {0} at first, that only the queue reads
 * and writes.  It outlives the items that were pushed with it. */
struct queue_share {
    size_t count;
};

/* As queue_push_wait, but counts only the items of that share: a producer that is fast
 * waits, and does not fill the queue before the others. */
int queue_push_share(struct queue *q, void *item, struct queue_share *share, size_t most);

/* From now on nobody waits any more. */
void queue_hurry(struct queue *q);

/* The oldest item, NULL when there is none. */
void *queue_pop(struct queue *q);

/* Readable (EPOLLIN) exactly while the queue holds something. Not to be read. */
int queue_fd(const struct queue *q);
