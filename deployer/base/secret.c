#include "secret.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <termios.h>

#include "discovery/base/file.h"

struct secret {
    size_t size;
    char text[SECRET_MAX + 1]; /* with a NUL */
    char line[SECRET_MAX + 2]; /* with a newline and a NUL */
};

/* A core dump would hold copies that the SSH library makes, and another process of
 * this user could read them from this one. */
static int close_process(struct error *err)
{
    struct rlimit none = {0, 0};

    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || setrlimit(RLIMIT_CORE, &none) < 0)
        return error_sys(err, -errno, "cannot keep passwords out of core dumps");
    return 0;
}

int secret_new(const char *bytes, size_t size, struct secret **ret, struct error *err)
{
    struct secret *s;
    int r;

    if (size == 0)
        return error_set(err, -EINVAL, "the password or passphrase is empty");
    if (size > SECRET_MAX)
        return error_set(err, -EINVAL, "the password or passphrase has more than %d bytes",
                         SECRET_MAX);
    if (memchr(bytes, '\0', size) || memchr(bytes, '\n', size))
        return error_set(err, -EINVAL, "the password or passphrase contains a NUL or a newline");
    r = close_process(err);
    if (r < 0)
        return r;
    /* Locked as far as RLIMIT_MEMLOCK lets it, left out of cores, with guard
     * pages around. */
    s = sodium_init() < 0 ? NULL : sodium_malloc(sizeof(*s));
    if (!s)
        return error_sys(err, -ENOMEM, "cannot keep a password");
    memset(s, 0, sizeof(*s));
    s->size = size;
    memcpy(s->text, bytes, size);
    memcpy(s->line, bytes, size);
    s->line[size] = '\n';
    (void)sodium_mprotect_readonly(s);
    *ret = s;
    return 0;
}

void secret_free(struct secret *s)
{
    sodium_free(s); /* wipes it */
}

const char *secret_text(const struct secret *s)
{
    return s->text;
}

const char *secret_line(const struct secret *s)
{
    return s->line;
}

size_t secret_size(const struct secret *s)
{
    return s->size;
}

/* --- from a file ---------------------------------------------------------------- */

static int check_owner(int fd, const char *path, struct error *err)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return error_sys(err, -errno, "cannot read %s", path);
    /* A pipe, as a shell's <(…) makes it, has nobody else at its other end. */
    if (S_ISREG(st.st_mode) && st.st_mode & (S_IRWXG | S_IRWXO))
        return error_set(err, -EPERM, "others can read %s; chmod 600 %s", path, path);
    if (S_ISREG(st.st_mode) && st.st_uid != geteuid() && st.st_uid != 0)
        return error_set(err, -EPERM, "%s belongs to another user; create one of your own", path);
    return 0;
}

/* Up to the end of the first line, the file, or the buffer. */
static int read_line(int fd, char *buffer, size_t size, size_t *ret_length)
{
    size_t n = 0;

    while (n < size) {
        ssize_t got = read(fd, buffer + n, 1);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0 || buffer[n] == '\n')
            break;
        n++;
    }
    if (n > 0 && n < size && buffer[n - 1] == '\r')
        n--;
    *ret_length = n;
    return 0;
}

int secret_read(const char *path, struct secret **ret, struct error *err)
{
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    char buffer[SECRET_MAX + 1];
    struct error why = {0};
    size_t n = 0;
    int r;

    if (fd < 0)
        return error_sys(err, -errno, "cannot read %s", path);
    r = check_owner(fd, path, err);
    if (r < 0)
        return r;
    r = read_line(fd, buffer, sizeof(buffer), &n);
    if (r < 0)
        return error_sys(err, r, "cannot read %s", path);
    r = secret_new(buffer, n, ret, &why);
    sodium_memzero(buffer, sizeof(buffer));
    return r < 0 ? error_set(err, r, "%s: %s in its first line", path, why.text) : 0;
}

/* --- from the environment ---------------------------------------------------------- */

int secret_take_environment(const char *name, struct secret **ret, struct error *err)
{
    char *value = getenv(name);
    struct error why = {0};
    int r = 0;

    *ret = NULL;
    if (!value)
        return 0;
    if (*value)
        r = secret_new(value, strlen(value), ret, &why);
    /* The bytes themselves: /proc/PID/environ shows them wherever the pointer goes. */
    sodium_memzero(value, strlen(value));
    (void)unsetenv(name);
    return r < 0 ? error_set(err, r, "%s: %s", name, why.text) : 0;
}

/* --- from a person -------------------------------------------------------------- */

/* Waits for a line; the number of a signal that came first, 0, or an error. */
static int await_line(int tty, int signals, char *buffer, size_t size, size_t *ret_length)
{
    struct pollfd fds[] = {{.fd = signals, .events = POLLIN}, {.fd = tty, .events = POLLIN}};
    struct signalfd_siginfo info;

    while (poll(fds, ARRAY_SIZE(fds), -1) < 0)
        if (errno != EINTR)
            return -errno;
    if (fds[0].revents && read(signals, &info, sizeof(info)) == sizeof(info))
        return (int)info.ssi_signo;
    return read_line(tty, buffer, size, ret_length);
}

/* One attempt, with the signals blocked, so that the terminal is restored before any
 * of them takes effect. */
static int ask_once(int tty, const char *prompt, int signals, char *buffer, size_t size,
                    size_t *ret_length)
{
    struct termios before, hidden;
    int r;

    if (tcgetattr(tty, &before) < 0)
        return -errno;
    hidden = before;
    hidden.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
    hidden.c_lflag |= ICANON | ISIG;
    if (tcsetattr(tty, TCSAFLUSH, &hidden) < 0)
        return -errno;
    r = file_write_all(tty, prompt, strlen(prompt));
    if (r == 0)
        r = await_line(tty, signals, buffer, size, ret_length);
    (void)tcsetattr(tty, TCSAFLUSH, &before);
    (void)file_write_all(tty, "\n", 1);
    return r;
}

static int ask_terminal(int tty, const char *prompt, char *buffer, size_t size, size_t *ret_length)
{
    CLEANUP_CLOSE int signals = -1;
    sigset_t held, before;
    int r;

    (void)sigemptyset(&held);
    (void)sigaddset(&held, SIGINT);
    (void)sigaddset(&held, SIGTERM);
    (void)sigaddset(&held, SIGHUP);
    (void)sigaddset(&held, SIGQUIT);
    (void)sigaddset(&held, SIGTSTP);
    signals = signalfd(-1, &held, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals < 0)
        return -errno;
    do {
        if (sigprocmask(SIG_BLOCK, &held, &before) < 0)
            return -errno;
        r = ask_once(tty, prompt, signals, buffer, size, ret_length);
        if (r > 0)
            (void)raise(r);
        (void)sigprocmask(SIG_SETMASK, &before, NULL); /* the signal takes effect here */
    } while (r == SIGTSTP);
    return r > 0 ? -ECANCELED : r;
}

int secret_ask(const char *prompt, struct secret **ret, struct error *err)
{
    CLEANUP_CLOSE int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    char buffer[SECRET_MAX + 1];
    size_t n = 0;
    int r;

    *ret = NULL;
    if (tty < 0)
        return error_set(err, -ENOTTY,
                         "there is no terminal to ask for a password on; give it in a file "
                         "(--password-file, --become-password-file) or the environment "
                         "(DCOP_PASSWORD, DCOP_BECOME_PASSWORD)");
    r = close_process(err);
    if (r < 0)
        return r;
    r = ask_terminal(tty, prompt, buffer, sizeof(buffer), &n);
    if (r == -ECANCELED)
        (void)error_set(err, r, "interrupted");
    else if (r < 0)
        (void)error_sys(err, r, "cannot ask for a password");
    else if (n > 0)
        r = secret_new(buffer, n, ret, err);
    sodium_memzero(buffer, sizeof(buffer));
    return r;
}
