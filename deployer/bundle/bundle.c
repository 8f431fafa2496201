#include "bundle.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "delta.h"
#include "deployer/base/content.h"
#include "deployer/base/prune.h"
#include "deployer/wheel/lay-out-wheel.h"
#include "discovery/base/cleanup.h"
#include "discovery/base/digest.h"
#include "discovery/base/file.h"
#include "discovery/base/text.h"

/* Part of the cache's keys; to be changed when bundles are laid out differently. */
#define BUNDLE_FORMAT "dcop-bundle-1"

enum { ENTRY_MAX = 512, SIZE_MAX_ON_DISK = 160 * 1024 * 1024 };

static const char *const installed_folders[] = {"scripts/", "site/", NULL};
static const char *const all_folders[] = {"", NULL};

void bundle_clear(struct bundle *bundle)
{
    free(bundle->path);
    free(bundle->version);
    *bundle = (struct bundle){0};
}

/* --- the content ----------------------------------------------------------- */

static int add_line(struct content *c, const char *path, const char *line, struct error *err)
{
    CLEANUP_TEXT struct text text = TEXT_INIT;

    text_addf(&text, "%s\n", line);
    if (text_error(&text) < 0)
        return error_sys(err, -ENOMEM, "cannot make the bundle");
    return content_add(c, path, 0644, text.data, text.size, err);
}

/* After all other files are added and sorted.  SHA256SUMS is the last file: a
 * machine that has it has received the whole bundle. */
static int add_sums(struct content *c, struct error *err)
{
    CLEANUP_TEXT struct text sums = TEXT_INIT;
    char hex[DIGEST_LENGTH + 1];

    for (size_t i = 0; i < c->count; i++) {
        digest_bytes(c->files[i].data, c->files[i].size, hex);
        text_addf(&sums, "%s  %s\n", hex, c->files[i].path);
    }
    if (text_error(&sums) < 0)
        return error_sys(err, -ENOMEM, "cannot make the bundle");
    return content_add(c, "SHA256SUMS", 0644, sums.data, sums.size, err);
}

/* --- the cache ------------------------------------------------------------- *
 *
 * CACHE/bundles/DIGEST.tar.gz
 * CACHE/bundles/by-input/KEY    "BUNDLE-DIGEST DIGEST"
 *
 * The mtime of a bundle is when it was last used; the least recently used are
 * removed (deployer/base/prune.h).
 */

static int cache_path(const char *cache, const char *folder, const char *name, const char *end,
                      char **ret)
{
    char *path;

    if (asprintf(&path, "%s/bundles%s%s%s", cache, folder, name, end) < 0)
        return -ENOMEM;
    *ret = path;
    return 0;
}

/* Fills in the bundle from the cache; -ENOENT when it has no such bundle, or one
 * that is damaged. */
static int cache_find(const char *cache, const char *key, struct bundle *b)
{
    CLEANUP_FREE char *entry = NULL;
    CLEANUP_TEXT struct text line = TEXT_INIT;
    CLEANUP_TEXT struct text bytes = TEXT_INIT;
    char hex[DIGEST_LENGTH + 1];

    if (cache_path(cache, "/by-input/", key, "", &entry) < 0)
        return -ENOMEM;
    if (file_read(entry, ENTRY_MAX, &line, NULL) < 0 ||
        sscanf(text_str(&line), "%64[0-9a-f] %64[0-9a-f]\n", b->bundle_digest, b->digest) != 2 ||
        strlen(b->bundle_digest) != DIGEST_LENGTH || strlen(b->digest) != DIGEST_LENGTH)
        return -ENOENT;
    if (cache_path(cache, "/", b->bundle_digest, ".tar.gz", &b->path) < 0)
        return -ENOMEM;
    if (file_read(b->path, SIZE_MAX_ON_DISK, &bytes, NULL) == 0) {
        digest_bytes(bytes.data, bytes.size, hex);
        if (strcmp(hex, b->bundle_digest) == 0) {
            b->size = bytes.size;
            prune_used(b->path);
            return 0;
        }
    }
    free(TAKE_PTR(b->path));
    return -ENOENT;
}

static void prune_bundles(const char *cache)
{
    CLEANUP_FREE char *all = NULL, *answers = NULL;

    if (cache_path(cache, "", "", "", &all) < 0 ||
        cache_path(cache, "/by-input", "", "", &answers) < 0)
        return;
    prune_oldest(all, ".tar.gz", BUNDLES_KEPT);
    prune_answers(answers, all, ".tar.gz");
    bundle_deltas_prune(cache);
}

static int cache_store(const char *cache, const char *key, const struct text *bytes,
                       struct bundle *b, struct error *err)
{
    CLEANUP_FREE char *folder = NULL, *entry = NULL;
    CLEANUP_TEXT struct text line = TEXT_INIT;
    int r;

    digest_bytes(bytes->data, bytes->size, b->bundle_digest);
    b->size = bytes->size;
    text_addf(&line, "%s %s\n", b->bundle_digest, b->digest);
    if (text_error(&line) < 0 || cache_path(cache, "/by-input", "", "", &folder) < 0 ||
        cache_path(cache, "/by-input/", key, "", &entry) < 0 ||
        cache_path(cache, "/", b->bundle_digest, ".tar.gz", &b->path) < 0)
        return error_sys(err, -ENOMEM, "cannot store the bundle in the cache");
    r = make_folders(folder, 0755, err);
    if (r == 0)
        r = file_write(b->path, bytes->data, bytes->size, 0644, err);
    if (r == 0)
        r = file_write(entry, line.data, line.size, 0644, err);
    if (r == 0)
        prune_bundles(cache);
    return r;
}

/* --- making it ------------------------------------------------------------- */

struct wheels {
    struct text *bytes;
    size_t count;
};

static void wheels_clear(struct wheels *w)
{
    for (size_t i = 0; i < w->count; i++)
        text_clear(&w->bytes[i]);
    free(w->bytes);
}

/* Reads the wheels, and computes the cache's key from them and the steps. */
static int read_input(const struct wheel_set *set, const struct content *steps,
                      struct wheels *wheels, char key[static DIGEST_LENGTH + 1], struct error *err)
{
    char hex[DIGEST_LENGTH + 1];
    struct digest d;

    wheels->bytes = calloc(set->paths.count + 1, sizeof(*wheels->bytes));
    if (!wheels->bytes)
        return error_sys(err, -ENOMEM, "cannot make the bundle");
    digest_init(&d);
    digest_adds(&d, BUNDLE_FORMAT);
    digest_adds(&d, set->version);
    content_digest(steps, all_folders, hex);
    digest_adds(&d, hex);
    for (size_t i = 0; i < set->paths.count; i++) {
        struct text *bytes = &wheels->bytes[wheels->count++];
        int r = file_read(set->paths.items[i], WHEEL_SIZE_MAX, bytes, err);

        if (r < 0)
            return r;
        digest_bytes(bytes->data, bytes->size, hex);
        digest_adds(&d, hex);
    }
    digest_end(&d, key);
    return 0;
}

static int assemble_bundle(const struct wheel_set *set, const struct wheels *wheels,
                           struct content *c, char digest[static DIGEST_LENGTH + 1],
                           struct error *err)
{
    int r = 0;

    for (size_t i = 0; i < wheels->count && r == 0; i++) {
        const char *path = set->paths.items[i], *base = strrchr(path, '/');

        r = lay_out_wheel(c, base ? base + 1 : path, text_str(&wheels->bytes[i]),
                          wheels->bytes[i].size, &(struct wheel_layout){0}, err);
    }
    if (r == 0)
        r = content_sort(c, err);
    if (r < 0)
        return r;
    content_digest(c, installed_folders, digest);
    r = add_line(c, "digest", digest, err);
    if (r == 0)
        r = add_line(c, "version", set->version, err);
    if (r == 0)
        r = content_sort(c, err);
    return r < 0 ? r : add_sums(c, err);
}

int bundle_make(const struct wheel_set *wheels, const char *steps_dir,
                const struct bundle_extra *extras, const char *cache_dir, struct bundle *ret,
                struct error *err)
{
    CLEANUP(content_clear) struct content content = {0};
    CLEANUP(wheels_clear) struct wheels bytes = {0};
    CLEANUP(bundle_clear) struct bundle b = {0};
    CLEANUP_TEXT struct text tar = TEXT_INIT;
    char key[DIGEST_LENGTH + 1];
    int r = content_add_steps(&content, steps_dir, err);

    for (; r == 0 && extras && extras->folder; extras++)
        r = content_add_folder(&content, extras->folder, extras->place, err);
    if (r == 0)
        r = content_sort(&content, err);
    if (r == 0)
        r = read_input(wheels, &content, &bytes, key, err);
    if (r < 0)
        return r;
    b.version = strdup(wheels->version);
    if (!b.version)
        return error_sys(err, -ENOMEM, "cannot make the bundle");
    r = cache_find(cache_dir, key, &b);
    if (r == -ENOENT) {
        r = assemble_bundle(wheels, &bytes, &content, b.digest, err);
        if (r < 0)
            return r;
        r = content_write_tar(&content, &tar);
        if (r < 0)
            return error_sys(err, r, "cannot pack the bundle");
        r = cache_store(cache_dir, key, &tar, &b, err);
    }
    if (r < 0)
        return r == -ENOMEM ? error_sys(err, r, "cannot make the bundle") : r;
    bundle_clear(ret);
    *ret = b;
    b = (struct bundle){0};
    return 0;
}
