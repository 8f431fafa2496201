#include "relay.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "discovery/base/cause.h"
#include "discovery/base/cleanup.h"
#include "discovery/base/clock.h"

enum { WORDS_MAX = 2048, WORDS_MS = 1000 };

extern char **environ;

static int add_actions(posix_spawn_file_actions_t *actions, int connection, int errors)
{
    int r = posix_spawn_file_actions_adddup2(actions, connection, STDIN_FILENO);

    if (r == 0)
        r = posix_spawn_file_actions_adddup2(actions, connection, STDOUT_FILENO);
    if (r == 0)
        r = posix_spawn_file_actions_adddup2(actions, errors, STDERR_FILENO);
    if (r == 0)
        r = posix_spawn_file_actions_addclosefrom_np(actions, STDERR_FILENO + 1);
    return -r;
}

/* A session of its own has no terminal, and one group. */
static int set_attributes(posix_spawnattr_t *attributes)
{
    sigset_t none, all;

    sigemptyset(&none);
    sigfillset(&all);
    (void)posix_spawnattr_setsigmask(attributes, &none);
    (void)posix_spawnattr_setsigdefault(attributes, &all);
    return -posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK |
                                                     POSIX_SPAWN_SETSIGDEF);
}

static bool begins_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* Our environment, in which no ssh asks by a window; the strings are borrowed. */
static char **make_env(void)
{
    static const char *const without[] = {
        "SSH_ASKPASS_REQUIRE=", "SSH_ASKPASS=", "DISPLAY=", "WAYLAND_DISPLAY="};
    static const char never[] = "SSH_ASKPASS_REQUIRE=never";
    size_t n = 0, at = 0;
    char **env;

    while (environ && environ[n])
        n++;
    env = calloc(n + 2, sizeof(*env));
    for (size_t i = 0; env && i < n; i++) {
        bool stays = true;

        for (size_t k = 0; k < ARRAY_SIZE(without); k++)
            stays = stays && !begins_with(environ[i], without[k]);
        if (stays)
            env[at++] = environ[i];
    }
    if (env)
        env[at] = (char *)(uintptr_t)never;
    return env;
}

static int spawn(const struct strings *argv, int connection, int errors, pid_t *ret)
{
    CLEANUP_FREE char **copy = calloc(argv->count + 1, sizeof(*copy));
    CLEANUP_FREE char **env = make_env();
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int r;

    if (!copy || !env)
        return -ENOMEM;
    for (size_t i = 0; i < argv->count; i++)
        copy[i] = argv->items[i];
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    r = add_actions(&actions, connection, errors);
    if (r == 0)
        r = set_attributes(&attributes);
    if (r == 0)
        r = -posix_spawnp(ret, copy[0], &actions, &attributes, copy, env);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return r;
}

int relay_start(const struct strings *argv, struct relay *ret, int *ret_fd, struct error *err)
{
    int ends[2], pipes[2];
    pid_t pid = 0;
    int r;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return error_sys(err, -errno, "cannot start %s", argv->items[0]);
    if (pipe2(pipes, O_CLOEXEC) < 0) {
        r = -errno;
        close(ends[0]);
        close(ends[1]);
        return error_sys(err, r, "cannot start %s", argv->items[0]);
    }
    (void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
    (void)fcntl(pipes[0], F_SETFL, O_NONBLOCK);
    r = spawn(argv, ends[1], pipes[1], &pid);
    close(ends[1]);
    close(pipes[1]);
    if (r < 0) {
        close(ends[0]);
        close(pipes[0]);
        if (r == -ENOENT)
            return error_set(err, r,
                             "your SSH settings have a jump host for it, and there is no %s on "
                             "this computer: install OpenSSH's client (openssh-client)",
                             argv->items[0]);
        return error_sys(err, r, "cannot start %s", argv->items[0]);
    }
    *ret = (struct relay){.pid = pid, .errors = pipes[0]};
    *ret_fd = ends[0];
    return 0;
}

/* Reads until all writers have ended, or the time is up.  True: they have. */
static bool collect_words(int fd, struct text *ret)
{
    int64_t end = clock_ms(CLOCK_MONOTONIC) + WORDS_MS, left;
    char buffer[WORDS_MAX];
    ssize_t n = 1;

    while (n != 0 && ret->size < WORDS_MAX && (left = end - clock_ms(CLOCK_MONOTONIC)) > 0) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};

        if (poll(&ready, 1, (int)left) <= 0)
            break;
        n = read(fd, buffer, sizeof(buffer));
        if (n > 0)
            text_add(ret, buffer, (size_t)n);
    }
    return n == 0;
}

/* Our reading of ssh's words, and what to do. */
static const char *read_words(const char *words)
{
    if (strstr(words, "Host key verification failed"))
        return "; log in there by hand once, so that its host key is in known_hosts: nothing can "
               "be "
               "asked here";
    if (strstr(words, "Permission denied"))
        return "; nothing can be asked here: give the key to ssh-agent (`ssh-add`), or name one "
               "without a passphrase for it (IdentityFile)";
    return "";
}

int relay_explain(const struct relay *r, const struct strings *argv, int code, struct error *err)
{
    CLEANUP_TEXT struct text words = TEXT_INIT, clean = TEXT_INIT, command = TEXT_INIT;
    CLEANUP_FREE char *joined = strings_join(argv, " ");
    bool ended = collect_words(r->errors, &words);

    cause_add_clean(&clean, text_str(&words), words.size);
    cause_add_clean(&command, joined ? joined : "", joined ? strlen(joined) : 0);
    return error_set(err, ended ? -EHOSTUNREACH : code,
                     "no connection through its jump host: `%s` %s%s%s", text_str(&command),
                     clean.size > 0 ? "says: "
                     : ended        ? "has ended"
                                    : "gives no answer",
                     text_str(&clean), read_words(text_str(&words)));
}

void relay_end(struct relay *r)
{
    if (r->pid > 0) {
        (void)kill(-r->pid, SIGKILL);
        (void)kill(r->pid, SIGKILL);
        while (waitpid(r->pid, NULL, 0) < 0 && errno == EINTR)
            ;
        close(r->errors);
    }
    *r = (struct relay){0};
}
