#include "folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "discovery/base/cleanup.h"
#include "discovery/base/file.h"
#include "discovery/base/text.h"

enum { BUFFER_SIZE = 64 * 1024, REMOVE_DEPTH_MAX = 256 };

struct walk {
    const struct tree_limits *limits;
    struct text list;
    size_t files, bytes;
    uid_t uid;
    gid_t gid;
    char *buffer;
    struct error *err;
};

static void close_folder(DIR **dir)
{
    if (*dir)
        (void)closedir(*dir);
}

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);

    return n >= m && strcmp(s + n - m, end) == 0;
}

static bool is_passed_over(const char *name, unsigned depth)
{
    static const char *const anywhere[] = {
        ".git",        ".hg",       ".svn",  "__pycache__",  ".mypy_cache", ".pytest_cache",
        ".ruff_cache", ".tox",      ".nox",  ".venv",        ".idea",       ".vscode",
        ".hypothesis", ".DS_Store", ".eggs", "node_modules",
    };
    static const char *const at_top[] = {"build", "dist", "venv"};

    for (size_t i = 0; i < ARRAY_SIZE(anywhere); i++)
        if (strcmp(name, anywhere[i]) == 0)
            return true;
    for (size_t i = 0; depth == 0 && i < ARRAY_SIZE(at_top); i++)
        if (strcmp(name, at_top[i]) == 0)
            return true;
    return ends_with(name, ".pyc") || ends_with(name, ".egg-info") || ends_with(name, ".swp");
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names in a folder, sorted bytewise; the descriptor stays the caller's. */
static int list_names(int fd, size_t max, struct strings *ret)
{
    CLEANUP(close_folder) DIR *dir = NULL;
    int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (copy < 0)
        return -errno;
    dir = fdopendir(copy);
    if (!dir) {
        close(copy);
        return -ENOMEM;
    }
    for (;;) {
        const struct dirent *e;

        errno = 0;
        e = readdir(dir);
        if (!e && errno)
            return -errno;
        if (!e)
            break;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (ret->count >= max)
            return -EFBIG;
        if (strings_add(ret, e->d_name) < 0)
            return -ENOMEM;
    }
    if (ret->count)
        qsort(ret->items, ret->count, sizeof(*ret->items), compare_names);
    return 0;
}

static void add_line(struct walk *w, char kind, const char *digest, const char *path)
{
    text_addf(&w->list, "%c %s ", kind, digest);
    text_add_percent(&w->list, path);
    text_addc(&w->list, '\n');
}

/* Content into a digest and, with a descriptor, into the copy. */
static int read_file(struct walk *w, int from, int to, char ret[static DIGEST_LENGTH + 1])
{
    struct digest digest;

    digest_init(&digest);
    for (;;) {
        ssize_t n = read(from, w->buffer, BUFFER_SIZE);
        int r;

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        if ((size_t)n > w->limits->bytes - w->bytes)
            return -EFBIG;
        w->bytes += (size_t)n;
        digest_add(&digest, w->buffer, (size_t)n);
        r = to < 0 ? 0 : file_write_all(to, w->buffer, (size_t)n);
        if (r < 0)
            return r;
    }
    digest_end(&digest, ret);
    return 0;
}

static int walk_file(struct walk *w, int from, const char *name, int to, const char *path)
{
    CLEANUP_CLOSE int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    CLEANUP_CLOSE int out = -1;
    char digest[DIGEST_LENGTH + 1];
    struct stat st;
    mode_t mode;
    int r;

    if (in < 0 || fstat(in, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -EINVAL;
    mode = st.st_mode & S_IXUSR ? 0755 : 0644;
    if (to >= 0) {
        out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
        if (out < 0 || fchmod(out, mode) < 0 || fchown(out, w->uid, w->gid) < 0)
            return -errno;
    }
    r = read_file(w, in, out, digest);
    if (r == 0)
        add_line(w, mode == 0755 ? 'x' : 'f', digest, path);
    return r;
}

static int walk_link(struct walk *w, int from, const char *name, int to, const char *path)
{
    char target[PATH_MAX], digest[DIGEST_LENGTH + 1];
    ssize_t n = readlinkat(from, name, target, sizeof(target) - 1);

    if (n < 0)
        return -errno;
    target[n] = '\0';
    digest_bytes(target, (size_t)n, digest);
    add_line(w, 'l', digest, path);
    if (to >= 0 && (symlinkat(target, to, name) < 0 ||
                    fchownat(to, name, w->uid, w->gid, AT_SYMLINK_NOFOLLOW) < 0))
        return -errno;
    return 0;
}

static int walk_folder(struct walk *w, int from, int to, const char *path, unsigned depth);

static int walk_subfolder(struct walk *w, int from, const char *name, int to, const char *path,
                          unsigned depth)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    CLEANUP_CLOSE int in = openat(from, name, flags);
    CLEANUP_CLOSE int out = -1;

    if (in < 0)
        return -errno;
    if (to >= 0) {
        if (mkdirat(to, name, 0755) < 0)
            return -errno;
        out = openat(to, name, flags);
        if (out < 0 || fchmod(out, 0755) < 0 || fchown(out, w->uid, w->gid) < 0)
            return -errno;
    }
    return walk_folder(w, in, out, path, depth);
}

static int walk_entry(struct walk *w, int from, const char *name, int to, const char *path,
                      unsigned depth)
{
    struct stat st;

    if (++w->files > w->limits->files)
        return -EFBIG;
    if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    if (S_ISDIR(st.st_mode))
        return walk_subfolder(w, from, name, to, path, depth + 1);
    if (S_ISLNK(st.st_mode))
        return walk_link(w, from, name, to, path);
    if (S_ISREG(st.st_mode))
        return walk_file(w, from, name, to, path);
    return 0; /* sockets and the like are not source files */
}

/* Sets the words where a failure happens, once. */
static int walk_folder(struct walk *w, int from, int to, const char *path, unsigned depth)
{
    CLEANUP_STRINGS struct strings names = {0};
    int r = depth > w->limits->depth ? -EFBIG : list_names(from, w->limits->files, &names);

    if (r < 0)
        return error_sys(w->err, r, "cannot read %s", *path ? path : "it");
    for (size_t i = 0; i < names.count; i++) {
        CLEANUP_FREE char *below = NULL;

        if (is_passed_over(names.items[i], depth))
            continue;
        if (asprintf(&below, "%s%s%s", path, *path ? "/" : "", names.items[i]) < 0) {
            below = NULL;
            return error_sys(w->err, -ENOMEM, "cannot read %s", path);
        }
        r = walk_entry(w, from, names.items[i], to, below, depth);
        if (r < 0 && (!w->err || w->err->code == 0))
            return error_sys(w->err, r, "cannot read %s", below);
        if (r < 0)
            return r;
    }
    return 0;
}

static int read_tree(struct walk *w, const char *from, const char *to, struct error *err)
{
    CLEANUP_CLOSE int in = open(from, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CLEANUP_CLOSE int out = -1;
    int r;

    if (in < 0)
        return error_sys(err, -errno, "cannot open %s", from);
    if (to) {
        out = open(to, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (out < 0)
            return error_sys(err, -errno, "cannot open %s", to);
    }
    r = walk_folder(w, in, out, "", 0);
    if (r == -EFBIG)
        return error_set(err, r, "%s is too large for a source directory (%zu files, %zu MiB)",
                         from, w->limits->files, w->limits->bytes >> 20);
    if (r < 0)
        return error_set(err, r, "%s: %s", from, w->err->text);
    return text_error(&w->list) < 0 ? error_sys(err, -ENOMEM, "cannot read %s", from) : 0;
}

int folder_read(const char *from, const struct tree_limits *limits, const char *to, uid_t uid,
                gid_t gid, struct text *ret_list, char ret[static DIGEST_LENGTH + 1],
                struct error *err)
{
    CLEANUP_FREE char *buffer = malloc(BUFFER_SIZE);
    struct error words = {0};
    struct walk w = {.limits = limits, .uid = uid, .gid = gid, .buffer = buffer, .err = &words};
    int r;

    if (!buffer)
        return error_sys(err, -ENOMEM, "cannot read %s", from);
    r = read_tree(&w, from, to, err);
    if (r == 0) {
        digest_bytes(text_str(&w.list), w.list.size, ret);
        if (ret_list)
            text_add(ret_list, text_str(&w.list), w.list.size);
    }
    text_clear(&w.list);
    return r;
}

static void remove_below(int fd, unsigned depth)
{
    CLEANUP_STRINGS struct strings names = {0};

    if (depth > REMOVE_DEPTH_MAX || list_names(fd, SIZE_MAX, &names) < 0)
        return;
    for (size_t i = 0; i < names.count; i++) {
        CLEANUP_CLOSE int sub =
            openat(fd, names.items[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        if (sub >= 0)
            remove_below(sub, depth + 1);
        (void)unlinkat(fd, names.items[i], sub >= 0 ? AT_REMOVEDIR : 0);
    }
}

void folder_remove(const char *path)
{
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd >= 0)
        remove_below(fd, 0);
    (void)rmdir(path);
}

int folder_lock(const char *path)
{
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0)
        return -1;
    return TAKE_FD(fd);
}

static bool is_left(const char *path)
{
    CLEANUP_CLOSE int fd = folder_lock(path);
    struct stat st;

    return fd >= 0 && fstat(fd, &st) == 0 && st.st_mtim.tv_sec < time(NULL) - FOLDER_SWEEP_S;
}

void folder_sweep(const char *parent, const char *prefix)
{
    DIR *d = opendir(parent);
    const struct dirent *entry;

    while (d && (entry = readdir(d))) {
        CLEANUP_FREE char *path = path_join(parent, entry->d_name);

        if (path && strncmp(entry->d_name, prefix, strlen(prefix)) == 0 && is_left(path))
            folder_remove(path);
    }
    if (d)
        (void)closedir(d);
}
