#include "prune.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "discovery/base/cleanup.h"
#include "discovery/base/digest.h"
#include "discovery/base/file.h"
#include "discovery/base/text.h"
#include "folder.h"

struct entry {
    char *path;
    struct timespec used;
    bool folder;
};

struct entries {
    struct entry *items;
    size_t count;
};

static void entries_clear(struct entries *e)
{
    for (size_t i = 0; i < e->count; i++)
        free(e->items[i].path);
    free(e->items);
}

static void close_folder(DIR **dir)
{
    if (*dir)
        (void)closedir(*dir);
}

void prune_used(const char *path)
{
    (void)utimensat(AT_FDCWD, path, NULL, 0);
}

static bool is_entry(const char *name, const char *ending)
{
    return strspn(name, "0123456789abcdef") == DIGEST_LENGTH &&
           strcmp(name + DIGEST_LENGTH, ending) == 0;
}

static int add_entry(struct entries *e, const char *folder, const char *name)
{
    struct entry *items = reallocarray(e->items, e->count + 1, sizeof(*items));
    struct stat st;
    char *path;

    if (!items)
        return -1;
    e->items = items;
    path = path_join(folder, name);
    if (!path)
        return -1;
    if (lstat(path, &st) < 0) {
        free(path);
        return 0; /* another process prunes, too */
    }
    items[e->count++] =
        (struct entry){.path = path, .used = st.st_mtim, .folder = S_ISDIR(st.st_mode)};
    return 0;
}

static int newest_first(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;

    if (x->used.tv_sec != y->used.tv_sec)
        return x->used.tv_sec > y->used.tv_sec ? -1 : 1;
    if (x->used.tv_nsec != y->used.tv_nsec)
        return x->used.tv_nsec > y->used.tv_nsec ? -1 : 1;
    return strcmp(x->path, y->path);
}

void prune_oldest(const char *folder, const char *ending, size_t keep)
{
    CLEANUP(close_folder) DIR *dir = opendir(folder);
    CLEANUP(entries_clear) struct entries entries = {0};
    time_t now = time(NULL);

    for (const struct dirent *d; dir && (d = readdir(dir));)
        if (is_entry(d->d_name, ending) && add_entry(&entries, folder, d->d_name) < 0)
            return;
    if (entries.count <= keep)
        return;
    qsort(entries.items, entries.count, sizeof(*entries.items), newest_first);
    for (size_t i = keep; i < entries.count; i++) {
        const struct entry *e = &entries.items[i];

        if (e->used.tv_sec > now - PRUNE_AGE_S)
            continue;
        if (e->folder)
            folder_remove(e->path);
        else
            (void)unlink(e->path);
    }
}

void prune_unused(const char *folder, const char *ending, time_t seconds)
{
    CLEANUP(close_folder) DIR *dir = opendir(folder);
    time_t now = time(NULL);
    size_t size = strlen(ending);

    for (const struct dirent *d; dir && (d = readdir(dir));) {
        size_t length = strlen(d->d_name);
        struct stat st;

        if (length > size && strcmp(d->d_name + length - size, ending) == 0 &&
            fstatat(dirfd(dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
            st.st_mtim.tv_sec < now - seconds)
            (void)unlinkat(dirfd(dir), d->d_name, 0);
    }
}

static bool answer_holds(const char *path, const char *folder, const char *ending)
{
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    CLEANUP_FREE char *entry = NULL;
    char digest[DIGEST_LENGTH + 1] = "";

    if (fd < 0 || read(fd, digest, DIGEST_LENGTH) != DIGEST_LENGTH || !is_entry(digest, ""))
        return false;
    if (asprintf(&entry, "%s/%s%s", folder, digest, ending) < 0) {
        entry = NULL;
        return true;
    }
    return access(entry, F_OK) == 0;
}

void prune_answers(const char *answers, const char *folder, const char *ending)
{
    CLEANUP(close_folder) DIR *dir = opendir(answers);

    for (const struct dirent *d; dir && (d = readdir(dir));) {
        CLEANUP_FREE char *path = path_join(answers, d->d_name);

        /* Keys are digests; a longer name is one that is being written. */
        if (!path || !is_entry(d->d_name, ""))
            continue;
        if (!answer_holds(path, folder, ending))
            (void)unlink(path);
    }
}
