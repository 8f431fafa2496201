#include "serve.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "acng.h"
#include "confine.h"
#include "devpi.h"
#include "discovery/base/cleanup.h"
#include "discovery/base/clock.h"
#include "store.h"

enum {
    RESTART_FIRST_MS = 100, /* doubled each time */
    RESTART_MAX_MS = 30 * 1000,
    STEADY_MS = 60 * 1000, /* a child that ran this long is restarted at once */
    END_MS = 10 * 1000,    /* for a child to end after SIGTERM */
    LOG_MAX = 4 * 1024 * 1024,
    ARGUMENTS = 24,
    CHILDREN = 2,
};

struct child {
    const char *name;
    const char *argv[ARGUMENTS];
    pid_t pid;              /* 0: does not run */
    int64_t started, again; /* its last start, and its next one (CLOCK_MONOTONIC, ms) */
    unsigned wait_ms;       /* before the next start */
    bool reread;            /* it must end and be started again at once */
};

struct server {
    const struct paths *paths;
    struct cache_settings settings;
    struct pip_config upstream;
    struct cache_user user;
    int lock;
    sigset_t signals, before;
    char *conf, *cache, *log, *python, *devpi, *folder, *mark, *logger;
    char port[8];
    struct child children[CHILDREN]; /* apt, pip */
};

enum { APT, PIP };

static void server_clear(struct server *s)
{
    pip_config_clear(&s->upstream);
    free(s->conf);
    free(s->cache);
    free(s->log);
    free(s->python);
    free(s->devpi);
    free(s->folder);
    free(s->mark);
    free(s->logger);
    cleanup_close(&s->lock);
}

/* --- its children ------------------------------------------------------------------- */

/* A cache that is not installed is left out: the other serves all the same. */
static void plan_apt(struct server *s)
{
    const char *program = acng_program();

    if (program)
        s->children[APT] = (struct child){.name = "apt-cacher-ng",
                                          .argv = {program, "-c", s->conf, s->cache, s->log}};
}

static bool has_devpi(const struct server *s)
{
    CLEANUP_FREE char *python = cache_path(s->paths, "pip/venv/bin/python");
    CLEANUP_FREE char *database = cache_path(s->paths, "pip/server/.sqlite");

    return python && database && access(python, X_OK) == 0 && access(database, F_OK) == 0;
}

static void plan_pip(struct server *s)
{
    (void)snprintf(s->port, sizeof(s->port), "%u", s->settings.pip_port);
    /* Only root, whose password is random, can create users and indexes.  The secret of its
     * tokens is random too, so it needs no key stretching (Argon2), which takes half a minute
     * on a machine with little memory or under load. */
    s->children[PIP] = (struct child){
        .name = "devpi-server",
        .argv = {s->python,
                 s->devpi,
                 "--serverdir",
                 s->folder,
                 "--host",
                 "127.0.0.1",
                 "--port",
                 s->port,
                 "--restrict-modify",
                 "root",
                 "--threads",
                 "20",
                 "--logger-cfg",
                 s->logger,
                 "--argon2-time-cost",
                 "1",
                 "--argon2-memory-cost",
                 "64",
                 "--argon2-parallelism",
                 "1",
                 s->settings.offline ? "--offline-mode" : NULL},
    };
}

static void set_variable(const char *name, const char *value)
{
    if (value)
        (void)setenv(name, value, 1);
}

/* devpi uses the proxy and the certificate of pip's configuration. */
static void set_environment(const struct server *s)
{
    set_variable("PYTHONNOUSERSITE", "1");
    set_variable("http_proxy", s->upstream.proxy);
    set_variable("https_proxy", s->upstream.proxy);
    set_variable("REQUESTS_CA_BUNDLE", s->upstream.cert);
    set_variable("SSL_CERT_FILE", s->upstream.cert);
    (void)unsetenv("PYTHONPATH");
    (void)unsetenv("PYTHONHOME");
}

static void __attribute__((noreturn))
run_child(const struct server *s, const struct child *c, pid_t parent)
{
    struct sigaction action = {.sa_handler = SIG_DFL};

    for (int i = 1; i < NSIG; i++)
        (void)sigaction(i, &action, NULL);
    (void)sigprocmask(SIG_SETMASK, &s->before, NULL);
    /* The child inherits the lock: as long as it lives, the caches count as running. */
    if (cache_confine_become(&s->user) == 0 && prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0) == 0 &&
        getppid() == parent && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
        fcntl(s->lock, F_SETFD, 0) == 0) {
        if (c == &s->children[PIP])
            set_environment(s);
        (void)execv(c->argv[0], (char **)(uintptr_t)c->argv);
    }
    dprintf(STDERR_FILENO, "cannot start %s: %s\n", c->argv[0], strerror(errno));
    _exit(127);
}

/* Truncates the log, which is standard error.  The children append to it, too. */
static void keep_log_short(void)
{
    struct stat st;

    if (fstat(STDERR_FILENO, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > LOG_MAX &&
        ftruncate(STDERR_FILENO, 0) < 0)
        dprintf(STDERR_FILENO, "dcop-deploy: cannot shorten the log: %s\n", strerror(errno));
}

static void start_child(struct server *s, struct child *c)
{
    pid_t parent = getpid(), pid;

    keep_log_short();
    cache_confine_files(&s->user);
    dprintf(STDERR_FILENO, "dcop-deploy: starting %s\n", c->name);
    pid = fork();
    if (pid == 0)
        run_child(s, c, parent);
    c->started = clock_ms(CLOCK_MONOTONIC);
    if (pid > 0)
        c->pid = pid;
    else
        c->again = c->started + RESTART_MAX_MS;
    if (c->reread)
        (void)unlink(s->mark);
    c->reread = false;
}

static void note_end(struct child *c, int status)
{
    int64_t now = clock_ms(CLOCK_MONOTONIC);

    dprintf(STDERR_FILENO, "dcop-deploy: %s ended (%s %d)\n", c->name,
            WIFSIGNALED(status) ? "signal" : "status",
            WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    c->pid = 0;
    if (c->reread || now - c->started > STEADY_MS)
        c->wait_ms = 0;
    c->again = now + c->wait_ms;
    c->wait_ms = c->wait_ms ? c->wait_ms * 2 : RESTART_FIRST_MS;
    if (c->wait_ms > RESTART_MAX_MS)
        c->wait_ms = RESTART_MAX_MS;
}

static void reap_children(struct server *s)
{
    int status;

    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
        for (size_t i = 0; i < CHILDREN; i++)
            if (s->children[i].pid == pid)
                note_end(&s->children[i], status);
}

static bool any_runs(const struct server *s)
{
    return s->children[APT].pid || s->children[PIP].pid;
}

static void signal_all(const struct server *s, int number)
{
    for (size_t i = 0; i < CHILDREN; i++)
        if (s->children[i].pid)
            (void)kill(s->children[i].pid, number);
}

static void end_all(struct server *s)
{
    int64_t deadline = clock_ms(CLOCK_MONOTONIC) + END_MS;

    signal_all(s, SIGTERM);
    while (reap_children(s), any_runs(s)) {
        const struct timespec look = {.tv_nsec = 100 * 1000000L};

        if (clock_ms(CLOCK_MONOTONIC) > deadline)
            signal_all(s, SIGKILL);
        (void)sigtimedwait(&s->signals, NULL, &look);
    }
}

/* --- the loop ------------------------------------------------------------------------- */

static void reread_settings(struct server *s)
{
    struct child *c = &s->children[APT];

    if (!c->name)
        return;
    c->reread = true;
    c->again = 0;
    if (c->pid)
        (void)kill(c->pid, SIGTERM);
}

/* Starts the children that are due; returns the milliseconds until the next start. */
static int64_t start_due(struct server *s)
{
    int64_t least = STEADY_MS;

    for (size_t i = 0; i < CHILDREN; i++) {
        struct child *c = &s->children[i];
        int64_t left = c->again - clock_ms(CLOCK_MONOTONIC);

        if (c->pid || !c->name)
            continue;
        if (left <= 0)
            start_child(s, c);
        else if (left < least)
            least = left;
    }
    return least;
}

static void serve_until_signal(struct server *s)
{
    for (;;) {
        int64_t ms = start_due(s);
        struct timespec wait = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
        int number = sigtimedwait(&s->signals, NULL, &wait);

        reap_children(s);
        if (number == SIGHUP)
            reread_settings(s);
        else if (number == SIGTERM || number == SIGINT)
            return;
    }
}

/* The path at which the children find that file, with `option` before it. */
static char *confined_path(const struct server *s, const char *option, const char *name)
{
    CLEANUP_FREE char *folder = s->user.drop ? strdup(CACHE_CONFINED) : cache_path(s->paths, "");
    char *path;

    return !folder || asprintf(&path, "%s%s/%s", option, folder, name) < 0 ? NULL : path;
}

static int prepare_server(struct server *s, struct error *err)
{
    struct error why = {0};
    int r = cache_settings_read(s->paths, &s->settings, err);

    if (r < 0)
        return r;
    s->user = cache_confine(s->paths);
    s->mark = cache_path(s->paths, "apt/reread");
    s->conf = confined_path(s, "", "apt/conf");
    s->cache = confined_path(s, "CacheDir=", "apt/cache");
    s->log = confined_path(s, "LogDir=", "apt/log");
    s->python = confined_path(s, "", "pip/venv/bin/python");
    s->devpi = confined_path(s, "", "pip/venv/bin/devpi-server");
    s->folder = confined_path(s, "", "pip/server");
    s->logger = confined_path(s, "", "pip/logger.json");
    if (!s->mark || !s->conf || !s->cache || !s->log || !s->python || !s->devpi || !s->folder ||
        !s->logger)
        return error_sys(err, -ENOMEM, "cannot start the caches");
    plan_apt(s);
    if (has_devpi(s) && devpi_upstream(s->paths, &s->upstream, &why) == 0)
        plan_pip(s);
    if (!s->children[PIP].name)
        dprintf(STDERR_FILENO, "dcop-deploy: devpi-server is left out: %s\n",
                why.code ? why.text : "it is not installed");
    return s->children[APT].name || s->children[PIP].name
               ? 0
               : error_set(err, -ENOPKG, "neither apt-cacher-ng nor devpi-server is installed");
}

int cache_serve(const struct paths *p, struct error *err)
{
    CLEANUP(server_clear) struct server s = {.paths = p, .lock = -1};
    int r = cache_lock(p, &s.lock, err);

    if (r == 0)
        r = cache_serving_take(p, err);
    if (r == 0)
        r = prepare_server(&s, err);
    if (r < 0)
        return r;
    sigemptyset(&s.signals);
    sigaddset(&s.signals, SIGCHLD);
    sigaddset(&s.signals, SIGTERM);
    sigaddset(&s.signals, SIGINT);
    sigaddset(&s.signals, SIGHUP);
    if (sigprocmask(SIG_BLOCK, &s.signals, &s.before) < 0)
        return error_sys(err, -errno, "cannot wait for signals");
    serve_until_signal(&s);
    end_all(&s);
    return 0;
}
