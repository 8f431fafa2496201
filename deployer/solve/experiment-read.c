#include "experiment-read.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "deployer/base/archive.h"
#include "discovery/base/cleanup.h"
#include "discovery/base/file.h"

static int no_experiment(struct error *err)
{
    return error_set(err, -ENOENT, "There is no such experiment.");
}

int experiment_find(const char *experiments, const char *name, struct error *err)
{
    CLEANUP_FREE char *path = path_join(experiments, name);
    CLEANUP_CLOSE int folder = -1;

    if (*name == '\0' || *name == '.' || strchr(name, '/'))
        return no_experiment(err);
    if (!path)
        return error_sys(err, -ENOMEM, "cannot read the experiment");
    folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0 || faccessat(folder, "receipt.json", R_OK, 0) < 0)
        return no_experiment(err);
    return TAKE_FD(folder);
}

/* --- one file ----------------------------------------------------------------------- */

/* Links are not followed; what could block is not opened. */
static int open_file(int folder, const char *file, struct stat *ret, struct error *err)
{
    CLEANUP_CLOSE int fd =
        openat(folder, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

    if (fd < 0 && (errno == ENOENT || errno == ELOOP))
        return error_set(err, -ENOENT, "The experiment has no %s.", file);
    if (fd < 0 || fstat(fd, ret) < 0)
        return error_sys(err, -errno, "cannot read %s of the experiment", file);
    if (!S_ISREG(ret->st_mode))
        return error_set(err, -ENOENT, "%s of the experiment is no file.", file);
    return TAKE_FD(fd);
}

/* Appends `size` bytes from `at` on, or those that there are. */
static int read_part(int fd, off_t at, size_t size, struct text *ret)
{
    char chunk[64 * 1024];

    while (size > 0) {
        ssize_t n = pread(fd, chunk, size < sizeof(chunk) ? size : sizeof(chunk), at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        text_add(ret, chunk, (size_t)n);
        at += n;
        size -= (size_t)n;
    }
    return text_error(ret);
}

int experiment_read_file(int folder, const char *file, size_t max, struct text *ret,
                         struct error *err)
{
    struct stat st = {0};
    CLEANUP_CLOSE int fd = open_file(folder, file, &st, err);
    int r;

    if (fd < 0)
        return fd;
    if ((uintmax_t)st.st_size > max)
        return error_set(err, -EFBIG, "%s of the experiment is larger than %zu MiB.", file,
                         max / ((size_t)1024 * 1024));
    r = read_part(fd, 0, (size_t)st.st_size, ret);
    return r < 0 ? error_sys(err, r, "cannot read %s of the experiment", file) : 0;
}

int experiment_read_json(int folder, const char *file, json_t **ret, struct error *err)
{
    CLEANUP_TEXT struct text bytes = TEXT_INIT;
    int r = experiment_read_file(folder, file, EXPERIMENT_JSON_MAX, &bytes, err);

    if (r < 0)
        return r;
    *ret = json_loadb(text_str(&bytes), bytes.size, 0, NULL);
    return *ret ? 0 : error_set(err, -EBADMSG, "%s of the experiment is no JSON.", file);
}

int experiment_read_metrics(int folder, struct text *ret, struct error *err)
{
    enum { HEADING_MAX = 1024 };
    static const char file[] = "metrics.csv";
    struct stat st = {0};
    CLEANUP_CLOSE int fd = open_file(folder, file, &st, err);
    CLEANUP_TEXT struct text head = TEXT_INIT, tail = TEXT_INIT;
    const char *newline;
    int r;

    if (fd < 0)
        return fd;
    if (st.st_size <= EXPERIMENT_METRICS_MAX)
        r = read_part(fd, 0, (size_t)st.st_size, ret);
    else
        r = read_part(fd, 0, HEADING_MAX, &head);
    if (r == 0 && st.st_size > EXPERIMENT_METRICS_MAX)
        r = read_part(fd, st.st_size - EXPERIMENT_METRICS_MAX, EXPERIMENT_METRICS_MAX, &tail);
    if (r < 0)
        return error_sys(err, r, "cannot read %s of the experiment", file);
    newline = memchr(text_str(&head), '\n', head.size);
    if (newline)
        text_add(ret, text_str(&head), (size_t)(newline - text_str(&head)) + 1);
    newline = memchr(text_str(&tail), '\n', tail.size); /* its first line is cut */
    if (newline)
        text_add(ret, newline + 1, tail.size - (size_t)(newline - text_str(&tail)) - 1);
    return text_error(ret) < 0 ? error_sys(err, -ENOMEM, "cannot read %s", file) : 0;
}

/* --- all of it ---------------------------------------------------------------------- */

struct packer {
    struct archive_writer *writer;
    size_t files;
    uint64_t bytes;
};

static int too_much(struct error *err)
{
    return error_set(err, -EFBIG,
                     "The experiment has more than %d MiB or %d files: copy its folder from the "
                     "service's computer.",
                     EXPERIMENT_PACK_MAX / (1024 * 1024), EXPERIMENT_PACK_FILES);
}

static int is_visible(const struct dirent *entry)
{
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static int pack_file(struct packer *p, int folder, const char *file, const char *path,
                     struct error *err)
{
    CLEANUP_TEXT struct text bytes = TEXT_INIT;
    int r = experiment_read_file(folder, file, EXPERIMENT_PACK_MAX, &bytes, err);

    if (r == -ENOENT) /* a link, or what is no file */
        return 0;
    p->bytes += bytes.size;
    if (r == -EFBIG || p->bytes > EXPERIMENT_PACK_MAX)
        return too_much(err);
    if (r == 0 && archive_writer_add(p->writer, path, 0644, text_str(&bytes), bytes.size) < 0)
        r = error_set(err, -EIO, "cannot write the archive: %s",
                      archive_writer_words(p->writer) ? archive_writer_words(p->writer) : "?");
    return r;
}

static int pack_folder(struct packer *p, int folder, const char *path, unsigned depth,
                       struct error *err)
{
    struct dirent **entries = NULL;
    int n = scandirat(folder, ".", &entries, is_visible, alphasort), r = 0;

    if (n < 0)
        return error_sys(err, -errno, "cannot read the experiment");
    for (int i = 0; i < n; i++) {
        const char *name = entries[i]->d_name;
        CLEANUP_FREE char *below = path_join(path, name);
        CLEANUP_CLOSE int child = -1;

        if (r == 0 && ++p->files > EXPERIMENT_PACK_FILES)
            r = too_much(err);
        if (r == 0 && !below)
            r = error_sys(err, -ENOMEM, "cannot read the experiment");
        if (r == 0)
            child = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (r == 0 && child >= 0 && depth < EXPERIMENT_PACK_DEPTH)
            r = pack_folder(p, child, below, depth + 1, err);
        else if (r == 0 && child < 0)
            r = pack_file(p, folder, name, below, err);
        free(entries[i]);
    }
    free(entries);
    return r;
}

static int write_pack(int folder, const char *name, int fd, struct error *err)
{
    CLEANUP_ARCHIVE_WRITER struct archive_writer *writer = NULL;
    struct packer p = {0};
    int r = archive_writer_open_fd(fd, &writer);

    if (r < 0)
        return error_sys(err, r, "cannot write the archive");
    p.writer = writer;
    r = pack_folder(&p, folder, name, 0, err);
    if (r == 0 && archive_writer_close(writer) < 0)
        r = error_set(err, -EIO, "cannot write the archive: %s",
                      archive_writer_words(writer) ? archive_writer_words(writer) : "?");
    return r;
}

int experiment_pack(int folder, const char *name, const char *scratch, uint64_t *ret_size,
                    struct error *err)
{
    CLEANUP_FREE char *file = NULL;
    CLEANUP_CLOSE int fd = file_temporary(scratch, &file, err);
    struct stat st = {0};
    int r;

    if (fd < 0)
        return fd;
    (void)unlink(file); /* nothing of it stays when the service is killed */
    r = write_pack(folder, name, fd, err);
    if (r == 0 && fstat(fd, &st) < 0)
        r = error_sys(err, -errno, "cannot read the archive");
    if (r < 0)
        return r;
    *ret_size = (uint64_t)st.st_size;
    return TAKE_FD(fd);
}
