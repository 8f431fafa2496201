/*
 * A child process that is started, watched and ended before process_run returns.
 *
 * The child reads /dev/null, has default signal handlers and an empty signal
 * mask, no descriptor but 0 to 2, and a process group of its own: ^C on the
 * terminal reaches only the caller, which ends the child through `cancel_fd`.
 * The group is killed when its leader ends, so that nothing is left behind.
 *
 * Any thread may call it, several at once.  The caller must not reap unknown
 * children (waitpid(-1)) meanwhile, nor ignore SIGCHLD.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "error.h"
#include "text.h"

struct process_options {
    const char *const *argv; /* NULL-terminated; a name without a slash is looked up in PATH */
    const char *const *env;  /* NAME=VALUE: added to ours, NAME: removed; NULL: unchanged */
    const char *folder;      /* NULL: the caller's */
    const char *mount;       /* a folder that the child sees at `mount_at`, in a mount namespace */
    const char *mount_at;    /* of its own, whoever may enter the way to it; NULL: none.  As root */
    bool no_terminal;        /* a session of its own: it can ask nobody for a password */
    bool drop;               /* become uid and gid, with no other groups */
    uid_t uid;
    gid_t gid;
    bool no_new_privileges; /* implied by `drop` */
    uint64_t file_max;      /* bytes of a file that it writes (EFBIG, no signal); 0: no limit */
    uint64_t memory_max;    /* bytes of address space of each process; 0: no limit */
    /* Called about five times a second while it runs; negative, with words, ends it. */
    int (*watch)(void *arg, struct error *err);
    void *watch_arg;
    /* Called in the child, as that user and in `folder`, before the program; may be NULL.  Only
     * what is safe between fork and exec; 0 or a negative errno.  Descriptors 0 to 3 are not
     * the caller's any more. */
    int (*confine)(const void *arg);
    const void *confine_arg;
    int death_signal;    /* to the child when the calling thread ends; 0: SIGKILL */
    unsigned timeout_ms; /* 0: none */
    int cancel_fd;       /* readable: end it; -1: none.  Polled, never read */
    size_t output_max;   /* the last bytes of each stream that are kept; 0: 64 KiB */
};

enum { PROCESS_SIGNALLED = 256 }; /* plus the signal's number */

/* A value: start with {0}, process_result_clear. */
struct process_result {
    int status; /* exit status, or PROCESS_SIGNALLED + signal */
    struct text output;
    struct text errors;
    bool output_cut, errors_cut; /* the beginning is missing */
};

void process_result_clear(struct process_result *result);

/* Runs the program to its end.  0 whatever its exit status; -ENOENT, -EACCES
 * and the like when it could not be started, -ETIMEDOUT, -ECANCELED (in these
 * two cases `ret` has the output so far), or what `watch` has returned. */
int process_run(const struct process_options *options, struct process_result *ret,
                struct error *err);

/* A child that its caller watches, such as on an event loop.  A value: start with
 * PROCESS_CHILD_INIT, process_child_end. */
struct process_child {
    pid_t pid;          /* of it and of its group; 0: it is reaped, or was not started */
    int pidfd;          /* readable when it has ended */
    int output, errors; /* the pipes' ends, which do not block; -1: closed */
};

#define PROCESS_CHILD_INIT ((struct process_child){.pidfd = -1, .output = -1, .errors = -1})

/* Starts the program.  Of the options, what is about time, `watch` and the output is not for
 * this.  Errors of process_run's start. */
int process_start(const struct process_options *options, struct process_child *ret,
                  struct error *err);

/* Waits for its end, and kills the rest of its group.  Status as in process_result, or a negative
 * errno. */
int process_child_reap(struct process_child *child, int *ret_status);

/* Kills it with its group, reaps it, and closes all. */
void process_child_end(struct process_child *child);

/* Ends the calling process as that signal would. */
_Noreturn void process_end_by_signal(int signal_number);
