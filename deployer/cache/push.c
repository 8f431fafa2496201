#include "push.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include "caches.h"
#include "deployer/apt/packages.h"
#include "deployer/base/archive.h"
#include "deployer/base/folder.h"
#include "deployer/base/prune.h"
#include "discovery/base/digest.h"
#include "discovery/base/file.h"
#include "offline.h"

void apt_pushed_clear(struct apt_pushed *p)
{
    if (p->bytes)
        (void)munmap(p->bytes, p->size);
    *p = (struct apt_pushed){0};
}

static void unmap_tar(struct apt_pushed *p)
{
    if (p->bytes)
        (void)munmap(p->bytes, p->size);
    p->bytes = NULL;
}

static char *join_path(const char *folder, const char *name)
{
    char *path;

    return asprintf(&path, "%s/%s", folder, name) < 0 ? NULL : path;
}

/* --- fetching -------------------------------------------------------------------------- */

static bool is_fresh(const char *stamp)
{
    struct stat st;

    return stat(stamp, &st) == 0 && time(NULL) - st.st_mtime < APT_PUSH_FRESH_S &&
           st.st_mtime <= time(NULL);
}

/* Downloads the lists unless they are fresh.  If that fails, old ones are used: the files that
 * they name may be here already. */
static int update_lists(const struct apt_root *root, struct error *err)
{
    CLEANUP_STRINGS struct strings warnings = {0};
    CLEANUP_FREE char *stamp = join_path(root->folder, APT_ROOT_STAMP);
    int r;

    if (!stamp)
        return error_sys(err, -ENOMEM, "cannot fetch packages");
    if (is_fresh(stamp))
        return 0;
    r = apt_root_update(root, false, &warnings, err);
    if (r == 0 && warnings.count == 0)
        (void)file_write(stamp, "", 0, 0644, NULL);
    return r;
}

static int explain_missing(const struct strings *missing, const struct text *why, struct error *err)
{
    CLEANUP_TEXT struct text names = TEXT_INIT;

    for (size_t i = 0; i < missing->count && i < 10; i++)
        text_addf(&names, "%s%s", i ? ", " : "", missing->items[i]);
    if (missing->count > 10)
        text_addf(&names, " and %zu more", missing->count - 10);
    return error_set(err, -ENETUNREACH, "this controller cannot fetch %s (%s)", text_str(&names),
                     text_str(why));
}

/* Downloads the files that are not here complete from an earlier run. */
static int fetch_missing(const struct apt_root *root, const struct apt_files *files,
                         const char *folder, struct error *err)
{
    CLEANUP_FREE struct apt_file *items = calloc(files->count + 1, sizeof(*items));
    struct apt_files lacking = {.items = items};
    CLEANUP_STRINGS struct strings missing = {0};
    CLEANUP_TEXT struct text why = TEXT_INIT;
    const struct apt_fetch f = {.root = root, .files = &lacking, .folder = folder, .repair = true};
    int r;

    if (!items)
        return error_sys(err, -ENOMEM, "cannot fetch packages");
    for (size_t i = 0; i < files->count; i++) {
        CLEANUP_FREE char *path = join_path(folder, files->items[i].name);

        if (!path || !apt_file_is_whole(path, &files->items[i]))
            items[lacking.count++] = files->items[i];
    }
    r = lacking.count ? apt_fetch(&f, &missing, &why, err) : 0;
    return r == 0 && missing.count > 0 ? explain_missing(&missing, &why, err) : r;
}

/* --- packing ------------------------------------------------------------------------------ */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct apt_file *)a)->name, ((const struct apt_file *)b)->name);
}

/* The text of SHA256SUMS, as sha256sum -c reads it, and its digest, the tar's name.  Sorts the
 * files. */
static int make_sums(struct apt_files *files, struct text *ret, char digest[static 65])
{
    qsort(files->items, files->count, sizeof(*files->items), by_name);
    for (size_t i = 0; i < files->count; i++)
        text_addf(ret, "%s  %s\n", files->items[i].sha256, files->items[i].name);
    if (text_error(ret) < 0)
        return -ENOMEM;
    digest_bytes(ret->data, ret->size, digest);
    return 0;
}

static int add_file(struct archive_writer *w, const char *folder, const struct apt_file *f)
{
    CLEANUP_FREE char *path = join_path(folder, f->name);
    CLEANUP_TEXT struct text bytes = TEXT_INIT;
    int r = path ? file_read(path, APT_PUSH_MAX, &bytes, NULL) : -ENOMEM;

    return r < 0 ? r : archive_writer_add(w, f->name, 0644, text_str(&bytes), bytes.size);
}

/* The tar is not compressed, because a .deb is. */
static int write_tar(const char *path, const char *folder, const struct apt_files *files,
                     const struct text *sums, struct error *err)
{
    CLEANUP_ARCHIVE_WRITER struct archive_writer *w = NULL;
    int r = archive_writer_open_file(path, &w);

    if (!w)
        return error_sys(err, r, "cannot pack the packages");
    if (r == 0)
        r = archive_writer_add(w, "SHA256SUMS", 0644, sums->data, sums->size);
    for (size_t i = 0; i < files->count && r == 0; i++)
        r = add_file(w, folder, &files->items[i]);
    if (r == 0)
        r = archive_writer_close(w);
    if (r < 0) {
        (void)unlink(path);
        return error_set(err, r, "cannot write %s: %s", path,
                         archive_writer_words(w) ? archive_writer_words(w) : strerror(-r));
    }
    return 0;
}

static int map_tar(const char *path, struct apt_pushed *ret, struct error *err)
{
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    void *bytes;

    if (fd < 0 || fstat(fd, &st) < 0)
        return error_sys(err, -errno, "cannot read %s", path);
    if (st.st_size <= 0 || st.st_size > APT_PUSH_MAX)
        return error_set(err, -EFBIG, "%s is too large to be pushed", path);
    bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (bytes == MAP_FAILED)
        return error_sys(err, -errno, "cannot read %s", path);
    ret->bytes = bytes;
    ret->size = (size_t)st.st_size;
    return 0;
}

static bool holds_member(struct archive_reader *r, const struct apt_file *f)
{
    char bytes[1 << 16], sha256[DIGEST_LENGTH + 1];
    struct digest d;
    ssize_t n;

    if (archive_reader_next(r, NULL) != 1 || !string_equal(archive_reader_path(r), f->name))
        return false;
    digest_init(&d);
    while ((n = archive_reader_read(r, bytes, sizeof(bytes))) > 0)
        digest_add(&d, bytes, (size_t)n);
    digest_end(&d, sha256);
    return n == 0 && strcmp(sha256, f->sha256) == 0;
}

/* Is the tar whole?  SHA256SUMS comes first, which the machine compares with the rest. */
static bool holds_files(const struct apt_pushed *p, const struct apt_files *files,
                        const struct text *sums)
{
    CLEANUP_ARCHIVE_READER struct archive_reader *r = NULL;
    CLEANUP_TEXT struct text first = TEXT_INIT;

    if (archive_reader_open_tar(p->bytes, p->size, &r) < 0 || archive_reader_next(r, NULL) != 1 ||
        archive_reader_data(r, sums->size, &first) < 0 ||
        strcmp(text_str(&first), text_str(sums)) != 0)
        return false;
    for (size_t i = 0; i < files->count; i++)
        if (!holds_member(r, &files->items[i]))
            return false;
    return archive_reader_next(r, NULL) == 0;
}

/* Writes the tar under a temporary name and renames it, so that it is complete or absent.
 * The root's lock is held, so nobody else writes the same tar. */
static int write_whole_tar(const char *tars, const char *path, const char *folder,
                           const struct apt_files *files, const struct text *sums,
                           struct error *err)
{
    CLEANUP_FREE char *temporary = NULL;
    CLEANUP_CLOSE int lock = file_temporary(path, &temporary, err);
    int r;

    if (lock < 0)
        return lock;
    r = write_tar(temporary, folder, files, sums, err);
    if (r < 0)
        return r;
    r = file_sync(temporary);
    if (r == 0 && rename(temporary, path) < 0)
        r = -errno;
    if (r == 0)
        r = file_sync(tars);
    return r < 0 ? error_sys(err, r, "cannot write %s", path) : 0;
}

int apt_pushed_pack(const char *base, struct apt_files *files, const char *folder,
                    struct apt_pushed *ret, struct error *err)
{
    CLEANUP_FREE char *tars = join_path(base, "tars"), *path = NULL;
    CLEANUP_TEXT struct text sums = TEXT_INIT;
    struct error ignored = {0};
    int r = make_sums(files, &sums, ret->digest);

    if (r < 0 || !tars || asprintf(&path, "%s/%s.tar", tars, ret->digest) < 0) {
        path = NULL;
        return error_sys(err, -ENOMEM, "cannot pack the packages");
    }
    r = make_folders(tars, 0700, err);
    if (r < 0)
        return r;
    if (map_tar(path, ret, &ignored) < 0 || !holds_files(ret, files, &sums)) {
        unmap_tar(ret);
        r = write_whole_tar(tars, path, folder, files, &sums, err);
        if (r == 0)
            r = map_tar(path, ret, err);
        /* The folder is apt's: nothing but what was verified leaves it. */
        if (r == 0 && !holds_files(ret, files, &sums)) {
            unmap_tar(ret);
            (void)unlink(path);
            r = error_set(err, -EBADMSG, "the packages in %s have changed meanwhile", folder);
        }
    }
    if (r == 0) {
        prune_used(path);
        prune_oldest(tars, ".tar", APT_PUSH_TARS);
        ret->files = files->count;
    }
    return r;
}

/* --- the tar for a machine -------------------------------------------------------------------- */

/* Uses the cache, if there is one. */
static int choose_proxy(const struct apt_push *push, struct apt_way *ret, struct error *err)
{
    const char *proxy = push->caches->apt_proxy;

    ret->proxy = proxy;
    ret->https = caches_https(push->caches);
    ret->stale = push->choice->offline;
    if (push->choice->offline && !proxy)
        return error_set(err, -ENETUNREACH,
                         "there is no package cache, and --offline forbids access to the internet");
    return 0;
}

/* Marks the files as used now, because apt gives a file the date of its source, and removes
 * files that were not used for long. */
static void keep_used(const struct apt_files *files, const char *folder)
{
    for (size_t i = 0; i < files->count; i++) {
        CLEANUP_FREE char *path = join_path(folder, files->items[i].name);

        if (path)
            prune_used(path);
    }
    prune_unused(folder, ".deb", APT_PUSH_KEPT_S);
}

/* It may be the source that has the package. */
static void add_passed_over(const struct apt_root *root, struct error *err)
{
    const struct error before = *err;

    (void)error_set(err, before.code, "%s; a source that is not used: %s", before.text,
                    root->passed_over.items[0]);
}

static int make_tar(const struct apt_push *push, const struct apt_system *s,
                    const struct apt_way *way, struct apt_pushed *ret, struct error *err)
{
    CLEANUP(apt_root_clear) struct apt_root root = {.lock = -1};
    CLEANUP(apt_files_clear) struct apt_files files = {0};
    CLEANUP_STRINGS struct strings packages = {0};
    CLEANUP_FREE char *folder = NULL, *base = join_path(push->paths->state, "caches/apt-push");
    int r = packages_read(push->paths->steps, push->list, &packages, err);

    if (r == 0)
        r = base ? apt_root_open(base, s, way, false, &root, err)
                 : error_sys(err, -ENOMEM, "cannot fetch packages");
    if (r == 0)
        r = update_lists(&root, err);
    if (r == 0)
        r = apt_resolve(&root, &packages, &files, err);
    if (r < 0 && root.passed_over.count > 0)
        add_passed_over(&root, err);
    if (r < 0)
        return r;
    if (files.count == 0)
        return error_set(err, -ENODATA, "%s lacks no package", s->name);
    if (files.bytes > APT_PUSH_MAX)
        return error_set(err, -EFBIG, "the packages that %s lacks have %llu MB, too many to push",
                         s->name, (unsigned long long)files.bytes >> 20);
    r = apt_root_folder(&root, "debs", &folder, err);
    if (r == 0)
        r = fetch_missing(&root, &files, folder, err);
    if (r == 0)
        r = apt_pushed_pack(base, &files, folder, ret, err);
    if (r == 0)
        keep_used(&files, folder);
    return r;
}

/* Fetches through our own cache without network access, which serves what was primed, also
 * when our cache does not run.  One that runs but whose mirrors do not answer does not even
 * serve its old lists. */
static int make_tar_offline(const struct apt_push *push, const struct apt_system *s, int cancel_fd,
                            const struct strings *allowed, struct apt_pushed *ret,
                            struct error *err)
{
    CLEANUP(cache_offline_free_p) struct cache_offline *own = NULL;
    CLEANUP_FREE char *conf = join_path(push->paths->state, "caches/apt/conf"), *work = NULL;
    CLEANUP_FREE char *parent = join_path(push->paths->state, "caches/apt");
    struct apt_way way = {
        .https = APT_HTTPS_FOR_CACHE, .stale = true, .cancel_fd = cancel_fd, .allowed = allowed};
    int r;

    if (!conf || !parent ||
        asprintf(&work, "%s/caches/apt/offline.%d", push->paths->state, (int)gettid()) < 0) {
        work = NULL;
        return error_sys(err, -ENOMEM, "cannot fetch packages");
    }
    folder_sweep(parent, "offline.");
    r = cache_offline_start(conf, work, &own, err);
    if (r < 0)
        return r;
    way.proxy = cache_offline_url(own);
    return make_tar(push, s, &way, ret, err);
}

static bool has_own_cache(const struct apt_push *push)
{
    CLEANUP_FREE char *conf = join_path(push->paths->state, "caches/apt/conf");

    return conf && !cache_choice_names_apt(push->choice) && access(conf, F_OK) == 0;
}

int apt_push_make(const struct apt_push *push, const struct apt_system *s, int cancel_fd,
                  struct apt_pushed *ret, struct error *err)
{
    CLEANUP(apt_pushed_clear) struct apt_pushed made = {0};
    CLEANUP_STRINGS struct strings allowed = {0};
    struct apt_way way = {.cancel_fd = cancel_fd, .allowed = &allowed};
    struct error first = {0};
    int r = caches_allowed(push->paths, &allowed, err);

    if (r < 0)
        return r;
    r = -ENETUNREACH;
    if (!push->choice->offline || !has_own_cache(push)) {
        r = choose_proxy(push, &way, &first);
        if (r == 0)
            r = make_tar(push, s, &way, &made, &first);
    }
    if (r == -ENETUNREACH && has_own_cache(push))
        r = make_tar_offline(push, s, cancel_fd, &allowed, &made, &first);
    if (r < 0)
        return error_set(err, r, "%s", first.text);
    *ret = made;
    made = (struct apt_pushed){0};
    return 0;
}
