/* apt at work in a root: what it may write and fetch, and what is removed when that is too
 * much. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "deployer/base/folder.h"
#include "discovery/base/file.h"
#include "errors.h"
#include "root-private.h"

enum { RELEASE_MAX = 16 * 1024 * 1024 };

/* Where apt writes, below the root. */
static const char *const written[] = {"state/lists", "cache", "log"};

void apt_root_remove_lists(const struct apt_root *root)
{
    CLEANUP_FREE char *stamp = path_join(root->folder, APT_ROOT_STAMP);

    if (stamp)
        (void)unlink(stamp);
    for (size_t i = 0; i < ARRAY_SIZE(written); i++) {
        CLEANUP_FREE char *path = path_join(root->folder, written[i]);

        if (path)
            folder_remove(path);
    }
}

/* What is left of lists that could not be fetched. */
static void remove_partial(const struct apt_root *root)
{
    CLEANUP_FREE char *path = path_join(root->folder, "state/lists");
    CLEANUP_CLOSE int lists = path ? open(path, O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
    CLEANUP_FREE char *partial = NULL;

    if (lists < 0 || asprintf(&partial, "/proc/self/fd/%d/partial", lists) < 0) {
        partial = NULL;
        return;
    }
    folder_remove(partial);
}

int apt_root_make_written(const struct apt_root *root, struct error *err)
{
    int r = 0;

    for (size_t i = 0; i < ARRAY_SIZE(written) && r == 0; i++) {
        CLEANUP_FREE char *path = NULL;

        r = apt_root_folder(root, written[i], &path, err);
    }
    return r;
}

/* Bytes on the disk; a file that goes meanwhile counts nothing. */
uint64_t apt_root_size(const char *folder)
{
    char *const roots[] = {(char *)(uintptr_t)folder, NULL};
    FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    uint64_t bytes = 0;

    for (FTSENT *e; tree && (e = fts_read(tree));)
        if (e->fts_info == FTS_F)
            bytes += (uint64_t)e->fts_statp->st_blocks * 512;
    if (tree)
        (void)fts_close(tree);
    return bytes;
}

/* --- apt -------------------------------------------------------------------------------- */

struct watched {
    const struct apt_root *root;
    const struct apt_bounds *bounds;
};

static int check_size(const struct apt_root *root, const char *path, uint64_t max,
                      struct error *err)
{
    return apt_root_size(path) <= max
               ? 0
               : error_set(err, -EFBIG,
                           "what the package sources serve is too large: more than %llu MB in %s, "
                           "which is removed",
                           (unsigned long long)max >> 20, root->folder);
}

static int check_sizes(void *arg, struct error *err)
{
    const struct watched *w = arg;
    uint64_t max = APT_LISTS_MAX;
    int r = 0;

    for (size_t i = 0; i < ARRAY_SIZE(written) && r == 0; i++) {
        CLEANUP_FREE char *path = path_join(w->root->folder, written[i]);

        if (path)
            r = check_size(w->root, path, max, err);
    }
    if (r == 0 && w->bounds->folder)
        r = check_size(w->root, w->bounds->folder, w->bounds->folder_max, err);
    return r;
}

int apt_root_run(const struct apt_root *root, const char *const *argv,
                 const struct apt_bounds *bounds, struct process_result *ret, struct error *err)
{
    CLEANUP_FREE char *config = NULL;
    const char *env[] = {NULL,         "LC_ALL=C",    "TMPDIR",     "no_proxy",
                         "NO_PROXY",   "LANGUAGE",    "http_proxy", "https_proxy",
                         "HTTP_PROXY", "HTTPS_PROXY", NULL};
    struct watched watched = {root, bounds};
    struct process_options o = {.argv = argv,
                                .env = env,
                                .folder = root->inside,
                                .mount = root->folder,
                                .mount_at = root->drop ? root->inside : NULL,
                                .drop = root->drop,
                                .uid = root->uid,
                                .gid = root->gid,
                                .no_new_privileges = true,
                                .file_max = bounds->file_max,
                                .memory_max = APT_MEMORY_MAX,
                                .watch = check_sizes,
                                .watch_arg = &watched,
                                .timeout_ms = bounds->timeout_ms,
                                .cancel_fd = root->way.cancel_fd,
                                .output_max = 4 * 1024 * 1024};
    int r;

    if (!root->way.proxy)
        env[6] = NULL; /* keep http_proxy and the others, as this controller's own apt */
    if (asprintf(&config, "APT_CONFIG=%s/apt.conf", root->inside) < 0) {
        config = NULL;
        return error_sys(err, -ENOMEM, "cannot run %s", argv[0]);
    }
    env[0] = config;
    if (root->drop && mkdir(root->inside, 0755) < 0 && errno != EEXIST)
        return error_sys(err, -errno, "cannot make %s", root->inside);
    r = process_run(&o, ret, err);
    if (r == -EPERM && root->drop)
        return error_set(err, -ENOPKG,
                         "apt cannot be confined here, as root without the right to mount (in a "
                         "container?); run this as another user");
    if (r == -EFBIG) {
        apt_root_remove_lists(root);
        if (bounds->folder)
            folder_remove(bounds->folder);
    }
    return r == -ENOENT ? error_set(err, -ENOPKG, "this controller has no %s", argv[0]) : r;
}

static bool has_lists(const struct apt_root *root)
{
    CLEANUP_FREE char *path = NULL;
    bool found = false;
    DIR *dir;

    if (asprintf(&path, "%s/state/lists", root->folder) < 0) {
        path = NULL;
        return false;
    }
    dir = opendir(path);
    for (const struct dirent *e; dir && (e = readdir(dir)) && !found;)
        found = strstr(e->d_name, "_Packages") || strstr(e->d_name, "_Release") ||
                strstr(e->d_name, "_InRelease");
    if (dir)
        (void)closedir(dir);
    return found;
}

static int add_warnings(const char *said, struct strings *ret)
{
    while (*said) {
        size_t n = strcspn(said, "\n");
        bool told = strncmp(said, "W: Failed to fetch ", 19) == 0 ||
                    strncmp(said, "W: GPG error: ", 14) == 0 || strncmp(said, "E: ", 3) == 0;

        if (told && ret->count < APT_SOURCES_MAX) {
            CLEANUP_FREE char *line = strndup(said + 3, n - 3);
            CLEANUP_TEXT struct text words = TEXT_INIT;

            text_add_printable(&words, line ? line : "");
            if (!line || text_error(&words) < 0 || strings_add(ret, text_str(&words)) < 0)
                return -ENOMEM;
        }
        said += n + (said[n] == '\n');
    }
    return 0;
}

/* --- sizes, before the lists are downloaded ------------------------------------------------ */

/* Is it a package list that apt would download for these architectures, packed or not? */
static bool is_list_of(const struct apt_root *root, const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    const char *binary = strstr(path, "binary-");

    if (strncmp(name, "Packages", 8) != 0)
        return false;
    for (size_t i = 0; binary && i < root->arches.count; i++) {
        size_t size = strlen(root->arches.items[i]);

        if (strncmp(binary + 7, root->arches.items[i], size) == 0 && binary[7 + size] == '/')
            return true;
    }
    return !binary || strncmp(binary, "binary-all/", 11) == 0;
}

/* One line of the SHA256 part of a Release file (deb822): hash, size, path. */
static int check_release_line(const struct apt_root *root, const char *name, const char *line,
                              uint64_t *total, struct error *err)
{
    CLEANUP_TEXT struct text words = TEXT_INIT;
    unsigned long long size;
    char path[256];

    if (sscanf(line, " %*64[0-9a-f] %llu %255s", &size, path) != 2 || !is_list_of(root, path))
        return 0;
    if (string_ends_with(path, "Packages"))
        *total += size;
    if (size <= APT_LIST_MAX && *total <= APT_LISTS_MAX)
        return 0;
    text_add_printable(&words, name);
    text_adds(&words, ": ");
    text_add_printable(&words, path);
    return error_set(err, -EFBIG,
                     "the package lists are too large and were not downloaded: %s has %llu MB; a "
                     "list may have %llu MB, all together %llu MB",
                     text_str(&words), size >> 20, APT_LIST_MAX >> 20, APT_LISTS_MAX >> 20);
}

static int check_release(const struct apt_root *root, const char *name, char *text, uint64_t *total,
                         struct error *err)
{
    bool sums = false;
    int r = 0;

    for (char *line = text, *next; line && *line && r == 0; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        if (*line != ' ')
            sums = strcmp(line, "SHA256:") == 0;
        else if (sums)
            r = check_release_line(root, name, line, total, err);
    }
    return r;
}

/* The Release files that apt has downloaded and verified.  They are in a folder of apt's user. */
static int check_releases(const struct apt_root *root, struct error *err)
{
    CLEANUP_FREE char *path = path_join(root->folder, "state/lists");
    DIR *dir = path ? opendir(path) : NULL;
    uint64_t total = 0;
    int r = 0;

    for (const struct dirent *e; dir && r == 0 && (e = readdir(dir));) {
        CLEANUP_TEXT struct text text = TEXT_INIT;
        CLEANUP_FREE char *file = NULL;
        struct stat st;

        if (!string_ends_with(e->d_name, "_InRelease") && !string_ends_with(e->d_name, "_Release"))
            continue;
        file = path_join(path, e->d_name);
        if (!file || lstat(file, &st) < 0 || !S_ISREG(st.st_mode) ||
            file_read(file, RELEASE_MAX, &text, NULL) < 0)
            r = error_set(err, -EBADMSG, "cannot read the Release file %s", e->d_name);
        else if (text.data)
            r = check_release(root, e->d_name, text.data, &total, err);
    }
    if (dir)
        (void)closedir(dir);
    return r;
}

/* Downloads the Release files alone, which say how large the lists are.  1: nothing could be
 * downloaded, and `warnings` says why. */
static int update_releases(const struct apt_root *root, const char *no_cache,
                           const struct apt_bounds *bounds, struct strings *warnings,
                           struct text *ret_words, struct error *err)
{
    const char *argv[] = {"apt-get", "-q",
                          "-o",      no_cache,
                          "-o",      "APT::Get::List-Cleanup=false",
                          "-o",      "Acquire::IndexTargets::deb::Packages::DefaultEnabled=false",
                          "update",  NULL};
    CLEANUP(process_result_clear) struct process_result result = {0};
    const char *said;
    int r = apt_root_run(root, argv, bounds, &result, err);

    if (r < 0)
        return r;
    said = text_str(&result.output);
    if (strstr(said, "Get:") || strstr(said, "Hit:"))
        return check_releases(root, err);
    apt_complaint(&result, ret_words);
    return add_warnings(text_str(&result.errors), warnings) < 0
               ? error_sys(err, -ENOMEM, "cannot read apt's messages")
               : 1;
}

int apt_root_update(const struct apt_root *root, bool anew, struct strings *warnings,
                    struct error *err)
{
    const char *no_cache = anew ? "Acquire::http::No-Cache=true" : "Acquire::http::No-Cache=false";
    const char *argv[] = {"apt-get", "-q", "-o", no_cache, "update", NULL};
    CLEANUP(process_result_clear) struct process_result result = {0};
    CLEANUP_TEXT struct text words = TEXT_INIT;
    const struct apt_bounds bounds = {.timeout_ms = APT_UPDATE_MS, .file_max = APT_LIST_MAX};
    int r = apt_root_make_written(root, err);

    if (r == 0)
        r = update_releases(root, no_cache, &bounds, warnings, &words, err);
    if (r == 0) {
        r = apt_root_run(root, argv, &bounds, &result, err);
        if (r == 0)
            apt_complaint(&result, &words);
        if (r == 0 && add_warnings(text_str(&result.errors), warnings) < 0)
            r = error_sys(err, -ENOMEM, "cannot read apt's messages");
    }
    remove_partial(root);
    if (r == -EFBIG || r == -EBADMSG)
        apt_root_remove_lists(root);
    if (r < 0)
        return r;
    if (has_lists(root))
        return 0;
    return error_set(err, -ENETUNREACH, "cannot download the package lists: %s", text_str(&words));
}
