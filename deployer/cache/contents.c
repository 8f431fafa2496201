#include "contents.h"

#include <errno.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "deployer/base/archive.h"
#include "discovery/base/cleanup.h"
#include "discovery/base/file.h"
#include "discovery/base/keyset.h"
#include "store.h"

enum { BLOCK = 65536, LINE_MAX_BYTES = 4096 };

/* A .deb file in one repository's folder. */
struct package {
    char *path; /* below the folder */
    uint64_t size;
    time_t when;
};

/* The newest index of one suite, component and architecture. */
struct packages_index {
    char *path, *folder; /* of binary-ARCH */
    time_t when;
};

struct repository {
    struct package *packages;
    size_t n_packages, packages_room;
    struct packages_index *indexes;
    size_t n_indexes;
};

void cache_content_clear(struct cache_content *c)
{
    free(c->systems);
    *c = (struct cache_content){0};
}

static void repository_clear(struct repository *r)
{
    for (size_t i = 0; i < r->n_packages; i++)
        free(r->packages[i].path);
    for (size_t i = 0; i < r->n_indexes; i++) {
        free(r->indexes[i].path);
        free(r->indexes[i].folder);
    }
    free(r->packages);
    free(r->indexes);
}

static void count_file(struct cache_count *c, uint64_t bytes, time_t when)
{
    c->files++;
    c->bytes += bytes;
    if (!c->oldest || when < c->oldest)
        c->oldest = when;
    if (when > c->newest)
        c->newest = when;
}

static bool ends_in(const char *name, const char *end)
{
    size_t a = strlen(name), b = strlen(end);

    return a >= b && strcmp(name + a - b, end) == 0;
}

/* --- files in the folders --------------------------------------------------------- */

static int add_package(struct repository *r, const char *path, const struct stat *st)
{
    if (r->n_packages == r->packages_room) {
        size_t room = r->packages_room ? 2 * r->packages_room : 256;
        struct package *more = reallocarray(r->packages, room, sizeof(*more));

        if (!more)
            return -ENOMEM;
        r->packages = more;
        r->packages_room = room;
    }
    r->packages[r->n_packages] =
        (struct package){.path = strdup(path), .size = (uint64_t)st->st_size, .when = st->st_mtime};
    return r->packages[r->n_packages++].path ? 0 : -ENOMEM;
}

/* Adds dists/SUITE/COMPONENT/binary-ARCH/Packages.xz, or its by-hash/SHA256/DIGEST, unless a
 * newer one of that folder is there. */
static int add_index(struct repository *r, const char *whole, const char *path,
                     const struct stat *st)
{
    const char *binary = strstr(path, "/binary-"), *name = strrchr(path, '/') + 1;
    const char *end = binary ? strchr(binary + 1, '/') : NULL;
    CLEANUP_FREE char *folder = NULL;
    struct packages_index *more;

    if (strncmp(path, "dists/", 6) != 0 || !end || ends_in(name, ".head") ||
        (strncmp(name, "Packages", 8) != 0 && strncmp(end, "/by-hash/", 9) != 0))
        return 0;
    folder = strndup(path, (size_t)(end - path));
    if (!folder)
        return -ENOMEM;
    for (size_t i = 0; i < r->n_indexes; i++) {
        struct packages_index *x = &r->indexes[i];

        if (strcmp(x->folder, folder) != 0)
            continue;
        if (st->st_mtime <= x->when)
            return 0;
        free(x->path);
        x->when = st->st_mtime;
        x->path = strdup(whole);
        return x->path ? 0 : -ENOMEM;
    }
    more = reallocarray(r->indexes, r->n_indexes + 1, sizeof(*more));
    if (!more)
        return -ENOMEM;
    r->indexes = more;
    more[r->n_indexes] = (struct packages_index){
        .path = strdup(whole), .folder = TAKE_PTR(folder), .when = st->st_mtime};
    return r->indexes[r->n_indexes++].path ? 0 : -ENOMEM;
}

/* Calls `take` for each file below a folder, with the whole path and the path below it; at
 * most *left times. */
static int walk_files(const char *folder, size_t *left,
                      int (*take)(const char *whole, const char *path, const struct stat *st,
                                  void *arg),
                      void *arg)
{
    char *const roots[] = {(char *)(uintptr_t)folder, NULL};
    FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    size_t skip = strlen(folder) + 1;
    int r = tree ? 0 : -ENOMEM;

    for (FTSENT *e; r == 0 && (e = fts_read(tree));) {
        if (e->fts_info != FTS_F || e->fts_pathlen <= skip)
            continue;
        if (*left == 0)
            r = -EFBIG;
        else
            r = take(e->fts_path, e->fts_path + skip, e->fts_statp, arg);
        *left -= *left > 0;
    }
    if (tree)
        (void)fts_close(tree);
    return r;
}

/* --- packages of the indexes ------------------------------------------------------------ */

struct tally {
    struct cache_content *content;
    struct repository *repository;
    struct keyset by_path;
};

static int take_apt_file(const char *whole, const char *path, const struct stat *st, void *arg)
{
    struct tally *t = arg;

    if (ends_in(path, ".head"))
        return 0;
    if (ends_in(path, ".deb")) {
        count_file(&t->content->packages, (uint64_t)st->st_size, st->st_mtime);
        return add_package(t->repository, path, st);
    }
    count_file(&t->content->indexes, (uint64_t)st->st_size, st->st_mtime);
    return strchr(path, '/') ? add_index(t->repository, whole, path, st) : 0;
}

/* Copies the characters up to `end`; false if that is not a name. */
static bool copy_name(char ret[static CACHE_NAME_MAX], const char *from, const char *end)
{
    size_t size = (size_t)(end - from);

    if (size == 0 || size >= CACHE_NAME_MAX)
        return false;
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)from[i] <= ' ' || (unsigned char)from[i] >= 0x7f)
            return false;
    memcpy(ret, from, size);
    ret[size] = '\0';
    return true;
}

/* The row for a folder dists/SUITE/…/binary-ARCH. */
static struct cache_count *find_system_count(struct cache_content *c, const char *folder)
{
    const char *suite = folder + 6, *binary = strstr(folder, "/binary-") + 8;
    struct cache_system_count one = {0}, *more;

    if (!copy_name(one.suite, suite, suite + strcspn(suite, "/")) ||
        !copy_name(one.arch, binary, binary + strlen(binary)))
        return NULL;
    for (size_t i = 0; i < c->n_systems; i++)
        if (strcmp(c->systems[i].suite, one.suite) == 0 &&
            strcmp(c->systems[i].arch, one.arch) == 0)
            return &c->systems[i].count;
    if (c->n_systems >= CACHE_SYSTEMS_MAX)
        return NULL;
    more = reallocarray(c->systems, c->n_systems + 1, sizeof(*more));
    if (!more)
        return NULL;
    c->systems = more;
    more[c->n_systems] = one;
    return &more[c->n_systems++].count;
}

/* At the end of a stanza of the index: counts its file, if the cache has it complete. */
static void count_stanza(struct tally *t, struct cache_count *to, char *file, uint64_t size)
{
    const struct package *p = *file ? keyset_find(&t->by_path, file, strlen(file)) : NULL;

    if (p && p->size == size)
        count_file(to, p->size, p->when);
    *file = '\0';
}

struct stanza {
    char line[LINE_MAX_BYTES], file[LINE_MAX_BYTES];
    size_t used;
    uint64_t size;
};

static void take_line(struct tally *t, struct cache_count *to, struct stanza *s)
{
    s->line[s->used] = '\0';
    s->used = 0;
    if (strncmp(s->line, "Filename: ", 10) == 0) {
        const char *file = s->line + 10;

        (void)snprintf(s->file, sizeof(s->file), "%s",
                       strncmp(file, "./", 2) == 0 ? file + 2 : file);
    } else if (strncmp(s->line, "Size: ", 6) == 0) {
        s->size = strtoull(s->line + 6, NULL, 10);
    } else if (*s->line == '\0') {
        count_stanza(t, to, s->file, s->size);
    }
}

/* Counts the packages of an index; of a damaged one, the part that can be read. */
static int read_index(struct tally *t, const struct packages_index *x)
{
    CLEANUP_ARCHIVE_READER struct archive_reader *a = NULL;
    CLEANUP_FREE struct stanza *s = calloc(1, sizeof(*s));
    CLEANUP_FREE char *block = malloc(BLOCK);
    struct cache_count *to = find_system_count(t->content, x->folder);
    uint64_t total = 0;
    ssize_t n;
    int r;

    if (!s || !block)
        return -ENOMEM;
    if (!to)
        return 0;
    r = archive_reader_open_file(x->path, &a);
    if (r < 0 || archive_reader_next(a, NULL) <= 0)
        return r == -ENOMEM ? r : 0;
    while ((n = archive_reader_read(a, block, BLOCK)) > 0 && total < CACHE_INDEX_BYTES_MAX) {
        for (ssize_t i = 0; i < n; i++) {
            if (block[i] == '\n')
                take_line(t, to, s);
            else if (s->used < sizeof(s->line) - 1)
                s->line[s->used++] = block[i];
        }
        total += (uint64_t)n;
    }
    count_stanza(t, to, s->file, s->size);
    return 0;
}

static int read_repository(const char *folder, size_t *left, struct cache_content *c)
{
    CLEANUP(repository_clear) struct repository r = {0};
    struct tally t = {.content = c, .repository = &r};
    int result = walk_files(folder, left, take_apt_file, &t);

    for (size_t i = 0; i < r.n_packages && result == 0; i++) {
        void **slot = keyset_slot(&t.by_path, r.packages[i].path, strlen(r.packages[i].path));

        if (slot)
            *slot = &r.packages[i];
        else
            result = -ENOMEM;
    }
    for (size_t i = 0; i < r.n_indexes && result == 0; i++)
        result = read_index(&t, &r.indexes[i]);
    keyset_clear(&t.by_path);
    return result;
}

/* --- all caches ------------------------------------------------------------------------- */

static int take_pip_file(const char *whole, const char *path, const struct stat *st, void *arg)
{
    struct cache_content *c = arg;

    (void)whole;
    if (ends_in(path, ".whl"))
        count_file(&c->wheels, (uint64_t)st->st_size, st->st_mtime);
    else if (ends_in(path, ".tar.gz") || ends_in(path, ".zip") || ends_in(path, ".tar.bz2"))
        count_file(&c->sources, (uint64_t)st->st_size, st->st_mtime);
    return 0;
}

static int take_layer(const char *whole, const char *path, const struct stat *st, void *arg)
{
    struct cache_content *c = arg;

    (void)whole;
    if (ends_in(path, ".tar.gz"))
        count_file(&c->layers, (uint64_t)st->st_size, st->st_mtime);
    return 0;
}

static int compare_systems(const void *a, const void *b)
{
    const struct cache_system_count *x = a, *y = b;
    int order = strcmp(x->suite, y->suite);

    return order ? order : strcmp(x->arch, y->arch);
}

/* Reads each repository's folder, but not apt-cacher-ng's own (_xstore has copies of
 * indexes). */
static int read_apt(const char *cache, size_t *left, struct cache_content *c)
{
    char *const roots[] = {(char *)(uintptr_t)cache, NULL};
    FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    int r = 0;

    if (!tree)
        return -ENOMEM;
    for (FTSENT *e; r == 0 && (e = fts_read(tree));) {
        if (e->fts_info != FTS_D || e->fts_level != 1)
            continue;
        (void)fts_set(tree, e, FTS_SKIP);
        if (*e->fts_name != '_')
            r = read_repository(e->fts_path, left, c);
    }
    (void)fts_close(tree);
    return r;
}

int cache_content_read(const struct paths *p, struct cache_content *ret, struct error *err)
{
    CLEANUP_FREE char *apt = cache_path(p, "apt/cache");
    CLEANUP_FREE char *pip = cache_path(p, "pip/server/+files");
    CLEANUP_FREE char *layers = path_join(p->cache, "layers");
    CLEANUP(cache_content_clear) struct cache_content c = {0};
    size_t left = CACHE_FILES_MAX;
    int r = apt && pip && layers ? read_apt(apt, &left, &c) : -ENOMEM;

    if (r == 0)
        r = walk_files(pip, &left, take_pip_file, &c);
    if (r == 0)
        r = walk_files(layers, &left, take_layer, &c);
    if (r == -EFBIG)
        return error_set(err, r, "there are more than %d files in the caches of %s",
                         CACHE_FILES_MAX, p->state);
    if (r < 0)
        return error_sys(err, r, "cannot read the caches");
    if (c.n_systems > 0)
        qsort(c.systems, c.n_systems, sizeof(*c.systems), compare_systems);
    *ret = c;
    c = (struct cache_content){0};
    return 0;
}
