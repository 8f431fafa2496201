#include "executor.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "deployer/ssh/session.h"
#include "discovery/base/queue.h"

/* What a worker's calls into libssh and the crypto below it need, generously;
 * only touched pages count. */
enum { WORKER_STACK = 512 * 1024 };

/* Events of one machine that may wait to be told, some 4 KiB each; beyond that its worker
 * waits, so that nothing more is read from its connection. */
enum { EVENTS_WAITING_MAX = 64 };

/* Events taken per turn, so that they do not delay a signal, a timer or a request. */
enum { EVENTS_AT_ONCE = 32 };

/* An event on its way from a worker: a copy that owns its strings. */
struct message {
    size_t index;
    struct job_event event;
    struct stepwire_event step;
    char *text, *name, *detail, *lines;
};

enum slot_state { SLOT_WAITING, SLOT_RUNNING, SLOT_DONE };

struct slot {
    struct executor *executor;
    size_t index;
    struct job job;
    enum slot_state state;
    pthread_t thread;
    struct queue_share share;
    struct message *last; /* made ahead: JOB_DONE must arrive without memory too */
};

struct executor {
    sd_event_source *source;
    struct queue *queue;
    struct slot **slots; /* by index; NULL once JOB_DONE was told */
    size_t n_slots, next, running, done;
    unsigned forks;
    struct stop_fds stop; /* eventfds: readable, and never read, once asked for */
    bool stopped;
    executor_listener *listener;
    void *arg;
};

static void message_free(void *item)
{
    struct message *m = item;

    if (!m)
        return;
    free(m->text);
    free(m->name);
    free(m->detail);
    free(m->lines);
    free(m);
}

/* Copies what `event` says into `m`; a string for which there is no memory is
 * left empty rather than the event lost. */
static void message_fill(struct message *m, const struct job_event *event)
{
    m->event = *event;
    if (event->text)
        m->text = strdup(event->text);
    m->event.text = m->text ? m->text : "";
    if (!event->step)
        return;
    m->step = *event->step;
    m->name = strdup(event->step->name);
    m->detail = strdup(event->step->detail);
    m->lines = strdup(event->step->lines);
    m->step.name = m->name ? m->name : "";
    m->step.detail = m->detail ? m->detail : "";
    m->step.lines = m->lines ? m->lines : "";
    m->event.step = &m->step;
}

/* In the worker. */
static void on_job_event(const struct job_event *event, void *arg)
{
    struct slot *slot = arg;
    struct message *m =
        event->kind == JOB_DONE ? TAKE_PTR(slot->last) : calloc(1, sizeof(struct message));

    if (!m)
        return;
    m->index = slot->index;
    message_fill(m, event);
    /* The main thread tells JOB_DONE of jobs that never had a thread: it cannot wait. */
    if (event->kind == JOB_DONE
            ? queue_push(slot->executor->queue, m) < 0
            : queue_push_share(slot->executor->queue, m, &slot->share, EVENTS_WAITING_MAX) < 0)
        message_free(m);
}

static void *run_job(void *arg)
{
    struct slot *slot = arg;

    job_run(&slot->job, slot->executor->stop, on_job_event, slot);
    return NULL;
}

static void end_without_thread(struct slot *slot, enum job_outcome outcome, const char *why)
{
    struct job_event event = {.kind = JOB_DONE, .outcome = outcome, .text = why};

    slot->state = SLOT_DONE;
    slot->executor->done++;
    on_job_event(&event, slot);
}

static int start_thread(struct slot *slot)
{
    pthread_attr_t attributes;
    int r = pthread_attr_init(&attributes);

    if (r != 0)
        return -r;
    (void)pthread_attr_setstacksize(&attributes, WORKER_STACK);
    r = pthread_create(&slot->thread, &attributes, run_job, slot);
    (void)pthread_attr_destroy(&attributes);
    return -r;
}

static void start_waiting(struct executor *e)
{
    while (e->next < e->n_slots && (e->stopped || e->running < e->forks)) {
        struct slot *slot = e->slots[e->next++];

        if (e->stopped)
            end_without_thread(slot, JOB_CANCELLED, "interrupted before it started");
        else if (start_thread(slot) < 0)
            end_without_thread(slot, JOB_FAILED, "cannot start a thread for it");
        else {
            slot->state = SLOT_RUNNING;
            e->running++;
        }
    }
}

static void slot_free(struct slot *slot)
{
    job_clear(&slot->job);
    message_free(slot->last);
    free(slot);
}

static void join_worker(struct slot *slot)
{
    (void)pthread_join(slot->thread, NULL);
    slot->state = SLOT_DONE;
    slot->executor->running--;
    slot->executor->done++;
}

static int on_queue(sd_event_source *source, int fd, uint32_t events, void *arg)
{
    struct executor *e = arg;
    struct message *m;

    (void)source;
    (void)fd;
    (void)events;
    for (int i = 0; i < EVENTS_AT_ONCE && (m = queue_pop(e->queue)); i++) {
        struct slot *slot = e->slots[m->index];

        if (m->event.kind == JOB_DONE && slot->state == SLOT_RUNNING)
            join_worker(slot);
        e->listener(m->index, &m->event, e->arg);
        if (slot->state == SLOT_DONE && m->event.kind == JOB_DONE)
            slot_free(TAKE_PTR(e->slots[m->index]));
        message_free(m);
    }
    start_waiting(e);
    return 0;
}

int executor_new(sd_event *loop, unsigned forks, executor_listener *listener, void *arg,
                 struct executor **ret, struct error *err)
{
    CLEANUP(executor_free_p) struct executor *e = calloc(1, sizeof(*e));
    int r;

    if (!e)
        return error_sys(err, -ENOMEM, "cannot start workers");
    *e = (struct executor){.forks = forks, .listener = listener, .arg = arg};
    e->stop.stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    e->stop.cancel = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (e->stop.stop < 0 || e->stop.cancel < 0)
        return error_sys(err, -errno, "cannot start workers");
    e->queue = queue_new(0, message_free);
    if (!e->queue)
        return error_sys(err, -errno, "cannot start workers");
    r = sd_event_add_io(loop, &e->source, queue_fd(e->queue), EPOLLIN, on_queue, e);
    if (r < 0)
        return error_sys(err, r, "cannot start workers");
    *ret = TAKE_PTR(e);
    return 0;
}

void executor_free(struct executor *e)
{
    if (!e)
        return;
    executor_cancel(e);
    if (e->queue)
        queue_hurry(e->queue);
    for (size_t i = 0; i < e->n_slots; i++)
        if (e->slots[i] && e->slots[i]->state == SLOT_RUNNING)
            join_worker(e->slots[i]);
    (void)sd_event_source_disable_unref(e->source);
    queue_free(e->queue); /* uses the shares of the slots */
    for (size_t i = 0; i < e->n_slots; i++)
        if (e->slots[i])
            slot_free(e->slots[i]);
    free(e->slots);
    if (e->stop.stop >= 0)
        (void)close(e->stop.stop);
    if (e->stop.cancel >= 0)
        (void)close(e->stop.cancel);
    free(e);
}

int executor_add(struct executor *e, struct job *job, size_t *ret_index)
{
    struct slot **slots = reallocarray(e->slots, e->n_slots + 1, sizeof(struct slot *));
    struct slot *slot;

    if (!slots)
        return -ENOMEM;
    e->slots = slots;
    slot = calloc(1, sizeof(*slot));
    if (!slot)
        return -ENOMEM;
    slot->last = calloc(1, sizeof(*slot->last));
    if (!slot->last) {
        free(slot);
        return -ENOMEM;
    }
    slot->executor = e;
    slot->index = e->n_slots;
    slot->job = *job;
    *job = (struct job){0};
    e->slots[e->n_slots++] = slot;
    *ret_index = slot->index;
    start_waiting(e);
    return 0;
}

void executor_stop(struct executor *e)
{
    e->stopped = true;
    if (e->stop.stop >= 0)
        (void)eventfd_write(e->stop.stop, 1);
    start_waiting(e);
}

void executor_cancel(struct executor *e)
{
    if (e->stop.cancel >= 0)
        (void)eventfd_write(e->stop.cancel, 1);
    executor_stop(e);
}

bool executor_idle(const struct executor *e)
{
    return e->done == e->n_slots;
}
