#include "deployer/wheel.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "deployer/digest.h"
#include "deployer/tree.h"
#include "deployer/wheel-build.h"
#include "discovery/base/cleanup.h"
#include "discovery/base/file.h"

/* What pyDCOP imports and Debian does not package.  websocket-server: 0.6
 * changed the order of a constructor's arguments, which pyDCOP goes by. */
static const char *const extra_requirements[] = {
    "websocket-server==0.5.6",
};

/* Goes into each key: what is built differently is another thing. */
#define CACHE_FORMAT "dcop-wheel-1"

enum {
    AGAIN_S = 60 * 60, /* after the index did not answer */
    ENTRY_MAX = 1024,  /* bytes of a cache entry */
};

void wheel_set_clear(struct wheel_set *set)
{
    strings_clear(&set->paths);
    free(set->name);
    free(set->version);
    *set = (struct wheel_set){0};
}

/* --- specs ----------------------------------------------------------------- */

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);

    return n > m && strcmp(s + n - m, end) == 0;
}

static bool is_archive(const char *spec)
{
    return ends_with(spec, ".whl") || ends_with(spec, ".tar.gz") || ends_with(spec, ".zip");
}

static bool has_file(const char *folder, const char *name)
{
    CLEANUP_FREE char *path = NULL;

    if (asprintf(&path, "%s/%s", folder, name) < 0) {
        path = NULL;
        return false;
    }
    return access(path, F_OK) == 0;
}

static bool is_project(const char *folder)
{
    return has_file(folder, "setup.py") || has_file(folder, "pyproject.toml");
}

enum wheel_spec wheel_spec_kind(const char *spec)
{
    struct stat st;

    if (is_archive(spec) && (stat(spec, &st) < 0 || !S_ISDIR(st.st_mode)))
        return WHEEL_SPEC_FILE;
    if (spec[0] == '.' || strchr(spec, '/') || is_project(spec))
        return WHEEL_SPEC_DIRECTORY;
    return WHEEL_SPEC_REQUIREMENT;
}

static char index_char(const char **s)
{
    char c = **s;

    if (c == '-' || c == '_' || c == '.') {
        *s += strspn(*s, "-_.");
        return '-';
    }
    *s += c != '\0';
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool wheel_name_equal(const char *a, const char *b)
{
    for (;;) {
        char x = index_char(&a), y = index_char(&b);

        if (x != y)
            return false;
        if (x == '\0')
            return true;
    }
}

static const char word_chars[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

/* Enough that pip takes it for a requirement, and for nothing else. */
static int check_requirement(const char *spec, struct error *err)
{
    size_t n = strspn(spec, word_chars), rest = strlen(spec + n);

    if (strstr(spec, "://"))
        return error_set(err, -ENOTSUP,
                         "%s: URLs are not supported; clone it, and give the directory", spec);
    if (n == 0 || !isalnum((unsigned char)spec[0]) || strlen(spec) > 256 ||
        (rest && !strchr("[=<>!~ ", spec[n])) ||
        strspn(spec + n, "[]=<>!~, *+abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                         "0123456789._-") != rest)
        return error_set(err, -EINVAL,
                         "\"%s\" is neither a directory, nor a wheel, nor a requirement like "
                         "pydcop==0.1.1",
                         spec);
    return 0;
}

/* name==1.2: the index will never say anything else. */
static bool is_pinned(const char *spec)
{
    size_t n = strspn(spec, word_chars);
    const char *version = spec + n + 2;

    return strncmp(spec + n, "==", 2) == 0 && *version &&
           version[strspn(version, word_chars)] == '\0';
}

/* NAME-VERSION[-BUILD]-PYTHON-ABI-PLATFORM.whl (the binary distribution format,
 * "File name convention"). */
static int parse_name(const char *path, char **ret_name, char **ret_version, struct error *err)
{
    const char *base = strrchr(path, '/'), *dash[5];
    CLEANUP_FREE char *name = NULL, *version = NULL;
    size_t n = 0;

    base = base ? base + 1 : path;
    for (const char *p = strchr(base, '-'); p && n < ARRAY_SIZE(dash); p = strchr(p + 1, '-'))
        dash[n++] = p;
    if (n < 4 || dash[0] == base || dash[1] == dash[0] + 1 || !ends_with(base, ".whl") ||
        base[strspn(base, "+!abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")])
        return error_set(err, -EINVAL,
                         "%s is not named as a wheel is (NAME-VERSION-PYTHON-ABI-PLATFORM.whl)",
                         base);
    name = strndup(base, (size_t)(dash[0] - base));
    version = strndup(dash[0] + 1, (size_t)(dash[1] - dash[0] - 1));
    if (!name || !version)
        return error_sys(err, -ENOMEM, "cannot read %s", base);
    *ret_name = TAKE_PTR(name);
    *ret_version = TAKE_PTR(version);
    return 0;
}

/* --- the cache ------------------------------------------------------------- *
 *
 * CACHE/wheels/DIGEST/NAME.whl   by content
 * CACHE/wheels/by-spec/KEY       "DIGEST NAME.whl"; its time is when the index
 *                                was asked
 */

static int cache_path(const char *cache, const char *folder, const char *name, char **ret)
{
    char *path;

    if (asprintf(&path, "%s/wheels/%s%s%s", cache, folder, name ? "/" : "", name ? name : "") < 0)
        return -ENOMEM;
    *ret = path;
    return 0;
}

static void make_key(const char *kind, const char *what, char ret[static DIGEST_LENGTH + 1])
{
    struct digest d;

    digest_init(&d);
    digest_adds(&d, CACHE_FORMAT);
    digest_adds(&d, kind);
    digest_adds(&d, what);
    digest_end(&d, ret);
}

/* The cached wheel for a key, and how old the answer is; -ENOENT for none.  An
 * entry that makes no sense counts as none: it is built again. */
static int cache_find(const char *cache, const char *key, char **ret_path, time_t *ret_age)
{
    CLEANUP_FREE char *entry = NULL, *path = NULL;
    CLEANUP_TEXT struct text text = TEXT_INIT;
    struct stat st, wheel;
    char *name;

    if (cache_path(cache, "by-spec", key, &entry) < 0)
        return -ENOMEM;
    if (stat(entry, &st) < 0 || file_read(entry, ENTRY_MAX, &text, NULL) < 0 ||
        text.size <= DIGEST_LENGTH + 1 || text.data[DIGEST_LENGTH] != ' ')
        return -ENOENT;
    name = text.data + DIGEST_LENGTH + 1;
    text.data[DIGEST_LENGTH] = '\0';
    name[strcspn(name, "\n")] = '\0';
    if (strchr(name, '/') || !string_is_one_of(text.data, "0123456789abcdef", 64, 64))
        return -ENOENT;
    if (cache_path(cache, text.data, name, &path) < 0)
        return -ENOMEM;
    if (stat(path, &wheel) < 0 || !S_ISREG(wheel.st_mode))
        return -ENOENT;
    *ret_path = TAKE_PTR(path);
    *ret_age = time(NULL) - st.st_mtime;
    return 0;
}

/* Keeps a wheel by its content and, with a key, as the answer to that. */
static int cache_store(const char *cache, const char *key, const char *name,
                       const struct text *bytes, char **ret_path, struct error *err)
{
    CLEANUP_FREE char *folder = NULL, *path = NULL, *entry = NULL;
    CLEANUP_TEXT struct text text = TEXT_INIT;
    char digest[DIGEST_LENGTH + 1];
    struct stat st;
    int r = 0;

    digest_bytes(bytes->data, bytes->size, digest);
    if (cache_path(cache, digest, NULL, &folder) < 0 || cache_path(cache, digest, name, &path) < 0)
        return error_sys(err, -ENOMEM, "cannot keep %s", name);
    if (stat(path, &st) < 0 || (size_t)st.st_size != bytes->size) {
        r = make_folders(folder, 0755, err);
        if (r == 0)
            r = file_write(path, bytes->data, bytes->size, 0644, err);
    }
    if (r == 0 && key) {
        if (cache_path(cache, "by-spec", NULL, &entry) < 0)
            return error_sys(err, -ENOMEM, "cannot keep %s", name);
        r = make_folders(entry, 0755, err);
        free(TAKE_PTR(entry));
        text_addf(&text, "%s %s\n", digest, name);
        if (r == 0 && (text_error(&text) < 0 || cache_path(cache, "by-spec", key, &entry) < 0))
            return error_sys(err, -ENOMEM, "cannot keep %s", name);
        if (r == 0)
            r = file_write(entry, text.data, text.size, 0644, err);
    }
    if (r == 0)
        *ret_path = TAKE_PTR(path);
    return r;
}

/* The index did not answer: ask again in AGAIN_S, not at each run. */
static void cache_ask_later(const char *cache, const char *key)
{
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = time(NULL)}};
    CLEANUP_FREE char *entry = NULL;

    times[1].tv_sec -= WHEEL_FRESH_S - AGAIN_S;
    if (cache_path(cache, "by-spec", key, &entry) == 0)
        (void)utimensat(AT_FDCWD, entry, times, 0);
}

/* --- one wheel ------------------------------------------------------------- */

struct request {
    const char *spec;
    const char *cache;
    int cancel_fd;
};

struct answer {
    char *path;
    bool built, unrefreshed;
};

static int build(const struct request *q, enum wheel_spec kind, const char *key, bool hurry,
                 struct answer *ret, struct error *err)
{
    struct wheel_build b = {
        .kind = kind, .spec = q->spec, .cancel_fd = q->cancel_fd, .hurry = hurry};
    CLEANUP_TEXT struct text bytes = TEXT_INIT;
    CLEANUP_FREE char *name = NULL, *ignored = NULL, *version = NULL;
    char tree[DIGEST_LENGTH + 1], again[DIGEST_LENGTH + 1];
    int r;

    r = wheel_build(&b, &name, &bytes, tree, err);
    if (r == 0)
        r = parse_name(name, &ignored, &version, err);
    if (r < 0)
        return r;
    if (kind == WHEEL_SPEC_DIRECTORY) {
        /* A file saved meanwhile: what counts is what was built. */
        make_key("directory", tree, again);
        key = again;
    }
    ret->built = true;
    return cache_store(q->cache, key, name, &bytes, &ret->path, err);
}

static int prepare_directory(const struct request *q, struct answer *ret, struct error *err)
{
    char tree[DIGEST_LENGTH + 1], key[DIGEST_LENGTH + 1];
    struct stat st;
    time_t age;
    int r;

    if (stat(q->spec, &st) < 0)
        return errno == ENOENT ? error_set(err, -ENOENT, "there is no directory %s", q->spec)
                               : error_sys(err, -errno, "cannot read %s", q->spec);
    if (!S_ISDIR(st.st_mode))
        return error_set(err, -EINVAL, "%s is neither a directory nor a wheel (.whl)", q->spec);
    if (!is_project(q->spec))
        return error_set(err, -EINVAL,
                         "%s has no setup.py and no pyproject.toml: not a Python project's "
                         "directory",
                         q->spec);
    r = tree_read(q->spec, &wheel_tree_limits, NULL, 0, 0, tree, err);
    if (r < 0)
        return r;
    make_key("directory", tree, key);
    r = cache_find(q->cache, key, &ret->path, &age);
    return r == -ENOENT ? build(q, WHEEL_SPEC_DIRECTORY, key, false, ret, err) : r;
}

static int prepare_file(const struct request *q, struct answer *ret, struct error *err)
{
    const char *base = strrchr(q->spec, '/');
    CLEANUP_TEXT struct text bytes = TEXT_INIT;
    CLEANUP_FREE char *name = NULL, *version = NULL;
    char digest[DIGEST_LENGTH + 1], key[DIGEST_LENGTH + 1];
    time_t age;
    int r = file_read(q->spec, WHEEL_SIZE_MAX, &bytes, err);

    if (r < 0)
        return r;
    if (ends_with(q->spec, ".whl")) {
        r = parse_name(q->spec, &name, &version, err);
        if (r < 0)
            return r;
        if (bytes.size < 4 || memcmp(bytes.data, "PK\3\4", 4) != 0)
            return error_set(err, -EINVAL, "%s is not a wheel: it is no zip archive", q->spec);
        return cache_store(q->cache, NULL, base ? base + 1 : q->spec, &bytes, &ret->path, err);
    }
    digest_bytes(bytes.data, bytes.size, digest);
    make_key("archive", digest, key);
    r = cache_find(q->cache, key, &ret->path, &age);
    return r == -ENOENT ? build(q, WHEEL_SPEC_FILE, key, false, ret, err) : r;
}

static int prepare_requirement(const struct request *q, struct answer *ret, struct error *err)
{
    char key[DIGEST_LENGTH + 1];
    struct answer newer = {0};
    time_t age = 0;
    int r = check_requirement(q->spec, err);

    if (r < 0)
        return r;
    make_key("requirement", q->spec, key);
    r = cache_find(q->cache, key, &ret->path, &age);
    if (r == -ENOENT)
        return build(q, WHEEL_SPEC_REQUIREMENT, key, false, ret, err);
    if (r < 0 || is_pinned(q->spec) || age < WHEEL_FRESH_S)
        return r < 0 ? error_sys(err, r, "cannot look up %s", q->spec) : 0;
    r = build(q, WHEEL_SPEC_REQUIREMENT, key, true, &newer, err);
    if (r == -ECANCELED)
        return r;
    if (r < 0) {
        /* A classroom without internet goes on with what it has. */
        cache_ask_later(q->cache, key);
        ret->unrefreshed = true;
        if (err)
            *err = (struct error){0};
        return 0;
    }
    free(ret->path);
    *ret = newer;
    return 0;
}

static int prepare_one(const struct request *q, struct wheel_set *set, struct error *err)
{
    struct answer answer = {0};
    int r = -EINVAL;

    switch (wheel_spec_kind(q->spec)) {
    case WHEEL_SPEC_DIRECTORY:
        r = strstr(q->spec, "://") ? check_requirement(q->spec, err)
                                   : prepare_directory(q, &answer, err);
        break;
    case WHEEL_SPEC_FILE:
        r = prepare_file(q, &answer, err);
        break;
    case WHEEL_SPEC_REQUIREMENT:
        r = prepare_requirement(q, &answer, err);
        break;
    }
    if (r == 0 && strings_add(&set->paths, answer.path) < 0)
        r = error_sys(err, -ENOMEM, "cannot prepare %s", q->spec);
    set->built_now = set->built_now || answer.built;
    set->unrefreshed = set->unrefreshed || answer.unrefreshed;
    free(answer.path);
    return r;
}

int wheel_prepare(const char *spec, const char *cache_dir, int cancel_fd, struct wheel_set *ret,
                  struct error *err)
{
    CLEANUP(wheel_set_clear) struct wheel_set set = {0};
    struct request q = {.spec = spec, .cache = cache_dir, .cancel_fd = cancel_fd};
    int r = prepare_one(&q, &set, err);

    if (r == 0)
        r = parse_name(set.paths.items[0], &set.name, &set.version, err);
    for (size_t i = 0; i < ARRAY_SIZE(extra_requirements) && r == 0; i++) {
        q.spec = extra_requirements[i];
        r = prepare_one(&q, &set, err);
    }
    if (r < 0)
        return r;
    wheel_set_clear(ret);
    *ret = set;
    set = (struct wheel_set){0};
    return 0;
}
