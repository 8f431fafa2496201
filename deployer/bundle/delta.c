#include "delta.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "deployer/base/content.h"
#include "discovery/base/cleanup.h"
#include "discovery/base/digest.h"
#include "discovery/base/file.h"

enum { SIZE_MAX_ON_DISK = 160 * 1024 * 1024 };

#define ENDING ".tar.gz"

void bundle_deltas_clear(struct bundle_deltas *deltas)
{
    for (size_t i = 0; i < deltas->count; i++)
        text_clear(&deltas->items[i].bytes);
    *deltas = (struct bundle_deltas){0};
}

static void close_folder(DIR **dir)
{
    if (*dir)
        (void)closedir(*dir);
}

/* --- two bundles --------------------------------------------------------------- */

static int read_bundle(const char *cache, const char *digest, struct content *ret)
{
    CLEANUP_TEXT struct text bytes = TEXT_INIT;
    CLEANUP_FREE char *path = NULL;
    char hex[DIGEST_LENGTH + 1];
    int r;

    if (asprintf(&path, "%s/bundles/%s" ENDING, cache, digest) < 0) {
        path = NULL;
        return -ENOMEM;
    }
    r = file_read(path, SIZE_MAX_ON_DISK, &bytes, NULL);
    if (r < 0)
        return r;
    digest_bytes(text_str(&bytes), bytes.size, hex);
    if (strcmp(hex, digest) != 0)
        return -EBADMSG;
    r = content_read_tar(ret, bytes.data, bytes.size);
    return r < 0 ? r : content_sort(ret, NULL);
}

static bool files_equal(const struct content_file *a, const struct content_file *b)
{
    return a->mode == b->mode && a->size == b->size &&
           (a->size == 0 || memcmp(a->data, b->data, a->size) == 0);
}

/* Is one path a folder in the other one?  tar does not replace a file by a folder
 * or a folder by a file. */
static bool paths_conflict(const char *gone, const char *new)
{
    size_t m = strlen(gone), n = strlen(new);

    return m < n ? strncmp(gone, new, m) == 0 && new[m] == '/'
                 : strncmp(gone, new, n) == 0 && gone[n] == '/';
}

/* The files of `new` that `old` does not have, or has with another mode or content.
 * Both are sorted.  -ENOTSUP when no delta is possible. */
static int content_difference(const struct content *new, const struct content *old,
                              struct content *ret)
{
    size_t k = 0;
    int r = 0;

    for (size_t i = 0; i < new->count &&r == 0; i++) {
        const struct content_file *f = &new->files[i];

        while (k < old->count && strcmp(old->files[k].path, f->path) < 0)
            k++;
        if (k < old->count && strcmp(old->files[k].path, f->path) == 0 &&
            files_equal(f, &old->files[k]))
            continue;
        r = content_add(ret, f->path, f->mode, f->data, f->size, NULL);
    }
    k = 0;
    for (size_t i = 0; i < old->count && r == 0; i++) {
        while (k < new->count && strcmp(new->files[k].path, old->files[i].path) < 0)
            k++;
        if (k < new->count && strcmp(new->files[k].path, old->files[i].path) == 0)
            continue;
        for (size_t n = 0; n < ret->count; n++)
            if (paths_conflict(old->files[i].path, ret->files[n].path))
                return -ENOTSUP;
    }
    /* Without it a machine could not check that the delta is complete. */
    return r == 0 && !content_find(ret, "SHA256SUMS") ? -ENOTSUP : r;
}

static int make_delta(const struct bundle *b, const char *base, const char *cache,
                      struct content *new, struct text *ret)
{
    CLEANUP(content_clear) struct content old = {0}, delta = {0};
    int r = new->count ? 0 : read_bundle(cache, b->bundle_digest, new);

    if (r == 0)
        r = read_bundle(cache, base, &old);
    if (r == 0)
        r = content_difference(new, &old, &delta);
    if (r == 0)
        r = content_write_tar(&delta, ret);
    if (r == -ENOTSUP || (r == 0 && ret->size > b->size / 100 * BUNDLE_DELTA_PERCENT)) {
        text_reset(ret);
        r = 0;
    }
    return r;
}

/* --- the cache ------------------------------------------------------------------ */

struct base {
    char digest[DIGEST_LENGTH + 1];
    struct timespec used;
};

static bool is_newer(const struct base *a, const struct base *b)
{
    return a->used.tv_sec != b->used.tv_sec ? a->used.tv_sec > b->used.tv_sec
                                            : a->used.tv_nsec > b->used.tv_nsec;
}

/* The bundles that were used last, most recent first, without the bundle `but`. */
static size_t list_bases(const char *cache, const char *but,
                         struct base ret[static BUNDLE_DELTA_BASES_MAX])
{
    CLEANUP_FREE char *folder = NULL;
    CLEANUP(close_folder) DIR *dir = NULL;
    size_t count = 0;

    if (asprintf(&folder, "%s/bundles", cache) < 0) {
        folder = NULL;
        return 0;
    }
    dir = opendir(folder);
    for (const struct dirent *d; dir && (d = readdir(dir));) {
        struct base base = {0};
        struct stat st;
        size_t at;

        if (strspn(d->d_name, "0123456789abcdef") != DIGEST_LENGTH ||
            strcmp(d->d_name + DIGEST_LENGTH, ENDING) != 0 ||
            strncmp(d->d_name, but, DIGEST_LENGTH) == 0 ||
            fstatat(dirfd(dir), d->d_name, &st, 0) < 0)
            continue;
        memcpy(base.digest, d->d_name, DIGEST_LENGTH);
        base.used = st.st_mtim;
        for (at = count; at > 0 && is_newer(&base, &ret[at - 1]); at--)
            if (at < BUNDLE_DELTA_BASES_MAX)
                ret[at] = ret[at - 1];
        if (at < BUNDLE_DELTA_BASES_MAX)
            ret[at] = base;
        if (count < BUNDLE_DELTA_BASES_MAX)
            count++;
    }
    return count;
}

static int deltas_folder(const char *cache, char **ret)
{
    char *path;

    if (asprintf(&path, "%s/bundles/deltas", cache) < 0)
        return -ENOMEM;
    *ret = path;
    return 0;
}

static int delta_path(const char *folder, const char *digest, const char *base, char **ret)
{
    char *path;

    if (asprintf(&path, "%s/%s-%s", folder, digest, base) < 0)
        return -ENOMEM;
    *ret = path;
    return 0;
}

static int find_or_make_delta(const struct bundle *b, const char *base, const char *cache,
                              struct content *new, struct text *ret)
{
    CLEANUP_FREE char *path = NULL, *folder = NULL;
    int r = deltas_folder(cache, &folder);

    if (r == 0)
        r = delta_path(folder, b->bundle_digest, base, &path);
    if (r < 0)
        return r;
    r = file_read(path, SIZE_MAX_ON_DISK, ret, NULL);
    if (r != -ENOENT)
        return r;
    r = make_delta(b, base, cache, new, ret);
    if (r == 0)
        r = make_folders(folder, 0755, NULL);
    return r < 0 ? r : file_write(path, text_str(ret), ret->size, 0644, NULL);
}

void bundle_deltas_make(const struct bundle *bundle, const char *cache_dir,
                        struct bundle_deltas *ret)
{
    CLEANUP(content_clear) struct content new = {0};
    struct base bases[BUNDLE_DELTA_BASES_MAX];
    size_t count = list_bases(cache_dir, bundle->bundle_digest, bases);

    bundle_deltas_clear(ret);
    for (size_t i = 0; i < count && ret->count < BUNDLE_DELTAS_MAX; i++) {
        struct bundle_delta *d = &ret->items[ret->count];

        if (find_or_make_delta(bundle, bases[i].digest, cache_dir, &new, &d->bytes) < 0 ||
            d->bytes.size == 0) {
            text_clear(&d->bytes);
            *d = (struct bundle_delta){0};
            continue;
        }
        memcpy(d->base, bases[i].digest, sizeof(d->base));
        ret->count++;
    }
}

const struct bundle_delta *bundle_deltas_find(const struct bundle_deltas *deltas, const char *bases)
{
    const struct bundle_delta *best = NULL;

    for (size_t i = 0; i < deltas->count; i++) {
        const struct bundle_delta *d = &deltas->items[i];

        if (strstr(bases, d->base) && (!best || d->bytes.size < best->bytes.size))
            best = d;
    }
    return best;
}

static bool has_bundle(const char *cache, const char *digest)
{
    CLEANUP_FREE char *path = NULL;

    if (asprintf(&path, "%s/bundles/%.*s" ENDING, cache, DIGEST_LENGTH, digest) < 0) {
        path = NULL;
        return true;
    }
    return access(path, F_OK) == 0;
}

void bundle_deltas_prune(const char *cache_dir)
{
    CLEANUP_FREE char *folder = NULL;
    CLEANUP(close_folder) DIR *dir = NULL;

    if (deltas_folder(cache_dir, &folder) < 0)
        return;
    dir = opendir(folder);
    for (const struct dirent *d; dir && (d = readdir(dir));)
        if (strlen(d->d_name) == 2 * DIGEST_LENGTH + 1 &&
            (!has_bundle(cache_dir, d->d_name) ||
             !has_bundle(cache_dir, d->d_name + DIGEST_LENGTH + 1)))
            (void)unlinkat(dirfd(dir), d->d_name, 0);
}
