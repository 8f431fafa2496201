#include "orchestrator.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "deployer/base/sandbox.h"
#include "discovery/base/cleanup.h"
#include "discovery/base/clock.h"
#include "discovery/base/file.h"
#include "discovery/base/text.h"

#ifndef SYS_close_range /* glibc before 2.32; the number of asm-generic/unistd.h */
#define SYS_close_range 436
#endif

enum { NOBODY = 65534, FOLDER_FD = 3, REQUEST_FD = 4, FIRST_FREE_FD = 5, CHUNK = 64 * 1024 };

struct orchestrator {
    pid_t pid;
    int input, output;
    struct text line;
    bool running; /* "go" was said: it is to be heard from */
    int64_t heard_ms;
    sd_event_source *readable, *silence;
    orchestrator_listener *listener;
    void *arg;
};

/* --- the child ------------------------------------------------------------------- */

struct child {
    int fds[FIRST_FREE_FD]; /* what becomes 0 to 4; all above that */
    int report;
    const struct sandbox *sandbox; /* NULL: none */
    const char *const *argv;
    const char *const *env;
};

static int child_become_nobody(void)
{
    if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
                           setresuid(NOBODY, NOBODY, NOBODY) < 0))
        return -errno;
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

static int child_prepare(const struct child *c)
{
    const struct rlimit log = {ORCHESTRATOR_LOG_MAX, ORCHESTRATOR_LOG_MAX}, core = {0, 0};
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigset_t none;
    int r;

    (void)setpgid(0, 0); /* Ctrl-C is the parent's */
    for (int i = 1; i < NSIG; i++)
        (void)sigaction(i, &action, NULL);
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    for (int i = 0; i < FIRST_FREE_FD; i++)
        if (dup2(c->fds[i], i) < 0)
            return -errno;
    if (dup3(c->report, FIRST_FREE_FD, O_CLOEXEC) < 0)
        return -errno;
    if (setrlimit(RLIMIT_FSIZE, &log) < 0 || setrlimit(RLIMIT_CORE, &core) < 0 || chdir("/") < 0)
        return -errno;
    r = child_become_nobody();
    if (r == 0 && c->sandbox)
        r = sandbox_enter(c->sandbox);
    (void)syscall(SYS_close_range, FIRST_FREE_FD + 1u, ~0u, 0u);
    return r;
}

static void __attribute__((noreturn)) child_run(struct child *c)
{
    int r = child_prepare(c);

    if (r == 0) {
        (void)execve(c->argv[0], (char **)(uintptr_t)c->argv, (char **)(uintptr_t)c->env);
        r = -errno;
    }
    (void)!write(FIRST_FREE_FD, &r, sizeof(r));
    _exit(127);
}

/* --- starting it ---------------------------------------------------------------------- */

/* Above what the child gets. */
static int move_up(int fd)
{
    int up = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, FIRST_FREE_FD + 1);

    if (fd >= 0)
        close(fd);
    return up;
}

static int make_pipe(int ret[2])
{
    int fds[2];

    if (pipe2(fds, O_CLOEXEC) < 0)
        return -errno;
    ret[0] = move_up(fds[0]);
    ret[1] = move_up(fds[1]);
    return ret[0] < 0 || ret[1] < 0 ? -EMFILE : 0;
}

static int open_request(const json_t *request, struct error *err)
{
    CLEANUP_FREE char *text = json_dumps(request, JSON_COMPACT);
    int fd = text ? move_up(memfd_create("request", MFD_CLOEXEC)) : -1, r;

    if (!text)
        return error_sys(err, -ENOMEM, "cannot start the orchestrator");
    r = fd < 0 ? -errno : file_write_all(fd, text, strlen(text));
    if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
        r = -errno;
    if (r < 0) {
        cleanup_close(&fd);
        return error_sys(err, r, "cannot start the orchestrator");
    }
    return fd;
}

bool orchestrator_has_ended(const struct orchestrator *o)
{
    siginfo_t info = {.si_pid = 0};

    return o->pid <= 0 || (waitid(P_PID, (id_t)o->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
                           info.si_pid != 0);
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

static int start_child(struct child *c, struct orchestrator *o)
{
    int report[2] = {-1, -1}, r = make_pipe(report);
    sigset_t all, before;

    if (r == 0) {
        c->report = report[1];
        sigfillset(&all);
        (void)pthread_sigmask(SIG_SETMASK, &all, &before);
        o->pid = fork();
        if (o->pid == 0)
            child_run(c);
        r = o->pid < 0 ? -errno : 0;
        (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    cleanup_close(&report[1]);
    if (r == 0)
        r = wait_started(report[0], o->pid);
    if (r < 0)
        o->pid = 0;
    cleanup_close(&report[0]);
    return r;
}

/* 0 and NULL where there is none: root has nobody, and older kernels have no Landlock. */
static int make_sandbox(const struct solve_environment *e, struct sandbox **ret, struct error *err)
{
    CLEANUP_STRINGS struct strings reads = {0};
    const struct sandbox_options options = {
        .kind = SANDBOX_LANDLOCK, .reads = &reads, .writes = "/tmp", .network = true};
    int r = geteuid() == 0 ? 0 : strings_add(&reads, e->folder);

    if (r == 0 && geteuid() != 0)
        r = sandbox_new(&options, ret, err);
    return r == -EOPNOTSUPP ? 0 : r;
}

/* The folder is reached by its descriptor: nobody may not pass the folders above it. */
static int run_program(const struct solve_environment *e, int folder, int request, int log,
                       const struct sandbox *sandbox, struct orchestrator *o)
{
    static const char *const env[] = {"PATH=/usr/local/bin:/usr/bin:/bin",
                                      "LC_ALL=C.UTF-8",
                                      "OPENBLAS_NUM_THREADS=1",
                                      "OMP_NUM_THREADS=1",
                                      "NO_PROXY=*",
                                      NULL};
    const char *argv[] = {"/usr/bin/python3",
                          "-I",
                          "-B",
                          "-W",
                          "ignore",
                          e->has_layer ? "-S" : "-u",
                          "/proc/self/fd/3/pydcop_orchestrator.py",
                          "4",
                          "/proc/self/fd/3/site",
                          e->has_layer ? "/proc/self/fd/3/layer" : NULL,
                          NULL};
    int in[2] = {-1, -1}, out[2] = {-1, -1}, r = make_pipe(in);
    struct child c = {.argv = argv, .env = env, .sandbox = sandbox};

    if (r == 0)
        r = make_pipe(out);
    if (r == 0) {
        const int fds[FIRST_FREE_FD] = {in[0], out[1], log, folder, request};

        memcpy(c.fds, fds, sizeof(fds));
        r = start_child(&c, o);
    }
    cleanup_close(&in[0]);
    cleanup_close(&out[1]);
    o->input = in[1];
    o->output = out[0];
    if (r == 0 &&
        (fcntl(o->input, F_SETFL, O_NONBLOCK) < 0 || fcntl(o->output, F_SETFL, O_NONBLOCK) < 0))
        r = -errno;
    return r;
}

int orchestrator_start(const struct solve_environment *environment, const json_t *request,
                       const char *log, struct orchestrator **ret, struct error *err)
{
    CLEANUP(orchestrator_free_p) struct orchestrator *o = calloc(1, sizeof(*o));
    CLEANUP_CLOSE int folder = move_up(open(environment->folder, O_PATH | O_DIRECTORY | O_CLOEXEC));
    CLEANUP_CLOSE int to =
        move_up(open(log, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0644));
    CLEANUP_CLOSE int asked = -1;
    CLEANUP(sandbox_free_p) struct sandbox *sandbox = NULL;
    int r;

    if (!o)
        return error_sys(err, -ENOMEM, "cannot start the orchestrator");
    o->input = o->output = -1;
    if (folder < 0 || to < 0)
        return error_sys(err, -errno, "cannot open %s", folder < 0 ? environment->folder : log);
    asked = open_request(request, err);
    if (asked < 0)
        return asked;
    r = make_sandbox(environment, &sandbox, err);
    if (r < 0)
        return r;
    r = run_program(environment, folder, asked, to, sandbox, o);
    if (r < 0)
        return error_sys(err, r, "cannot start the orchestrator");
    *ret = TAKE_PTR(o);
    return 0;
}

/* --- what it tells --------------------------------------------------------------------- */

static void end_process(struct orchestrator *o, int *ret_status)
{
    *ret_status = 0;
    if (o->pid <= 0)
        return;
    (void)kill(-o->pid, SIGKILL);
    while (waitpid(o->pid, ret_status, 0) < 0 && errno == EINTR)
        ;
    o->pid = 0;
}

/* Its output is closed, so it is ending: then nobody reads its input any more, either.  A signal
 * does not change the status of a process that is ending. */
static bool is_ending(const struct orchestrator *o)
{
    struct pollfd input = {.fd = o->input};
    int64_t end = clock_ms(CLOCK_MONOTONIC) + ORCHESTRATOR_END_MS;
    int n;

    do
        n = poll(&input, 1, (int)(end - clock_ms(CLOCK_MONOTONIC)));
    while (n < 0 && errno == EINTR && clock_ms(CLOCK_MONOTONIC) < end);
    return n > 0;
}

static void tell_end(struct orchestrator *o, const char *why)
{
    orchestrator_listener *listener = o->listener;
    char words[128];
    int status = 0;

    o->readable = sd_event_source_disable_unref(o->readable);
    o->silence = sd_event_source_disable_unref(o->silence);
    o->listener = NULL;
    if (!why && !is_ending(o))
        why = "the orchestrator's process has closed its output, and did not end";
    end_process(o, &status);
    if (why)
        ; /* which ended it */
    else if (WIFSIGNALED(status))
        (void)snprintf(words, sizeof(words), "the orchestrator was ended by signal %d (%s)",
                       WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        (void)snprintf(words, sizeof(words), "the orchestrator ended with status %d",
                       WEXITSTATUS(status));
    if (listener)
        listener(NULL, why ? why : words, o->arg);
}

static bool tell_line(struct orchestrator *o, const char *line, size_t size)
{
    json_t *event = json_loadb(line, size, JSON_REJECT_DUPLICATES, NULL);
    bool good = event && json_is_string(json_object_get(event, "event"));

    if (good && o->listener)
        o->listener(event, NULL, o->arg);
    json_decref(event);
    return good;
}

/* false: what it said cannot be understood. */
static bool tell_lines(struct orchestrator *o)
{
    const char *start = text_str(&o->line), *end;
    size_t left = o->line.size;
    struct text rest = TEXT_INIT;

    while ((end = memchr(start, '\n', left))) {
        if (!tell_line(o, start, (size_t)(end - start)))
            return false;
        left -= (size_t)(end - start) + 1;
        start = end + 1;
    }
    if (left == o->line.size)
        return left <= ORCHESTRATOR_LINE_MAX;
    text_add(&rest, start, left);
    text_clear(&o->line);
    o->line = rest;
    return left <= ORCHESTRATOR_LINE_MAX && text_error(&o->line) == 0;
}

static int on_readable(sd_event_source *source, int fd, uint32_t events, void *arg)
{
    struct orchestrator *o = arg;
    char chunk[CHUNK];
    ssize_t n = read(fd, chunk, sizeof(chunk));

    (void)source, (void)events;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n <= 0) {
        tell_end(o, NULL);
        return 0;
    }
    o->heard_ms = clock_ms(CLOCK_MONOTONIC);
    text_add(&o->line, chunk, (size_t)n);
    /* A large event comes in many chunks: only a chunk with an end is looked through. */
    if (o->line.size > ORCHESTRATOR_LINE_MAX || memchr(chunk, '\n', (size_t)n))
        if (!tell_lines(o))
            tell_end(o, "the orchestrator sent what is not an event");
    return 0;
}

static int on_silence(sd_event_source *source, uint64_t usec, void *arg)
{
    struct orchestrator *o = arg;
    int64_t limit = o->running ? ORCHESTRATOR_SILENT_MS : ORCHESTRATOR_PREPARE_MS;

    if (clock_ms(CLOCK_MONOTONIC) - o->heard_ms > limit) {
        tell_end(o, o->running ? "the orchestrator's process does not answer any more"
                               : "the orchestrator did not get ready within 120 s (a distribution "
                                 "that takes this long?)");
        return 0;
    }
    (void)sd_event_source_set_time(source, usec + 1000000);
    return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int orchestrator_listen(struct orchestrator *o, sd_event *loop, orchestrator_listener *listener,
                        void *arg, struct error *err)
{
    int64_t now = clock_ms(CLOCK_MONOTONIC);

    o->listener = listener;
    o->arg = arg;
    o->heard_ms = now;
    if (sd_event_add_io(loop, &o->readable, o->output, EPOLLIN, on_readable, o) < 0 ||
        sd_event_add_time(loop, &o->silence, CLOCK_MONOTONIC, (uint64_t)now * 1000 + 1000000, 0,
                          on_silence, o) < 0)
        return error_set(err, -EIO, "cannot wait for events");
    return 0;
}

void orchestrator_say(struct orchestrator *o, const char *words)
{
    char line[128];
    int size = snprintf(line, sizeof(line), "%s\n", words);

    if (strncmp(words, "go", 2) == 0) {
        o->running = true;
        o->heard_ms = clock_ms(CLOCK_MONOTONIC);
    }
    (void)!write(o->input, line, (size_t)size);
}

void orchestrator_free(struct orchestrator *o)
{
    int status;

    if (!o)
        return;
    (void)sd_event_source_disable_unref(o->readable);
    (void)sd_event_source_disable_unref(o->silence);
    end_process(o, &status);
    cleanup_close(&o->input);
    cleanup_close(&o->output);
    text_clear(&o->line);
    free(o);
}
