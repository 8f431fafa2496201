#include "root.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "deployer/base/folder.h"
#include "discovery/base/digest.h"
#include "discovery/base/file.h"
#include "errors.h"

void apt_root_clear(struct apt_root *root)
{
    free(root->folder);
    free(root->config);
    strings_clear(&root->passed_over);
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
        text_adds(ret, path);
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

static int add_source(struct apt_root *root, const struct apt_system *s,
                      const struct apt_source *source, struct text *list, struct error *err)
{
    CLEANUP_TEXT struct text keys = TEXT_INIT;
    CLEANUP_FREE char *path = NULL;
    bool https = strncmp(source->uri, "https://", 8) == 0;
    int r = 0;

    if (source->key) {
        r = write_key(root, "keys", source->key, strlen(source->key), &path, err);
        text_adds(&keys, path ? path : "");
    } else if (source->signed_by) {
        r = write_named_keys(root, s, source->signed_by, &keys, err);
    }
    if (r < 0)
        return r;
    if (r > 0) {
        CLEANUP_TEXT struct text words = TEXT_INIT;

        text_addf(&words, "%s %s: its key is missing: ", source->uri, source->suite);
        text_add_printable(&words, source->signed_by);
        return strings_add(&root->passed_over, text_str(&words)) < 0
                   ? error_sys(err, -ENOMEM, "cannot write sources.list")
                   : 0;
    }
    text_adds(list, "deb ");
    if (keys.size > 0)
        text_addf(list, "[signed-by=%s] ", text_str(&keys));
    text_addf(list, "%s%s %s", https && root->way.plain ? "http" : "",
              https && root->way.plain ? source->uri + 5 : source->uri, source->suite);
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
    const char *f = root->folder;
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
    /* Another user cannot reach the folder; and changing the user would clear the signal that
     * ends apt with us (PR_SET_PDEATHSIG, prctl(2)). */
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

static int lock_folder(struct apt_root *root, struct error *err)
{
    CLEANUP_FREE char *path = NULL;

    if (asprintf(&path, "%s/lock", root->folder) < 0) {
        path = NULL;
        return error_sys(err, -ENOMEM, "cannot lock %s", root->folder);
    }
    root->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (root->lock < 0 || flock(root->lock, LOCK_EX) < 0)
        return error_sys(err, -errno, "cannot lock %s", path);
    return 0;
}

/* Removes the lists and the cache of an earlier run. */
static void remove_lists(const struct apt_root *root)
{
    static const char *const names[] = {"state", "cache"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        CLEANUP_FREE char *path = path_join(root->folder, names[i]);

        if (!path)
            return;
        folder_remove(path);
    }
}

int apt_root_set(struct apt_root *root, const struct apt_system *s, struct error *err)
{
    int r = write_below(root, "status", &s->status, err);

    return r < 0 ? r : write_below(root, "etc/preferences", &s->preferences, err);
}

int apt_root_open(const char *base, const struct apt_system *s, const struct apt_way *way,
                  bool fresh, struct apt_root *ret, struct error *err)
{
    static const char *const folders[] = {"etc/keys", "etc/trusted.gpg.d", "state/lists/partial",
                                          "cache/archives/partial", "log"};
    CLEANUP(apt_root_clear) struct apt_root root = {.way = *way, .lock = -1};
    CLEANUP_FREE char *name = NULL;
    CLEANUP_TEXT struct text conf = TEXT_INIT;
    CLEANUP_TEXT struct text list = TEXT_INIT;
    int r = apt_root_name(s, &name);

    if (r < 0 || asprintf(&root.folder, "%s/%s", base, name) < 0 ||
        asprintf(&root.config, "%s/apt.conf", root.folder) < 0)
        return error_sys(err, -ENOMEM, "cannot prepare %s", s->name);
    if (strpbrk(root.folder, "\"\\ \t\n[],;{}"))
        return error_set(err, -EINVAL,
                         "apt cannot work in '%s': its name contains a blank, a quote or a "
                         "bracket; choose another folder with --state-dir",
                         root.folder);
    r = make_folder(&root, ".", err);
    if (r == 0)
        r = lock_folder(&root, err);
    if (r == 0 && fresh)
        remove_lists(&root);
    for (size_t i = 0; i < ARRAY_SIZE(folders) && r == 0; i++)
        r = make_folder(&root, folders[i], err);
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
        r = write_below(&root, "etc/sources.list", &list, err);
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

/* --- apt -------------------------------------------------------------------------------- */

int apt_root_run(const struct apt_root *root, const char *const *argv, unsigned timeout_ms,
                 struct process_result *ret, struct error *err)
{
    CLEANUP_FREE char *config = NULL;
    const char *env[] = {NULL,         "LC_ALL=C",    "no_proxy",   "NO_PROXY",    "LANGUAGE",
                         "http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", NULL};
    struct process_options o = {.argv = argv,
                                .env = env,
                                .timeout_ms = timeout_ms,
                                .cancel_fd = root->way.cancel_fd,
                                .output_max = 4 * 1024 * 1024};
    int r;

    if (!root->way.proxy)
        env[5] = NULL; /* keep http_proxy and the others, as this controller's own apt */
    if (asprintf(&config, "APT_CONFIG=%s", root->config) < 0) {
        config = NULL;
        return error_sys(err, -ENOMEM, "cannot run %s", argv[0]);
    }
    env[0] = config;
    r = process_run(&o, ret, err);
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

int apt_root_update(const struct apt_root *root, bool anew, struct strings *warnings,
                    struct error *err)
{
    const char *argv[] = {
        "apt-get", "-q",
        "-o",      anew ? "Acquire::http::No-Cache=true" : "Acquire::http::No-Cache=false",
        "update",  NULL};
    CLEANUP(process_result_clear) struct process_result result = {0};
    CLEANUP_TEXT struct text words = TEXT_INIT;
    int r = apt_root_run(root, argv, APT_UPDATE_MS, &result, err);

    if (r < 0)
        return r;
    if (add_warnings(text_str(&result.errors), warnings) < 0)
        return error_sys(err, -ENOMEM, "cannot read apt's messages");
    if (has_lists(root))
        return 0;
    apt_complaint(&result, &words);
    return error_set(err, -ENETUNREACH, "cannot download the package lists: %s", text_str(&words));
}
