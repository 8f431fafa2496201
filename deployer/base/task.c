#include "task.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

struct task {
    task_run *run;
    task_done *done;
    void *arg;
    pthread_t thread;
    bool started;
    int cancel, over; /* eventfds */
    sd_event_source *source;
};

static void *run_task(void *arg)
{
    struct task *t = arg;

    t->run(t->arg, t->cancel);
    (void)eventfd_write(t->over, 1);
    return NULL;
}

static int on_task_over(sd_event_source *source, int fd, uint32_t events, void *arg)
{
    struct task *t = arg;

    (void)fd, (void)events;
    (void)sd_event_source_set_enabled(source, SD_EVENT_OFF);
    (void)pthread_join(t->thread, NULL);
    t->started = false;
    t->done(t->arg);
    return 0;
}

int task_start(sd_event *loop, task_run *run, task_done *done, void *arg, struct task **ret,
               struct error *err)
{
    CLEANUP(task_free_p) struct task *t = calloc(1, sizeof(*t));
    sigset_t all, before;
    int r;

    if (!t)
        return error_sys(err, -ENOMEM, "cannot start a thread");
    *t = (struct task){.run = run, .done = done, .arg = arg};
    t->cancel = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    t->over = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (t->cancel < 0 || t->over < 0)
        return error_sys(err, -errno, "cannot start a thread");
    r = sd_event_add_io(loop, &t->source, t->over, EPOLLIN, on_task_over, t);
    if (r < 0)
        return error_sys(err, r, "cannot start a thread");
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    r = -pthread_create(&t->thread, NULL, run_task, t);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (r < 0)
        return error_sys(err, r, "cannot start a thread");
    t->started = true;
    *ret = TAKE_PTR(t);
    return 0;
}

void task_free(struct task *t)
{
    if (!t)
        return;
    if (t->started) {
        (void)eventfd_write(t->cancel, 1);
        (void)pthread_join(t->thread, NULL);
    }
    (void)sd_event_source_disable_unref(t->source);
    if (t->cancel >= 0)
        (void)close(t->cancel);
    if (t->over >= 0)
        (void)close(t->over);
    free(t);
}
