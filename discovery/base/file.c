#include "file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

static int read_all(int fd, const char *name, size_t max, struct text *ret, struct error *err)
{
    char buffer[4096]; /* small: used stack pages stay in memory, in the beacon too */
    size_t start = ret->size;

    for (;;) {
        ssize_t n = read(fd, buffer, sizeof(buffer));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_sys(err, -errno, "cannot read %s", name);
        if (n == 0)
            break;
        if ((size_t)n > max - (ret->size - start))
            return error_set(err, -EFBIG, "%s is larger than %zu bytes", name, max);
        text_add(ret, buffer, (size_t)n);
    }
    if (text_error(ret) < 0)
        return error_sys(err, -ENOMEM, "cannot read %s", name);
    return 0;
}

int file_read(const char *path, size_t max, struct text *ret, struct error *err)
{
    CLEANUP_CLOSE int fd = -1;

    if (strcmp(path, "-") == 0)
        return read_all(STDIN_FILENO, "standard input", max, ret, err);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return error_sys(err, -errno, "cannot open %s", path);
    return read_all(fd, path, max, ret, err);
}

int file_write_all(int fd, const void *bytes, size_t size)
{
    const char *data = bytes;

    while (size > 0) {
        ssize_t n = write(fd, data, size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        data += n;
        size -= (size_t)n;
    }
    return 0;
}

/* A temporary file is locked while its maker lives, so that file_sweep can tell what is
 * left of one that was killed. */
static const char temporary_end[] = ".dcop-XXXXXX";

enum { LOCK_TRIES = 3 };

int file_temporary(const char *path, char **ret, struct error *err)
{
    for (int tries = 0; tries < LOCK_TRIES; tries++) {
        CLEANUP_FREE char *name = NULL;
        CLEANUP_CLOSE int fd = -1;
        struct stat st;

        if (asprintf(&name, "%s%s", path, temporary_end) < 0) {
            name = NULL;
            return error_sys(err, -ENOMEM, "cannot write %s", path);
        }
        fd = mkostemp(name, O_CLOEXEC);
        if (fd < 0)
            return error_sys(err, -errno, "cannot create a temporary file beside %s", path);
        (void)flock(fd, LOCK_EX); /* a file system without locks: nothing is swept there */
        if (fstat(fd, &st) == 0 && st.st_nlink > 0) {
            *ret = TAKE_PTR(name);
            return TAKE_FD(fd);
        }
        /* A sweep was faster. */
    }
    return error_sys(err, -EBUSY, "cannot create a temporary file beside %s", path);
}

static int name_new(const char *from, const char *to)
{
    if (link(from, to) == 0)
        return unlink(from);
    if (errno != EPERM && errno != EOPNOTSUPP && errno != ENOSYS)
        return -1;
    return renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE);
}

/* `finish`: rename, or name_new for a file that must be new. */
static int write_beside(const char *path, const void *data, size_t size, mode_t mode,
                        int (*finish)(const char *, const char *), struct error *err)
{
    CLEANUP_FREE char *temporary = NULL;
    CLEANUP_CLOSE int fd = file_temporary(path, &temporary, err);
    int r;

    if (fd < 0)
        return fd;
    r = file_write_all(fd, data, size);
    if (r == 0 && (fchmod(fd, mode) < 0 || fsync(fd) < 0))
        r = -errno;
    if (r == 0 && finish(temporary, path) < 0)
        r = -errno;
    if (r < 0)
        (void)unlink(temporary);
    return r < 0 ? error_sys(err, r, "cannot write %s", path) : 0;
}

int file_write(const char *path, const void *data, size_t size, mode_t mode, struct error *err)
{
    return write_beside(path, data, size, mode, rename, err);
}

int file_write_new(const char *path, const void *data, size_t size, mode_t mode, struct error *err)
{
    return write_beside(path, data, size, mode, name_new, err);
}

static bool is_temporary(const char *name)
{
    size_t size = strlen(name), end = sizeof(temporary_end) - 1, random = 6;
    const char *tail = size > end ? name + size - end : "";

    return size > end && strncmp(tail, temporary_end, end - random) == 0 &&
           strspn(tail + end - random, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                       "0123456789") == random;
}

void file_overwrite(int fd)
{
    enum { OVERWRITE_MAX = 1024 * 1024 };
    static const char zeros[512];
    struct stat st;

    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return;
    for (off_t at = 0; at < st.st_size && at < OVERWRITE_MAX;) {
        off_t left = st.st_size - at;
        ssize_t n = pwrite(fd, zeros, left < 512 ? (size_t)left : sizeof(zeros), at);

        if (n <= 0)
            break;
        at += n;
    }
    (void)fsync(fd);
}

void file_sweep(const char *folder)
{
    DIR *d = opendir(folder);
    const struct dirent *entry;

    while (d && (entry = readdir(d))) {
        CLEANUP_CLOSE int fd = -1;
        struct stat st;

        if (!is_temporary(entry->d_name))
            continue;
        fd = openat(dirfd(d), entry->d_name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
            flock(fd, LOCK_EX | LOCK_NB) < 0)
            continue;
        file_overwrite(fd);
        (void)unlinkat(dirfd(d), entry->d_name, 0);
    }
    if (d)
        (void)closedir(d);
}

int file_sync(const char *path)
{
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

    return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

int file_sync_folder(const char *path)
{
    CLEANUP_FREE char *folder = strdup(path);
    char *slash = folder ? strrchr(folder, '/') : NULL;

    if (!folder)
        return -ENOMEM;
    if (slash)
        slash[slash == folder] = '\0';
    return file_sync(slash ? folder : ".");
}

int make_folders(const char *path, mode_t mode, struct error *err)
{
    CLEANUP_FREE char *part = strdup(path);
    struct stat st;

    if (!part)
        return error_sys(err, -ENOMEM, "cannot create %s", path);
    for (char *slash = part;;) {
        slash = strchr(slash + 1, '/');
        if (slash)
            *slash = '\0';
        if (mkdir(part, mode) < 0 && errno != EEXIST)
            return error_sys(err, -errno, "cannot create the folder %s", part);
        if (!slash)
            break;
        *slash = '/';
    }
    if (stat(path, &st) < 0)
        return error_sys(err, -errno, "cannot use %s", path);
    if (!S_ISDIR(st.st_mode))
        return error_sys(err, -ENOTDIR, "cannot use %s", path);
    return 0;
}

char *path_join(const char *folder, const char *name)
{
    char *path;

    return asprintf(&path, "%s/%s", folder, name) < 0 ? NULL : path;
}
