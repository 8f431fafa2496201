#include "queue.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/eventfd.h>

struct entry {
    void *item;
    struct queue_share *share; /* NULL: of nobody */
};

struct queue {
    pthread_mutex_t lock; /* over all that follows, except `fd` and `destroy` */
    pthread_cond_t popped;
    bool hurried;
    struct entry *ring;
    size_t room, first, count;
    size_t max;
    int fd; /* its counter is 1 while count > 0, else 0 */
    void (*destroy)(void *item);
};

struct queue *queue_new(size_t max, void (*destroy)(void *item))
{
    struct queue *q = calloc(1, sizeof(*q));

    if (!q)
        return NULL;
    q->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (q->fd < 0) {
        free(q);
        return NULL;
    }
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->popped, NULL);
    q->max = max;
    q->destroy = destroy;
    return q;
}

void queue_free(struct queue *q)
{
    if (!q)
        return;
    for (void *item; (item = queue_pop(q));)
        if (q->destroy)
            q->destroy(item);
    pthread_cond_destroy(&q->popped);
    pthread_mutex_destroy(&q->lock);
    close(q->fd);
    free(q->ring);
    free(q);
}

static int grow_ring(struct queue *q)
{
    size_t room = q->room ? q->room * 2 : 16;
    struct entry *ring = calloc(room, sizeof(*ring));

    if (!ring)
        return -ENOMEM;
    for (size_t i = 0; i < q->count; i++)
        ring[i] = q->ring[(q->first + i) % q->room];
    free(q->ring);
    q->ring = ring;
    q->room = room;
    q->first = 0;
    return 0;
}

static int push_locked(struct queue *q, void *item, struct queue_share *share)
{
    if (q->max && q->count >= q->max)
        return -ENOBUFS;
    if (q->count == q->room && grow_ring(q) < 0)
        return -ENOMEM;
    q->ring[(q->first + q->count++) % q->room] = (struct entry){item, share};
    if (share)
        share->count++;
    if (q->count == 1)
        (void)eventfd_write(q->fd, 1); /* the counter was 0: cannot block */
    return 0;
}

int queue_push(struct queue *q, void *item)
{
    int r;

    pthread_mutex_lock(&q->lock);
    r = push_locked(q, item, NULL);
    pthread_mutex_unlock(&q->lock);
    return r;
}

int queue_push_wait(struct queue *q, void *item, size_t most)
{
    int r;

    pthread_mutex_lock(&q->lock);
    while (q->count >= most && !q->hurried)
        pthread_cond_wait(&q->popped, &q->lock);
    r = push_locked(q, item, NULL);
    pthread_mutex_unlock(&q->lock);
    return r;
}

int queue_push_share(struct queue *q, void *item, struct queue_share *share, size_t most)
{
    int r;

    pthread_mutex_lock(&q->lock);
    while (share->count >= most && !q->hurried)
        pthread_cond_wait(&q->popped, &q->lock);
    r = push_locked(q, item, share);
    pthread_mutex_unlock(&q->lock);
    return r;
}

void queue_hurry(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->hurried = true;
    pthread_cond_broadcast(&q->popped);
    pthread_mutex_unlock(&q->lock);
}

void *queue_pop(struct queue *q)
{
    void *item = NULL;

    pthread_mutex_lock(&q->lock);
    if (q->count > 0) {
        struct entry *e = &q->ring[q->first];

        item = e->item;
        if (e->share)
            e->share->count--;
        q->first = (q->first + 1) % q->room;
        if (--q->count == 0)
            (void)eventfd_read(q->fd, &(eventfd_t){0});
        pthread_cond_broadcast(&q->popped); /* each waits for room of its own */
    }
    pthread_mutex_unlock(&q->lock);
    return item;
}

int queue_fd(const struct queue *q)
{
    return q->fd;
}
