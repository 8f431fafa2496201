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
#include <sys/types.h>

#include "error.h"
#include "text.h"

struct process_options {
    const char *const *argv; /* NULL-terminated; a name without a slash is looked up in PATH */
    const char *const *env;  /* NAME=VALUE: added to ours, NAME: removed; NULL: unchanged */
    const char *folder;      /* NULL: the caller's */
    bool drop;               /* become uid and gid, with no other groups */
    uid_t uid;
    gid_t gid;
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
 * two cases `ret` has the output so far). */
int process_run(const struct process_options *options, struct process_result *ret,
                struct error *err);

/* Ends the calling process as that signal would. */
_Noreturn void process_end_by_signal(int signal_number);
