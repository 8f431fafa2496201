#include "start.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "acng.h"
#include "discovery/base/cleanup.h"
#include "discovery/base/clock.h"
#include "discovery/base/file.h"
#include "services.h"

enum {
    LOOK_MS = 50,
    ANSWER_MS = 2000,
    START_MS = 120 * 1000, /* devpi on a small computer */
    STOP_MS = 20 * 1000,
    KILL_MS = 5 * 1000,
    SAID_MAX = 8 * 1024 * 1024,
};

static void pause_ms(void)
{
    static const struct timespec look = {.tv_nsec = LOOK_MS * 1000000L};

    (void)nanosleep(&look, NULL);
}

/* --- starting ---------------------------------------------------------------- */

/* In the child: keeps no descriptor but /dev/null and the log. */
static void __attribute__((noreturn)) become_supervisor(const char *state, int null, int log)
{
    const char *argv[] = {"dcop-deploy", "--state-dir", state, "cache", "serve", NULL};
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigset_t none;

    (void)setsid();
    for (int i = 1; i < NSIG; i++)
        (void)sigaction(i, &action, NULL);
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    if (dup2(null, STDIN_FILENO) >= 0 && dup2(log, STDOUT_FILENO) >= 0 &&
        dup2(log, STDERR_FILENO) >= 0 && chdir("/") == 0) {
        (void)syscall(SYS_close_range, 3u, ~0u, 0u);
        (void)unsetenv("DCOP_PASSWORD");
        (void)unsetenv("DCOP_BECOME_PASSWORD");
        (void)execv("/proc/self/exe", (char **)(uintptr_t)argv);
    }
    _exit(127);
}

static int spawn_supervisor(const struct paths *p, const char *path, pid_t *ret, struct error *err)
{
    CLEANUP_CLOSE int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    CLEANUP_CLOSE int log =
        open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    CLEANUP_FREE char *state = realpath(p->state, NULL);
    pid_t pid;

    if (null < 0 || log < 0 || !state)
        return error_sys(err, -errno, "cannot write %s", path);
    pid = fork();
    if (pid == 0)
        become_supervisor(state, null, log);
    if (pid < 0)
        return error_sys(err, -errno, "cannot start the caches");
    *ret = pid;
    return 0;
}

/* The last lines of the log, without the supervisor's messages about starts. */
static int explain_failure(const char *path, const char *what, struct error *err)
{
    CLEANUP_TEXT struct text said = TEXT_INIT, words = TEXT_INIT;
    const char *lines[3] = {0};
    size_t n = 0;
    char *save = NULL;

    (void)file_read(path, SAID_MAX, &said, NULL);
    for (char *line = said.data ? strtok_r(said.data, "\n", &save) : NULL; line;
         line = strtok_r(NULL, "\n", &save)) {
        if (strncmp(line, "dcop-deploy: starting", 21) == 0)
            continue;
        if (n == ARRAY_SIZE(lines)) {
            memmove(lines, lines + 1, sizeof(lines) - sizeof(*lines));
            n--;
        }
        lines[n++] = line;
    }
    for (size_t i = 0; i < n; i++) {
        CLEANUP_FREE char *line = strndup(lines[i], 200);

        text_adds(&words, i ? "; " : "");
        text_add_printable(&words, line ? line : "");
    }
    return error_set(err, -EIO, "%s: %s (the whole log: %s)", what,
                     n ? text_str(&words) : "the log gives no reason", path);
}

/* `pair` is left with those that answer.  -EIO: the supervisor has ended; -ETIMEDOUT: not all
 * answer. */
static int await_answers(const struct cache_settings *s, pid_t supervisor, struct cache_pair *pair,
                         bool *ret_ended)
{
    int64_t deadline = clock_ms(CLOCK_MONOTONIC) + START_MS;
    const struct cache_pair wanted = *pair;
    int status;

    *pair = (struct cache_pair){0};

    while (clock_ms(CLOCK_MONOTONIC) < deadline) {
        if (waitpid(supervisor, &status, WNOHANG) == supervisor) {
            *ret_ended = true;
            return -EIO;
        }
        pair->apt = pair->apt || (wanted.apt && acng_answers(s->apt_port, ANSWER_MS));
        pair->pip = pair->pip || (wanted.pip && devpi_answers(s->pip_port, ANSWER_MS));
        if (pair->apt == wanted.apt && pair->pip == wanted.pip)
            return 0;
        pause_ms();
    }
    return -ETIMEDOUT;
}

int cache_start(const struct paths *p, const struct cache_settings *s, struct cache_pair *pair,
                struct error *err)
{
    CLEANUP_FREE char *log = cache_path(p, "log");
    CLEANUP_FREE char *mark = cache_path(p, "apt/reread");
    bool ended = false;
    pid_t pid = 0;
    int r;

    if (!log || !mark)
        return error_sys(err, -ENOMEM, "cannot start the caches");
    (void)unlink(mark);
    r = spawn_supervisor(p, log, &pid, err);
    if (r < 0)
        return r;
    r = await_answers(s, pid, pair, &ended);
    if (r == 0)
        return 0;
    if (!ended && (pair->apt || pair->pip)) {
        (void)explain_failure(
            log, pair->apt ? "devpi-server does not answer" : "apt-cacher-ng does not answer", err);
        return 0;
    }
    *pair = (struct cache_pair){0};
    if (!ended) {
        (void)kill(pid, SIGTERM);
        (void)cache_stop(p, NULL);
        (void)waitpid(pid, NULL, WNOHANG);
    }
    return explain_failure(log, r == -EIO ? "the caches do not start" : "the caches do not answer",
                           err);
}

/* --- ending ------------------------------------------------------------------------ */

/* Does this descriptor hold the lock?  It may only have the file open. */
static bool fd_locks(const char *pid, const char *fd)
{
    CLEANUP_TEXT struct text info = TEXT_INIT;
    char path[96];

    (void)snprintf(path, sizeof(path), "/proc/%.20s/fdinfo/%.20s", pid, fd);
    return file_read(path, SAID_MAX, &info, NULL) == 0 && strstr(text_str(&info), "FLOCK");
}

static bool process_holds(const char *pid, const struct stat *file)
{
    char folder[64];
    struct stat st;
    bool found = false;
    DIR *dir;

    (void)snprintf(folder, sizeof(folder), "/proc/%.20s/fd", pid);
    dir = opendir(folder);
    if (!dir)
        return false;
    for (const struct dirent *e; !found && (e = readdir(dir));)
        found = fstatat(dirfd(dir), e->d_name, &st, 0) == 0 && st.st_dev == file->st_dev &&
                st.st_ino == file->st_ino && fd_locks(pid, e->d_name);
    (void)closedir(dir);
    return found;
}

/* A process that still holds the lock without a supervisor has inherited it from one that was
 * killed: it is ours, whatever its name. */
static void kill_leftovers(const struct paths *p)
{
    CLEANUP_FREE char *path = cache_path(p, "lock");
    struct stat file;
    DIR *dir = opendir("/proc");

    if (!path || stat(path, &file) < 0 || !dir) {
        if (dir)
            (void)closedir(dir);
        return;
    }
    for (const struct dirent *e; (e = readdir(dir));) {
        CLEANUP_CLOSE int pidfd = -1;
        pid_t pid = isdigit((unsigned char)*e->d_name) ? (pid_t)strtol(e->d_name, NULL, 10) : 0;

        if (pid <= 1 || pid == getpid())
            continue;
        /* The pidfd is opened first, so that the process that is checked is the one that is
         * killed. */
        pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
        if (pidfd >= 0 && process_holds(e->d_name, &file))
            (void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
    }
    (void)closedir(dir);
}

static bool await_end(const struct paths *p, int64_t ms)
{
    for (int64_t deadline = clock_ms(CLOCK_MONOTONIC) + ms;
         cache_runs(p) || cache_serving_pid(p);) {
        if (clock_ms(CLOCK_MONOTONIC) > deadline)
            return false;
        pause_ms();
    }
    return true;
}

int cache_stop(const struct paths *p, struct error *err)
{
    if (!cache_runs(p) && !cache_serving_pid(p))
        return 0;
    if (cache_serving_signal(p, SIGTERM) == 0 && await_end(p, STOP_MS))
        return 0;
    (void)cache_serving_signal(p, SIGKILL);
    kill_leftovers(p);
    return await_end(p, KILL_MS)
               ? 0
               : error_set(err, -EBUSY,
                           "the caches of %s do not stop; their process cannot be seen from here "
                           "(another user, another container, another computer?)",
                           p->state);
}

/* --- new settings -------------------------------------------------------------------- */

int cache_reread(const struct paths *p, const struct cache_settings *s, struct error *err)
{
    CLEANUP_FREE char *mark = cache_path(p, "apt/reread");
    int64_t deadline = clock_ms(CLOCK_MONOTONIC) + STOP_MS;
    int r = mark ? file_write(mark, "", 0, 0600, err)
                 : error_sys(err, -ENOMEM, "cannot make apt-cacher-ng read its new settings");

    if (r < 0)
        return r;
    if (cache_serving_signal(p, SIGHUP) < 0)
        return error_set(err, -ESRCH, "the caches have ended; `dcop-deploy cache up` starts them");
    while (clock_ms(CLOCK_MONOTONIC) < deadline) {
        if (access(mark, F_OK) < 0 && acng_answers(s->apt_port, ANSWER_MS))
            return 0;
        pause_ms();
    }
    return error_set(err, -ETIMEDOUT,
                     "apt-cacher-ng does not answer with its new settings; `dcop-deploy cache "
                     "down` and `cache up` restart it");
}
