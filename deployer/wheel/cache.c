#include "cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "deployer/base/prune.h"
#include "discovery/base/cleanup.h"
#include "discovery/base/digest.h"
#include "discovery/base/file.h"
#include "wheel.h"

enum {
    AGAIN_S = 60 * 60, /* until the index is asked again after it did not answer */
    ENTRY_MAX = 1024,  /* bytes of a cache entry */
    FOLDER_ENTRY_MAX = 8 * 1024 * 1024,
};

static int cache_path(const char *cache, const char *folder, const char *name, char **ret)
{
    char *path;

    if (asprintf(&path, "%s/wheels/%s%s%s", cache, folder, name ? "/" : "", name ? name : "") < 0)
        return -ENOMEM;
    *ret = path;
    return 0;
}

/* The path of the wheel that a line "DIGEST NAME" names; -ENOENT when it does not
 * exist.  Marks it as used, and changes the line. */
static int find_wheel(const char *cache, char *line, char **ret_path)
{
    CLEANUP_FREE char *path = NULL, *folder = NULL;
    struct stat st;
    char *name;

    line[strcspn(line, "\n")] = '\0';
    if (strlen(line) <= DIGEST_LENGTH + 1 || line[DIGEST_LENGTH] != ' ')
        return -ENOENT;
    name = line + DIGEST_LENGTH + 1;
    line[DIGEST_LENGTH] = '\0';
    if (strchr(name, '/') ||
        !string_is_one_of(line, "0123456789abcdef", DIGEST_LENGTH, DIGEST_LENGTH))
        return -ENOENT;
    if (cache_path(cache, line, name, &path) < 0)
        return -ENOMEM;
    if (stat(path, &st) < 0 || !S_ISREG(st.st_mode))
        return -ENOENT;
    if (cache_path(cache, line, NULL, &folder) == 0)
        prune_used(folder);
    *ret_path = TAKE_PTR(path);
    return 0;
}

int wheel_cache_find(const char *cache, const char *key, char **ret_path, time_t *ret_age)
{
    CLEANUP_FREE char *entry = NULL;
    CLEANUP_TEXT struct text text = TEXT_INIT;
    struct stat st;
    int r;

    if (cache_path(cache, "by-spec", key, &entry) < 0)
        return -ENOMEM;
    if (stat(entry, &st) < 0 || file_read(entry, ENTRY_MAX, &text, NULL) < 0 || text.size == 0)
        return -ENOENT;
    r = find_wheel(cache, text.data, ret_path);
    if (r == 0)
        *ret_age = time(NULL) - st.st_mtime;
    return r;
}

static void prune_wheels(const char *cache)
{
    CLEANUP_FREE char *all = NULL, *specs = NULL, *trees = NULL;

    if (cache_path(cache, ".", NULL, &all) < 0 || cache_path(cache, "by-spec", NULL, &specs) < 0 ||
        cache_path(cache, "by-tree", NULL, &trees) < 0)
        return;
    prune_oldest(all, "", WHEELS_KEPT);
    prune_answers(specs, all, "");
    prune_answers(trees, all, "");
}

/* Writes the line that names a wheel, then `more`, which may be NULL. */
static int write_answer(const char *cache, const char *folder, const char *key, const char *digest,
                        const char *name, const struct text *more, struct error *err)
{
    CLEANUP_FREE char *parent = NULL, *entry = NULL;
    CLEANUP_TEXT struct text text = TEXT_INIT;
    int r;

    text_addf(&text, "%s %s\n", digest, name);
    if (more)
        text_add(&text, text_str(more), more->size);
    if (text_error(&text) < 0 || cache_path(cache, folder, NULL, &parent) < 0 ||
        cache_path(cache, folder, key, &entry) < 0)
        return error_sys(err, -ENOMEM, "cannot store %s in the cache", name);
    r = make_folders(parent, 0755, err);
    return r < 0 ? r : file_write(entry, text.data, text.size, 0644, err);
}

int wheel_cache_store(const char *cache, const char *key, const char *name,
                      const struct text *bytes, char **ret_path, struct error *err)
{
    CLEANUP_FREE char *folder = NULL, *path = NULL;
    char digest[DIGEST_LENGTH + 1];
    struct stat st;
    int r = 0;

    digest_bytes(bytes->data, bytes->size, digest);
    if (cache_path(cache, digest, NULL, &folder) < 0 || cache_path(cache, digest, name, &path) < 0)
        return error_sys(err, -ENOMEM, "cannot store %s in the cache", name);
    prune_used(folder);
    if (stat(path, &st) < 0 || (size_t)st.st_size != bytes->size) {
        r = make_folders(folder, 0755, err);
        if (r == 0)
            r = file_write(path, bytes->data, bytes->size, 0644, err);
        if (r == 0)
            prune_wheels(cache);
    }
    if (r == 0 && key)
        r = write_answer(cache, "by-spec", key, digest, name, NULL, err);
    if (r == 0)
        *ret_path = TAKE_PTR(path);
    return r;
}

void wheel_cache_ask_later(const char *cache, const char *key)
{
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = time(NULL)}};
    CLEANUP_FREE char *entry = NULL;

    times[1].tv_sec -= WHEEL_FRESH_S - AGAIN_S;
    if (cache_path(cache, "by-spec", key, &entry) == 0)
        (void)utimensat(AT_FDCWD, entry, times, 0);
}

/* --- what a directory's wheel was built from ------------------------------- */

static int tree_key(const char *source, char ret[static DIGEST_LENGTH + 1])
{
    CLEANUP_FREE char *path = realpath(source, NULL);

    if (!path)
        return -errno;
    digest_bytes(path, strlen(path), ret);
    return 0;
}

void wheel_cache_put_tree(const char *cache, const char *source, const char *wheel,
                          const struct text *list)
{
    const char *name = strrchr(wheel, '/');
    char key[DIGEST_LENGTH + 1], digest[DIGEST_LENGTH + 1];

    /* .../DIGEST/NAME */
    if (!name || name - wheel < DIGEST_LENGTH || list->size > FOLDER_ENTRY_MAX - ENTRY_MAX ||
        tree_key(source, key) < 0)
        return;
    (void)snprintf(digest, sizeof(digest), "%s", name - DIGEST_LENGTH);
    (void)write_answer(cache, "by-tree", key, digest, name + 1, list, NULL);
}

int wheel_cache_get_tree(const char *cache, const char *source, char **ret_wheel,
                         struct text *ret_list)
{
    CLEANUP_TEXT struct text text = TEXT_INIT;
    CLEANUP_FREE char *entry = NULL;
    char key[DIGEST_LENGTH + 1], *line;

    if (tree_key(source, key) < 0 || cache_path(cache, "by-tree", key, &entry) < 0 ||
        file_read(entry, FOLDER_ENTRY_MAX, &text, NULL) < 0)
        return -ENOENT;
    line = text.size ? memchr(text.data, '\n', text.size) : NULL;
    if (!line)
        return -ENOENT;
    text_adds(ret_list, line + 1);
    return text_error(ret_list) < 0 ? -ENOMEM : find_wheel(cache, text.data, ret_wheel);
}
