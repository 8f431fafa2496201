#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "discovery/base/cleanup.h"
#include "discovery/base/file.h"
#include "discovery/base/options.h"
#include "http.h"

enum {
    SETTINGS_MAX = 4096,
    BUSY_WAIT_MS = 120 * 1000,
    BUSY_LOOK_MS = 100,
    PORT_TRIES = 200,
    LOCK_TRIES = 10
};

char *cache_path(const struct paths *p, const char *name)
{
    char *path;

    return asprintf(&path, "%s/caches%s%s", p->state, *name ? "/" : "", name) < 0 ? NULL : path;
}

int cache_folders(const struct paths *p, struct error *err)
{
    static const char *const folders[] = {"apt/conf", "apt/cache", "apt/log", "pip"};
    int r = 0;

    for (size_t i = 0; i < ARRAY_SIZE(folders) && r == 0; i++) {
        CLEANUP_FREE char *path = cache_path(p, folders[i]);

        r = path ? make_folders(path, 0700, err) : error_sys(err, -ENOMEM, "cannot make folders");
    }
    return r;
}

/* --- settings ---------------------------------------------------------------- */

static int take_setting(struct cache_settings *s, const char *key, const char *value)
{
    uint16_t *port = strcmp(key, "apt-port") == 0   ? &s->apt_port
                     : strcmp(key, "pip-port") == 0 ? &s->pip_port
                                                    : NULL;
    long number;

    if (port) {
        if (parse_number(value, CACHE_PORT_MIN, CACHE_PORT_MAX, &number, NULL) < 0)
            return -EBADMSG;
        *port = (uint16_t)number;
    } else if (strcmp(key, "offline") == 0) {
        if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
            return -EBADMSG;
        s->offline = *value == 'y';
    } else if (strcmp(key, "index") == 0) {
        if (!string_is_one_of(value, "abcdefghijklmnopqrstuvwxyz0123456789/", 3,
                              CACHE_INDEX_MAX - 1))
            return -EBADMSG;
        memcpy(s->index, value, strlen(value) + 1);
    } else {
        return -EBADMSG;
    }
    return 0;
}

static struct cache_settings default_settings(void)
{
    return (struct cache_settings){.index = "root/pypi"};
}

int cache_settings_parse(const char *text, struct cache_settings *ret)
{
    struct cache_settings s = default_settings();

    for (const char *line = text; *line;) {
        char key[32], value[128];
        size_t size = strcspn(line, "\n");
        int used = 0;

        if (line[size] != '\n' || sscanf(line, "%31[a-z-] %127[^\n]%n", key, value, &used) != 2 ||
            (size_t)used != size || take_setting(&s, key, value) < 0)
            return -EBADMSG;
        line += size + 1;
    }
    if (!s.apt_port || !s.pip_port)
        return -EBADMSG;
    *ret = s;
    return 0;
}

int cache_settings_read(const struct paths *p, struct cache_settings *ret, struct error *err)
{
    CLEANUP_FREE char *path = cache_path(p, "settings");
    CLEANUP_TEXT struct text bytes = TEXT_INIT;
    int r;

    *ret = default_settings();
    if (!path)
        return error_sys(err, -ENOMEM, "cannot read the caches' settings");
    r = file_read(path, SETTINGS_MAX, &bytes, err);
    if (r == -EFBIG)
        return error_set(err, -EBADMSG, "%s is damaged", path);
    if (r < 0)
        return r;
    return strlen(text_str(&bytes)) != bytes.size || cache_settings_parse(text_str(&bytes), ret) < 0
               ? error_set(err, -EBADMSG, "%s is damaged", path)
               : 0;
}

int cache_settings_write(const struct paths *p, const struct cache_settings *s, struct error *err)
{
    CLEANUP_FREE char *path = cache_path(p, "settings");
    CLEANUP_TEXT struct text bytes = TEXT_INIT;

    text_addf(&bytes, "apt-port %u\npip-port %u\noffline %s\nindex %s\n", s->apt_port, s->pip_port,
              s->offline ? "yes" : "no", s->index);
    if (!path || text_error(&bytes) < 0)
        return error_sys(err, -ENOMEM, "cannot write the caches' settings");
    return file_write(path, bytes.data, bytes.size, 0600, err);
}

/* --- ports -------------------------------------------------------------------- */

static int choose_port(uint16_t *port, uint16_t not_this, bool *moved, struct error *err)
{
    if (*port && cache_port_is_free(*port))
        return 0;
    *moved = *moved || *port;
    for (int i = 0; i < PORT_TRIES; i++) {
        uint16_t draw;

        if (getrandom(&draw, sizeof(draw), 0) != sizeof(draw))
            return error_sys(err, -errno, "cannot choose a port");
        draw = (uint16_t)(CACHE_PORT_MIN + draw % (CACHE_PORT_MAX - CACHE_PORT_MIN + 1));
        if (draw != not_this && cache_port_is_free(draw)) {
            *port = draw;
            return 0;
        }
    }
    return error_set(err, -EADDRINUSE, "no port from %d to %d is free on 127.0.0.1", CACHE_PORT_MIN,
                     CACHE_PORT_MAX);
}

int cache_choose_ports(struct cache_settings *s, bool *ret_moved, struct error *err)
{
    int r;

    *ret_moved = false;
    r = choose_port(&s->apt_port, s->pip_port, ret_moved, err);
    return r < 0 ? r : choose_port(&s->pip_port, s->apt_port, ret_moved, err);
}

/* --- locks --------------------------------------------------------------------- */

static int open_lock(const struct paths *p, const char *name, int *ret_fd, struct error *err)
{
    CLEANUP_FREE char *path = cache_path(p, name);
    int fd;

    if (!path)
        return error_sys(err, -ENOMEM, "cannot lock the caches");
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return error_sys(err, -errno, "cannot open %s", path);
    *ret_fd = fd;
    return 0;
}

int cache_busy(const struct paths *p, int *ret_fd, struct error *err)
{
    static const struct timespec look = {.tv_nsec = BUSY_LOOK_MS * 1000000L};
    CLEANUP_CLOSE int fd = -1;
    int r = cache_folders(p, err);

    if (r == 0)
        r = open_lock(p, "busy", &fd, err);
    if (r < 0)
        return r;
    for (int waited = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; waited += BUSY_LOOK_MS) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return error_sys(err, -errno, "cannot lock the caches");
        if (waited >= BUSY_WAIT_MS)
            return error_set(err, -EBUSY,
                             "another `dcop-deploy cache` has been running for two minutes; wait "
                             "for it, or stop it");
        (void)nanosleep(&look, NULL);
    }
    *ret_fd = TAKE_FD(fd);
    return 0;
}

int cache_lock(const struct paths *p, int *ret_fd, struct error *err)
{
    static const struct timespec look = {.tv_nsec = BUSY_LOOK_MS * 1000000L};
    CLEANUP_CLOSE int fd = -1;
    int r = open_lock(p, "lock", &fd, err);

    if (r < 0)
        return r;
    /* A `cache status` holds it for a moment. */
    for (int i = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; i++) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return error_sys(err, -errno, "cannot lock the caches");
        if (i >= LOCK_TRIES)
            return error_set(err, -EALREADY, "the caches run already");
        (void)nanosleep(&look, NULL);
    }
    *ret_fd = TAKE_FD(fd);
    return 0;
}

bool cache_runs(const struct paths *p)
{
    CLEANUP_FREE char *path = cache_path(p, "lock");
    CLEANUP_CLOSE int fd = path ? open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW) : -1;

    return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

int cache_serving_take(const struct paths *p, struct error *err)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd, r = open_lock(p, "serving", &fd, err);

    if (r < 0)
        return r;
    /* The descriptor stays open: closing any descriptor of this file would release the lock
     * (fcntl(2)). */
    if (fcntl(fd, F_SETLK, &whole) < 0) {
        r = errno == EAGAIN ? -EALREADY : -errno;
        close(fd);
        return error_sys(err, r, "cannot lock the caches");
    }
    return 0;
}

pid_t cache_serving_pid(const struct paths *p)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    CLEANUP_FREE char *path = cache_path(p, "serving");
    CLEANUP_CLOSE int fd = path ? open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW) : -1;

    if (fd < 0 || fcntl(fd, F_GETLK, &whole) < 0 || whole.l_type == F_UNLCK)
        return 0;
    return whole.l_pid > 0 ? whole.l_pid : 0;
}

int cache_serving_signal(const struct paths *p, int signal_number)
{
    pid_t pid = cache_serving_pid(p);
    CLEANUP_CLOSE int pidfd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;

    if (pidfd < 0)
        return -ESRCH;
    /* The process id may have been reused before pidfd_open.  If that process still holds the
     * lock now, the pidfd refers to the supervisor. */
    if (cache_serving_pid(p) != pid)
        return -ESRCH;
    return syscall(SYS_pidfd_send_signal, pidfd, signal_number, NULL, 0) < 0 ? -errno : 0;
}
