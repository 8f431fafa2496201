#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "file.h"

enum { MODE_NEW = 0644 };

/* A link below these names an open descriptor: the file behind it may have any number of
 * readers and writers, and a rename would pull it away from them. */
static bool is_descriptor(const char *path)
{
    return strncmp(path, "/dev/", 5) == 0 || strncmp(path, "/proc/", 6) == 0;
}

/* Sets `ret` to the file to replace and `ret_mode` to its permissions; NULL: to be
 * written into. */
static int find_file(const char *path, char **ret, mode_t *ret_mode, struct error *err)
{
    struct stat st, link;
    bool is_link = lstat(path, &link) == 0 && S_ISLNK(link.st_mode);

    *ret = NULL;
    *ret_mode = MODE_NEW;
    if (stat(path, &st) < 0) {
        if (errno != ENOENT || is_link)
            return error_sys(err, -errno, "cannot write %s%s", path,
                             is_link ? ", a link to what is not there" : "");
    } else if (S_ISDIR(st.st_mode))
        return error_sys(err, -EISDIR, "cannot write %s", path);
    else if (!S_ISREG(st.st_mode) || (is_link && is_descriptor(path)))
        return 0;
    else
        *ret_mode = st.st_mode & 07777;
    *ret = is_link ? realpath(path, NULL) : strdup(path);
    return *ret ? 0 : error_sys(err, -errno, "cannot write %s", path);
}

/* O_APPEND: what /dev/stdout is may have content already. */
static int write_into(const char *path, const void *data, size_t size, struct error *err)
{
    bool is_stdout = strcmp(path, "-") == 0;
    int fd = is_stdout ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)
                       : open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY);
    int r = fd < 0 ? -errno : file_write_all(fd, data, size);

    if (fd >= 0 && close(fd) < 0 && r == 0)
        r = -errno;
    return r < 0 ? error_sys(err, r, "cannot write %s", is_stdout ? "to standard output" : path)
                 : 0;
}

int output_file(const char *path, char **ret, struct error *err)
{
    mode_t mode;
    int r = strcmp(path, "-") == 0 ? 0 : find_file(path, ret, &mode, err);

    if (r < 0)
        return r;
    if (strcmp(path, "-") == 0 || !*ret)
        return error_set(err, -EINVAL, "%s is no file that can be replaced: name a file", path);
    return 0;
}

int output_write(const char *path, const void *data, size_t size, struct error *err)
{
    CLEANUP_FREE char *file = NULL;
    mode_t mode;
    int r;

    if (strcmp(path, "-") == 0)
        return write_into(path, data, size, err);
    r = find_file(path, &file, &mode, err);
    if (r < 0)
        return r;
    return file ? file_write(file, data, size, mode, err) : write_into(path, data, size, err);
}
