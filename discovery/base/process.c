#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "cleanup.h"
#include "clock.h"

enum { OUTPUT_MAX = 64 * 1024, WATCH_MS = 200 };

#ifndef SYS_close_range /* glibc before 2.32; the number of asm-generic/unistd.h */
#define SYS_close_range 436
#endif

extern char **environ;

void process_result_clear(struct process_result *result)
{
    text_clear(&result->output);
    text_clear(&result->errors);
    *result = (struct process_result){0};
}

/* Between fork and exec only async-signal-safe calls are allowed, as another
 * thread may have held any lock: all that allocates is prepared here. */
struct child {
    const struct process_options *options;
    char **env;
    int input, output, errors; /* what becomes 0, 1, 2 */
    int report;                /* takes the errno of a failed start */
};

static bool names_same(const char *a, const char *b)
{
    size_t n = strcspn(a, "=");

    return n == strcspn(b, "=") && strncmp(a, b, n) == 0;
}

/* Our environment with the options' additions; the strings are borrowed. */
static char **make_env(const char *const *changes)
{
    size_t n = 0, extra = 0, at = 0;
    char **env;

    while (environ && environ[n])
        n++;
    while (changes && changes[extra])
        extra++;
    env = calloc(n + extra + 1, sizeof(*env));
    if (!env)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        bool changed = false;

        for (size_t j = 0; j < extra && !changed; j++)
            changed = names_same(environ[i], changes[j]);
        if (!changed)
            env[at++] = environ[i];
    }
    for (size_t j = 0; j < extra; j++)
        if (strchr(changes[j], '='))
            env[at++] = (char *)(uintptr_t)changes[j];
    return env;
}

static void child_signals(void)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigset_t none;

    for (int i = 1; i < NSIG; i++)
        (void)sigaction(i, &action, NULL);
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static int limit_child(int what, uint64_t max)
{
    const struct rlimit limit = {.rlim_cur = (rlim_t)max, .rlim_max = (rlim_t)max};

    return max > 0 && setrlimit((__rlimit_resource_t)what, &limit) < 0 ? -errno : 0;
}

static int child_limits(const struct process_options *o)
{
    int r = limit_child(RLIMIT_FSIZE, o->file_max);

    /* Ignored signals stay so after exec: the program gets EFBIG, and can say so. */
    if (o->file_max > 0)
        (void)signal(SIGXFSZ, SIG_IGN);
    return r < 0 ? r : limit_child(RLIMIT_AS, o->memory_max);
}

static int child_mounts(const struct process_options *o)
{
    if (!o->mount_at)
        return 0;
    /* Mounts made outside appear inside, but not the other way round. */
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0 ||
        mount(o->mount, o->mount_at, NULL, MS_BIND, NULL) < 0)
        return -errno;
    return 0;
}

static int child_become(const struct process_options *o)
{
    int r = child_mounts(o);

    if (r < 0)
        return r;
    if (o->drop && (setgroups(0, NULL) < 0 || setresgid(o->gid, o->gid, o->gid) < 0 ||
                    setresuid(o->uid, o->uid, o->uid) < 0))
        return -errno;
    if ((o->drop || o->no_new_privileges) && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -errno;
    /* After the change of user, which would reset it (prctl(2)). */
    if (prctl(PR_SET_PDEATHSIG, o->death_signal ? o->death_signal : SIGKILL, 0, 0, 0) < 0)
        return -errno;
    if (o->folder && chdir(o->folder) < 0)
        return -errno;
    return child_limits(o);
}

/* The pipes' ends are above 2: see pipe_above. */
static int child_descriptors(struct child *c)
{
    if (dup2(c->input, STDIN_FILENO) < 0 || dup2(c->output, STDOUT_FILENO) < 0 ||
        dup2(c->errors, STDERR_FILENO) < 0)
        return -errno;
    if (c->report != 3 && dup3(c->report, 3, O_CLOEXEC) < 0)
        return -errno;
    c->report = 3;
    return 0;
}

static void __attribute__((noreturn)) child_run(struct child *c)
{
    ssize_t n;
    int r;

    if (!c->options->no_terminal || setsid() < 0) /* either makes a process group */
        (void)setpgid(0, 0);
    child_signals();
    r = child_descriptors(c);
    if (r == 0)
        r = child_become(c->options);
    if (r == 0 && c->options->confine)
        r = c->options->confine(c->options->confine_arg);
    if (r == 0) {
        /* We open everything with CLOEXEC; libraries may not.  An old kernel
         * without this call is not an error. */
        (void)syscall(SYS_close_range, 4u, ~0u, 0u);
        (void)execvpe(c->options->argv[0], (char **)(uintptr_t)c->options->argv, c->env);
        r = -errno;
    }
    do
        n = write(c->report, &r, sizeof(r));
    while (n < 0 && errno == EINTR);
    _exit(127);
}

/* A pipe whose ends are not among the standard descriptors (which a caller may
 * have closed), so that they can be moved there in any order. */
static int pipe_above(int ret[2])
{
    int fds[2];

    if (pipe2(fds, O_CLOEXEC) < 0)
        return -errno;
    for (int i = 0; i < 2; i++) {
        ret[i] = fds[i] > STDERR_FILENO ? fds[i] : fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
        if (ret[i] != fds[i])
            close(fds[i]);
    }
    return ret[0] < 0 || ret[1] < 0 ? -errno : 0;
}

void process_child_end(struct process_child *run)
{
    if (run->pid > 0) {
        siginfo_t info;

        (void)kill(-run->pid, SIGKILL);
        (void)kill(run->pid, SIGKILL); /* it may not have reached setpgid */
        while (waitid(P_PID, (id_t)run->pid, &info, WEXITED) < 0 && errno == EINTR)
            ;
    }
    cleanup_close(&run->pidfd);
    cleanup_close(&run->output);
    cleanup_close(&run->errors);
    *run = PROCESS_CHILD_INIT;
}

static int wait_started(int report, pid_t pid)
{
    int failure = 0, status;
    ssize_t n;

    do
        n = read(report, &failure, sizeof(failure));
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof(failure))
        return 0; /* exec closed it */
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return failure;
}

static int start_child(const struct process_options *o, struct process_child *run)
{
    CLEANUP_FREE char **env = make_env(o->env);
    int pipes[3][2] = {{-1, -1}, {-1, -1}, {-1, -1}}; /* output, errors, report */
    CLEANUP_CLOSE int input = open("/dev/null", O_RDONLY | O_CLOEXEC);
    sigset_t all, before;
    struct child c;
    pid_t pid = -1;
    int r = 0;

    if (input < 0)
        return -errno;
    if (!env)
        return -ENOMEM;
    for (size_t i = 0; i < 3 && r == 0; i++)
        r = pipe_above(pipes[i]);
    if (r == 0) {
        c = (struct child){o, env, input, pipes[0][1], pipes[1][1], pipes[2][1]};
        /* Our signal handlers must not run in the child. */
        sigfillset(&all);
        (void)pthread_sigmask(SIG_SETMASK, &all, &before);
        pid = fork();
        if (pid == 0)
            child_run(&c);
        r = pid < 0 ? -errno : 0;
        (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    for (size_t i = 0; i < 3; i++) {
        cleanup_close(&pipes[i][1]);
        pipes[i][1] = -1;
    }
    if (r == 0)
        r = wait_started(pipes[2][0], pid);
    if (r == 0) {
        run->pid = pid;
        run->output = TAKE_FD(pipes[0][0]);
        run->errors = TAKE_FD(pipes[1][0]);
        run->pidfd = (int)syscall(SYS_pidfd_open, pid, 0u);
        r = run->pidfd < 0 ? -errno : 0;
    }
    for (size_t i = 0; i < 3; i++)
        cleanup_close(&pipes[i][0]);
    return r;
}

/* Keeps the last `max` bytes; cuts only now and then, because each cut moves
 * the bytes. */
static void keep_tail(struct text *t, size_t max, size_t slack, bool *cut)
{
    size_t over;

    if (t->size <= max + slack)
        return;
    over = t->size - max;
    memmove(t->data, t->data + over, max + 1);
    t->size = max;
    *cut = true;
}

/* Reads what is available; closes at the end.  Returns whether it read
 * anything. */
static bool read_stream(int *fd, struct text *to, size_t max, bool *cut)
{
    char buffer[16384];
    ssize_t n = read(*fd, buffer, sizeof(buffer));

    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return false;
    if (n <= 0) {
        close(*fd);
        *fd = -1;
        return false;
    }
    text_add(to, buffer, (size_t)n);
    keep_tail(to, max, max, cut);
    return true;
}

/* Runs until the child has ended and both streams are read.  It does not wait
 * for other processes that inherited the streams and still run. */
static int watch_child(const struct process_options *o, struct process_child *run,
                       struct process_result *ret, struct error *err)
{
    int64_t deadline = o->timeout_ms ? clock_ms(CLOCK_MONOTONIC) + o->timeout_ms : INT64_MAX;
    size_t max = o->output_max ? o->output_max : OUTPUT_MAX;
    int64_t next = o->watch ? clock_ms(CLOCK_MONOTONIC) + WATCH_MS : INT64_MAX;
    bool ended = false;

    for (;;) {
        struct pollfd fds[] = {{.fd = run->output, .events = POLLIN},
                               {.fd = run->errors, .events = POLLIN},
                               {.fd = ended ? -1 : run->pidfd, .events = POLLIN},
                               {.fd = ended ? -1 : o->cancel_fd, .events = POLLIN}};
        int64_t left = deadline == INT64_MAX ? INT_MAX : deadline - clock_ms(CLOCK_MONOTONIC);
        bool came = false;
        int n;

        if (left <= 0 && !ended)
            return -ETIMEDOUT;
        if (o->watch && !ended) {
            int64_t now = clock_ms(CLOCK_MONOTONIC);
            int r = now < next ? 0 : o->watch(o->watch_arg, err);

            if (r < 0)
                return r;
            next = now < next ? next : now + WATCH_MS;
            left = left < next - now ? left : next - now;
        }
        n = poll(fds, ARRAY_SIZE(fds), ended ? 0 : left > INT_MAX ? -1 : (int)left);
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n == 0 && ended)
            return o->watch ? o->watch(o->watch_arg, err) : 0;
        if (n <= 0)
            continue;
        if (fds[0].revents)
            came |= read_stream(&run->output, &ret->output, max, &ret->output_cut);
        if (fds[1].revents)
            came |= read_stream(&run->errors, &ret->errors, max, &ret->errors_cut);
        if (fds[3].revents)
            return -ECANCELED;
        if (ended && !came)
            return o->watch ? o->watch(o->watch_arg, err) : 0;
        if (fds[2].revents) {
            ended = true;
            /* Kills the rest of its process group, so that the pipes end. */
            (void)kill(-run->pid, SIGKILL);
        }
    }
}

static int reap_child(struct process_child *run, int *ret_status)
{
    int status, r;

    do
        r = waitpid(run->pid, &status, 0);
    while (r < 0 && errno == EINTR);
    if (r < 0)
        return -errno;
    run->pid = 0;
    *ret_status = WIFEXITED(status) ? WEXITSTATUS(status) : PROCESS_SIGNALLED + WTERMSIG(status);
    return 0;
}

int process_child_reap(struct process_child *child, int *ret_status)
{
    siginfo_t info;
    int r;

    /* Its number, and so its group's, is its own until it is reaped. */
    do
        r = waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOWAIT);
    while (r < 0 && errno == EINTR);
    (void)kill(-child->pid, SIGKILL);
    return reap_child(child, ret_status);
}

int process_start(const struct process_options *options, struct process_child *ret,
                  struct error *err)
{
    CLEANUP(process_child_end) struct process_child child = PROCESS_CHILD_INIT;
    int r = start_child(options, &child);

    if (r == 0 && (fcntl(child.output, F_SETFL, O_NONBLOCK) < 0 ||
                   fcntl(child.errors, F_SETFL, O_NONBLOCK) < 0))
        r = -errno;
    if (r < 0)
        return error_sys(err, r, "cannot run %s", options->argv[0]);
    *ret = child;
    child = PROCESS_CHILD_INIT;
    return 0;
}

int process_run(const struct process_options *options, struct process_result *ret,
                struct error *err)
{
    CLEANUP(process_child_end) struct process_child run = PROCESS_CHILD_INIT;
    CLEANUP(process_result_clear) struct process_result result = {0};
    size_t max = options->output_max ? options->output_max : OUTPUT_MAX;
    const char *name = options->argv[0];
    struct error watched = {0};
    int r;

    r = start_child(options, &run);
    if (r < 0)
        return error_sys(err, r, "cannot run %s", name);
    r = watch_child(options, &run, &result, &watched);
    if (r == 0)
        r = reap_child(&run, &result.status);
    keep_tail(&result.output, max, 0, &result.output_cut);
    keep_tail(&result.errors, max, 0, &result.errors_cut);
    if (r == 0 && (text_error(&result.output) < 0 || text_error(&result.errors) < 0))
        r = -ENOMEM;
    if (r == 0 || r == -ETIMEDOUT || r == -ECANCELED) {
        process_result_clear(ret);
        *ret = result;
        result = (struct process_result){0};
    }
    if (r == -ETIMEDOUT)
        return error_set(err, r, "%s did not end within %u s", name, options->timeout_ms / 1000);
    if (r == -ECANCELED)
        return error_set(err, r, "%s was cancelled", name);
    if (r < 0 && watched.code == r)
        return error_set(err, r, "%s", watched.text);
    return r < 0 ? error_sys(err, r, "cannot run %s", name) : 0;
}

void process_end_by_signal(int signal_number)
{
    sigset_t set;

    signal(signal_number, SIG_DFL);
    sigemptyset(&set);
    sigaddset(&set, signal_number);
    raise(signal_number);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    _exit(128 + signal_number); /* not reached */
}
