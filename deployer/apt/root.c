#include "root-private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "deployer/base/folder.h"
#include "deployer/base/prune.h"
#include "discovery/base/digest.h"
#include "discovery/base/file.h"

enum { LIST_MAX = 4 * 1024 * 1024, LOCK_TRIES = 10, NOBODY = 65534 };

void apt_root_clear(struct apt_root *root)
{
    free(root->folder);
    strings_clear(&root->passed_over);
    strings_clear(&root->arches);
    cleanup_close(&root->lock);
    *root = (struct apt_root){.lock = -1};
}

/* --- keys ------------------------------------------------------------------------- */

/* In Signed-By, a fingerprint selects one of the trusted keys; it is not a file. */
static bool is_fingerprint(const char *word)
{
    size_t n = strspn(word, "0123456789abcdefABCDEF");

    return n >= 16 && (word[n] == '\0' || strcmp(word + n, "!") == 0);
}

static bool is_armoured(const void *data, size_t size)
{
    return size > 15 && memcmp(data, "-----BEGIN PGP ", 15) == 0;
}

/* Writes a key of the machine to a file in the root that is named after its content; apt
 * reads a file that ends in .asc as text. */
static int write_key(const struct apt_root *root, const char *where, const void *data, size_t size,
                     char **ret_path, struct error *err)
{
    char digest[DIGEST_LENGTH + 1];

    digest_bytes(data, size, digest);
    if (asprintf(ret_path, "%s/etc/%s/%.16s.%s", root->folder, where, digest,
                 is_armoured(data, size) ? "asc" : "gpg") < 0) {
        *ret_path = NULL;
        return error_sys(err, -ENOMEM, "cannot write a key");
    }
    return file_write(*ret_path, data, size, 0644, err);
}

/* Writes the keyrings that a source names (Signed-By) to files in the root, and their paths
 * to `ret`; a system that was named uses this controller's files.  1: one is missing. */
static int write_named_keys(const struct apt_root *root, const struct apt_system *s,
                            const char *signed_by, struct text *ret, struct error *err)
{
    while (*signed_by) {
        size_t n = strcspn(signed_by, ", \t");
        CLEANUP_FREE char *word = strndup(signed_by, n), *path = NULL;
        const struct content_file *f;
        int r;

        signed_by += n + strspn(signed_by + n, ", \t");
        if (!word)
            return error_sys(err, -ENOMEM, "cannot write a key");
        if (n == 0)
            continue;
        if (ret->size > 0)
            text_addc(ret, ',');
        if (is_fingerprint(word)) {
            text_adds(ret, word);
            continue;
        }
        if (!s->machine) {
            if (strpbrk(word, "[]") || access(word, R_OK) < 0)
                return 1;
            text_adds(ret, word);
            continue;
        }
        f = content_find(&s->files, word + (*word == '/'));
        if (!f)
            return 1;
        r = write_key(root, "keys", f->data, f->size, &path, err);
        if (r < 0)
            return r;
        text_addf(ret, "%s%s", root->inside, path + strlen(root->folder));
    }
    return 0;
}

static int write_trusted_keys(const struct apt_root *root, const struct apt_system *s,
                              struct error *err)
{
    for (size_t i = 0; i < s->files.count; i++) {
        const struct content_file *f = &s->files.files[i];
        CLEANUP_FREE char *path = NULL;
        int r;

        if (strncmp(f->path, "etc/apt/trusted.gpg", 19) != 0)
            continue;
        r = write_key(root, "trusted.gpg.d", f->data, f->size, &path, err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* --- sources ------------------------------------------------------------------------ */

/* The URI as it is requested. */
static char *request_uri(const struct apt_root *root, const char *uri)
{
    bool https = strncmp(uri, "https://", 8) == 0;
    char *plain;

    if (!https || root->way.https == APT_HTTPS_KEPT)
        return strdup(uri);
    if (root->way.https == APT_HTTPS_FOR_CACHE)
        return apt_uri_for_cache(uri);
    return asprintf(&plain, "http%s", uri + 5) < 0 ? NULL : plain;
}

static int pass_over(struct apt_root *root, const struct apt_source *source, const char *why,
                     const char *what, struct error *err)
{
    CLEANUP_TEXT struct text words = TEXT_INIT;

    text_addf(&words, "%s %s: %s", source->uri, source->suite, why);
    text_add_printable(&words, what);
    return text_error(&words) < 0 || strings_add(&root->passed_over, text_str(&words)) < 0
               ? error_sys(err, -ENOMEM, "cannot write sources.list")
               : 0;
}

static int add_source(struct apt_root *root, const struct apt_system *s,
                      const struct apt_source *source, struct text *list, struct error *err)
{
    CLEANUP_TEXT struct text keys = TEXT_INIT;
    CLEANUP_FREE char *path = NULL, *uri = request_uri(root, source->uri);
    int r = 0;

    if (!uri)
        return error_sys(err, -ENOMEM, "cannot write sources.list");
    if (s->machine && root->way.allowed && !strings_has(root->way.allowed, source->uri))
        return pass_over(root, source,
                         "nobody has allowed this controller to fetch from it; if it may: "
                         "dcop-deploy cache allow ",
                         source->uri, err);
    if (source->key) {
        r = write_key(root, "keys", source->key, strlen(source->key), &path, err);
        if (path)
            text_addf(&keys, "%s%s", root->inside, path + strlen(root->folder));
    } else if (source->signed_by) {
        r = write_named_keys(root, s, source->signed_by, &keys, err);
    }
    if (r < 0)
        return r;
    if (r > 0)
        return pass_over(root, source, "its key is missing: ", source->signed_by, err);
    text_adds(list, "deb ");
    if (keys.size > 0)
        text_addf(list, "[signed-by=%s] ", text_str(&keys));
    text_addf(list, "%s %s", uri, source->suite);
    for (size_t i = 0; i < source->components.count; i++)
        text_addf(list, " %s", source->components.items[i]);
    text_addc(list, '\n');
    return text_error(&keys) < 0 ? error_sys(err, -ENOMEM, "cannot write sources.list") : 0;
}

/* --- configuration ------------------------------------------------------------------- */

/* Adds this controller's own apt settings for validity dates and, without a proxy of ours,
 * for the network. */
static int add_own_settings(const struct apt_way *way, struct text *conf, struct error *err)
{
    static const char *const always[] = {"Acquire::Check-Valid-Until ", "Acquire::Check-Date ",
                                         "Acquire::Max-FutureTime "};
    static const char *const direct[] = {"Acquire::http", "Acquire::https"};
    CLEANUP(process_result_clear) struct process_result result = {0};
    const char *argv[] = {"apt-config", "dump", NULL};
    const struct process_options o = {
        .argv = argv, .timeout_ms = APT_ASK_MS, .cancel_fd = -1, .output_max = 1024 * 1024};
    int r = process_run(&o, &result, err);

    if (r < 0)
        return r == -ENOENT ? error_set(err, -ENOPKG,
                                        "this controller has no apt, which is needed to find out "
                                        "which packages the machines lack; run this on a Debian or "
                                        "Ubuntu system")
                            : r;
    for (char *line = result.output.data, *next; line && *line; line = next) {
        bool wanted = false;

        next = line + strcspn(line, "\n");
        if (*next)
            *next++ = '\0';
        for (size_t i = 0; i < ARRAY_SIZE(always); i++)
            wanted = wanted || strncmp(line, always[i], strlen(always[i])) == 0;
        for (size_t i = 0; i < ARRAY_SIZE(direct) && !way->proxy; i++)
            wanted = wanted || strncmp(line, direct[i], strlen(direct[i])) == 0;
        if (wanted)
            text_addf(conf, "%s\n", line);
    }
    return 0;
}

static int make_config(const struct apt_root *root, const struct apt_system *s, struct text *conf,
                       struct error *err)
{
    const char *f = root->inside;
    const struct apt_way *way = &root->way;
    int r = add_own_settings(way, conf, err);

    if (r < 0)
        return r;
    text_addf(conf, "Dir::State \"%s/state\";\nDir::State::status \"%s/status\";\n", f, f);
    text_addf(conf, "Dir::State::extended_states \"%s/extended\";\nDir::Cache \"%s/cache\";\n", f,
              f);
    /* This cache would contain the installed packages, which differ between machines. */
    text_adds(conf, "Dir::Cache::pkgcache \"\";\n");
    text_addf(conf, "Dir::Etc \"%s/etc\";\nDir::Log \"%s/log\";\n", f, f);
    text_adds(conf, "Dir::Etc::parts \"/dev/null\";\nDir::Etc::main \"/dev/null\";\n"
                    "Dir::Etc::sourceparts \"/dev/null\";\n"
                    "Dir::Etc::preferencesparts \"/dev/null\";\n");
    if (s->machine)
        text_addf(conf,
                  "Dir::Etc::trusted \"/dev/null\";\n"
                  "Dir::Etc::trustedparts \"%s/etc/trusted.gpg.d\";\n",
                  f);
    else
        text_adds(conf, "Dir::Etc::trusted \"/etc/apt/trusted.gpg\";\n"
                        "Dir::Etc::trustedparts \"/etc/apt/trusted.gpg.d\";\n");
    text_addf(conf, "APT::Architecture \"%s\";\nAPT::Architectures { \"%s\";", s->arch, s->arch);
    for (size_t i = 0; i < s->foreign.count; i++)
        text_addf(conf, " \"%s\";", s->foreign.items[i]);
    text_adds(conf, " };\nAPT::Install-Recommends \"false\";\n"
                    "Acquire::Languages \"none\";\n"
                    "Acquire::http::Timeout \"30\";\nAcquire::https::Timeout \"30\";\n"
                    "Acquire::ForceHash \"sha256\";\nAcquire::PDiffs \"false\";\n");
    /* It has that user already; and changing the user would clear the signal that ends apt with us
     * (PR_SET_PDEATHSIG, prctl(2)). */
    text_adds(conf, "APT::Sandbox::User \"root\";\n");
    /* With a delay before a retry, apt 2.6 waits for ever when a cache answers 503. */
    text_addf(conf, "Acquire::Retries \"%d\";\nAcquire::Retries::Delay \"false\";\n",
              way->stale ? 0 : 1);
    if (way->stale)
        text_adds(conf, "Acquire::Check-Valid-Until \"false\";\nAcquire::Check-Date \"false\";\n");
    if (way->proxy)
        text_addf(conf, "Acquire::http::Proxy \"%s\";\nAcquire::https::Proxy \"%s\";\n", way->proxy,
                  way->proxy);
    return text_error(conf);
}

/* --- the folder ------------------------------------------------------------------------ */

int apt_root_name(const struct apt_system *s, char **ret)
{
    char hex[DIGEST_LENGTH + 1];
    struct digest d;

    if (!s->machine) {
        *ret = strdup(s->name);
        return *ret ? 0 : -ENOMEM;
    }
    digest_init(&d);
    digest_adds(&d, s->arch);
    for (size_t i = 0; i < s->foreign.count; i++)
        digest_adds(&d, s->foreign.items[i]);
    for (size_t i = 0; i < s->files.count; i++) {
        const struct content_file *f = &s->files.files[i];

        if (strncmp(f->path, "etc/", 4) != 0 && strncmp(f->path, "usr/", 4) != 0)
            continue;
        digest_adds(&d, f->path);
        digest_add(&d, f->data, f->size);
    }
    digest_end(&d, hex);
    return asprintf(ret, "m-%.16s", hex) < 0 ? -ENOMEM : 0;
}

static int make_folder(const struct apt_root *root, const char *name, struct error *err)
{
    CLEANUP_FREE char *path = path_join(root->folder, name);

    if (!path)
        return error_sys(err, -ENOMEM, "cannot make %s", name);
    return make_folders(path, 0755, err);
}

static int write_below(const struct apt_root *root, const char *name, const struct text *text,
                       struct error *err)
{
    CLEANUP_FREE char *path = path_join(root->folder, name);

    if (text_error(text) < 0 || !path)
        return error_sys(err, -ENOMEM, "cannot write %s", name);
    return file_write(path, text_str(text), text->size, 0644, err);
}

/* Writes sources.list; a stamp of other sources says nothing of these. */
static int write_list(const struct apt_root *root, const struct text *list, struct error *err)
{
    CLEANUP_FREE char *path = path_join(root->folder, "etc/sources.list");
    CLEANUP_FREE char *stamp = path_join(root->folder, APT_ROOT_STAMP);
    CLEANUP_TEXT struct text before = TEXT_INIT;

    if (!path || !stamp || text_error(list) < 0)
        return error_sys(err, -ENOMEM, "cannot write sources.list");
    if (file_read(path, LIST_MAX, &before, NULL) == 0 &&
        strcmp(text_str(&before), text_str(list)) == 0)
        return 0;
    (void)unlink(stamp);
    return write_below(root, "etc/sources.list", list, err);
}

/* The lock of a folder that was removed meanwhile is none. */
static int lock_folder(struct apt_root *root, struct error *err)
{
    CLEANUP_FREE char *path = path_join(root->folder, "lock");
    struct stat held, there;

    if (!path)
        return error_sys(err, -ENOMEM, "cannot lock %s", root->folder);
    for (int i = 0; i < LOCK_TRIES; i++) {
        int r = make_folder(root, ".", err);

        if (r < 0)
            return r;
        cleanup_close(&root->lock);
        root->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (root->lock < 0 || flock(root->lock, LOCK_EX) < 0 || fstat(root->lock, &held) < 0)
            return error_sys(err, -errno, "cannot lock %s", path);
        if (stat(path, &there) == 0 && there.st_ino == held.st_ino) {
            prune_used(path);
            return 0;
        }
    }
    return error_set(err, -EBUSY, "cannot lock %s", path);
}

/* --- of machines that are gone ------------------------------------------------------------ */

struct old_root {
    char *path;
    time_t used;
};

static int newest_first(const void *a, const void *b)
{
    const struct old_root *x = a, *y = b;

    return x->used > y->used ? -1 : x->used < y->used;
}

/* Removes the root unless a process has it open. */
static void remove_unused(const char *path)
{
    CLEANUP_FREE char *name = path_join(path, "lock");
    CLEANUP_CLOSE int lock = name ? open(name, O_RDWR | O_CLOEXEC | O_NOFOLLOW) : -1;

    if (lock < 0 || flock(lock, LOCK_EX | LOCK_NB) == 0)
        folder_remove(path);
}

static int add_old(struct old_root *list, size_t *count, size_t room, const char *base,
                   const char *name)
{
    char *path = path_join(base, name);
    CLEANUP_FREE char *lock = path ? path_join(path, "lock") : NULL;
    struct stat st = {0};

    if (!lock || *count >= room || lstat(lock, &st) < 0) {
        free(path);
        return lock ? 0 : -ENOMEM;
    }
    list[(*count)++] = (struct old_root){.path = path, .used = st.st_mtime};
    return 0;
}

/* All but those that were used last; each may have as much as the bounds of one allow. */
static void prune_roots(const char *base)
{
    enum { ROOM = 4096 };
    CLEANUP_FREE struct old_root *list = calloc(ROOM, sizeof(*list));
    DIR *dir = list ? opendir(base) : NULL;
    time_t now = time(NULL);
    size_t count = 0;

    for (const struct dirent *e; dir && (e = readdir(dir));)
        if (strncmp(e->d_name, "m-", 2) == 0 && add_old(list, &count, ROOM, base, e->d_name) < 0)
            break;
    if (dir)
        (void)closedir(dir);
    if (count > 0)
        qsort(list, count, sizeof(*list), newest_first);
    for (size_t i = 0; i < count; i++) {
        if (i >= APT_ROOTS_KEPT || list[i].used < now - APT_ROOT_KEPT_S)
            remove_unused(list[i].path);
        free(list[i].path);
    }
}

/* --- where apt writes ----------------------------------------------------------------------- */

/* The user of apt's sandbox, where we can become it. */
static void choose_user(struct apt_root *root)
{
    struct passwd entry, *found = NULL;
    char buffer[4096];

    root->drop = geteuid() == 0;
    root->inside = root->drop ? APT_CONFINED : root->folder;
    root->uid = root->gid = NOBODY;
    if (getpwnam_r("_apt", &entry, buffer, sizeof(buffer), &found) == 0 && found &&
        found->pw_uid != 0) {
        root->uid = found->pw_uid;
        root->gid = found->pw_gid;
    }
}

/* Makes the folder apt's own.  Whatever is there of another user, of an earlier version of this
 * program, is removed: apt could not replace it. */
static int give_folder(const struct apt_root *root, const char *path, struct error *err)
{
    struct stat st;
    int r;

    if (root->drop && lstat(path, &st) == 0 && st.st_uid != root->uid)
        folder_remove(path);
    r = make_folders(path, 0755, err);
    if (r == 0 && root->drop && lchown(path, root->uid, root->gid) < 0)
        r = error_sys(err, -errno, "cannot give %s to apt's user", path);
    return r;
}

int apt_root_folder(const struct apt_root *root, const char *name, char **ret, struct error *err)
{
    CLEANUP_FREE char *path = path_join(root->folder, name);
    int r = path ? give_folder(root, path, err) : error_sys(err, -ENOMEM, "cannot make %s", name);

    if (r == 0)
        *ret = TAKE_PTR(path);
    return r;
}

char *apt_root_inside(const struct apt_root *root, const char *path)
{
    size_t size = strlen(root->folder);
    char *inside;

    if (strncmp(path, root->folder, size) != 0 || path[size] != '/')
        return strdup(path);
    return asprintf(&inside, "%s%s", root->inside, path + size) < 0 ? NULL : inside;
}

int apt_root_set(struct apt_root *root, const struct apt_system *s, struct error *err)
{
    int r = write_below(root, "status", &s->status, err);

    return r < 0 ? r : write_below(root, "etc/preferences", &s->preferences, err);
}

int apt_root_open(const char *base, const struct apt_system *s, const struct apt_way *way,
                  bool fresh, struct apt_root *ret, struct error *err)
{
    static const char *const folders[] = {"etc/keys", "etc/trusted.gpg.d", "state"};
    CLEANUP(apt_root_clear) struct apt_root root = {.way = *way, .lock = -1};
    CLEANUP_FREE char *name = NULL;
    CLEANUP_TEXT struct text conf = TEXT_INIT;
    CLEANUP_TEXT struct text list = TEXT_INIT;
    int r = apt_root_name(s, &name);

    if (r < 0 || asprintf(&root.folder, "%s/%s", base, name) < 0)
        return error_sys(err, -ENOMEM, "cannot prepare %s", s->name);
    choose_user(&root);
    if (strings_copy(&root.arches, &s->foreign) < 0 || strings_add(&root.arches, s->arch) < 0)
        return error_sys(err, -ENOMEM, "cannot prepare %s", s->name);
    if (strpbrk(root.inside, "\"\\ \t\n[],;{}"))
        return error_set(err, -EINVAL,
                         "apt cannot work in '%s': its name contains a blank, a quote or a "
                         "bracket; choose another folder with --state-dir",
                         root.inside);
    if (s->machine)
        prune_roots(base);
    r = lock_folder(&root, err);
    if (r == 0 && fresh)
        apt_root_remove_lists(&root);
    for (size_t i = 0; i < ARRAY_SIZE(folders) && r == 0; i++)
        r = make_folder(&root, folders[i], err);
    r = r == 0 ? apt_root_make_written(&root, err) : r;
    if (r == 0 && s->machine)
        r = write_trusted_keys(&root, s, err);
    for (size_t i = 0; i < s->sources.count && r == 0; i++)
        r = add_source(&root, s, &s->sources.items[i], &list, err);
    if (r == 0 && list.size == 0)
        r = error_set(err, -ENOENT, "%s names no package source that can be used here%s%s", s->name,
                      root.passed_over.count         ? ": "
                      : s->sources.passed_over.count ? ": "
                                                     : "",
                      root.passed_over.count         ? root.passed_over.items[0]
                      : s->sources.passed_over.count ? s->sources.passed_over.items[0]
                                                     : "");
    if (r == 0)
        r = write_list(&root, &list, err);
    if (r == 0)
        r = make_config(&root, s, &conf, err);
    if (r == 0)
        r = write_below(&root, "apt.conf", &conf, err);
    if (r == 0)
        r = apt_root_set(&root, s, err);
    if (r < 0)
        return r;
    *ret = root;
    root = (struct apt_root){.lock = -1};
    return 0;
}
