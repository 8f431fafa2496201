/*
 * A task is a long operation in a thread of its own; its end is reported on the
 * loop.
 */
#pragma once

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "discovery/base/cleanup.h"
#include "discovery/base/error.h"

/* In the thread; `cancel_fd` becomes readable when the task is cancelled. */
typedef void task_run(void *arg, int cancel_fd);
/* On the loop, once; the task may be freed in it. */
typedef void task_done(void *arg);

struct task;

int task_start(sd_event *loop, task_run *run, task_done *done, void *arg, struct task **ret,
               struct error *err);

/* Cancels it and waits for it; `done` is not called any more. */
void task_free(struct task *t);
DEFINE_CLEANUP(struct task *, task_free);
