#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
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

int file_write(const char *path, const void *data, size_t size, mode_t mode, struct error *err)
{
    CLEANUP_FREE char *temporary = NULL;
    CLEANUP_CLOSE int fd = -1;
    int r;

    if (asprintf(&temporary, "%s.XXXXXX", path) < 0) {
        temporary = NULL;
        return error_sys(err, -ENOMEM, "cannot write %s", path);
    }
    fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return error_sys(err, -errno, "cannot create a temporary file beside %s", path);
    r = file_write_all(fd, data, size);
    if (r == 0 && (fchmod(fd, mode) < 0 || fsync(fd) < 0))
        r = -errno;
    if (r == 0 && rename(temporary, path) < 0)
        r = -errno;
    if (r < 0) {
        (void)unlink(temporary);
        return error_sys(err, r, "cannot write %s", path);
    }
    return 0;
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
