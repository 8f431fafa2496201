#include "wheel.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "build.h"
#include "cache.h"
#include "deployer/base/folder.h"
#include "discovery/base/cleanup.h"
#include "discovery/base/digest.h"
#include "discovery/base/file.h"
#include "patch.h"

/* What pyDCOP imports and Debian does not package.  websocket-server: 0.6 changed
 * the order of a constructor's arguments, which pyDCOP passes by position. */
static const char *const extra_requirements[] = {
    "websocket-server==0.5.6",
};

/* Part of each key; to be changed when wheels are built differently. */
#define CACHE_FORMAT "dcop-wheel-2"

void wheel_set_clear(struct wheel_set *set)
{
    strings_clear(&set->paths);
    free(set->name);
    free(set->version);
    *set = (struct wheel_set){0};
}

/* --- specs ----------------------------------------------------------------- */

static bool is_archive(const char *spec)
{
    return string_ends_with(spec, ".whl") || string_ends_with(spec, ".tar.gz") ||
           string_ends_with(spec, ".zip");
}

static bool has_file(const char *folder, const char *name)
{
    CLEANUP_FREE char *path = path_join(folder, name);

    if (!path)
        return false;
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

char *wheel_spec_absolute(const char *spec)
{
    CLEANUP_FREE char *folder = NULL;

    if (*spec == '/' || wheel_spec_kind(spec) == WHEEL_SPEC_REQUIREMENT || access(spec, F_OK) < 0)
        return strdup(spec);
    folder = getcwd(NULL, 0); /* not realpath(3): a link may lead elsewhere next time */
    return folder ? path_join(folder, spec) : NULL;
}

static const char word_chars[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

/* Checks only enough that pip takes it for a requirement, and for nothing else. */
static int check_requirement(const char *spec, struct error *err)
{
    size_t n = strspn(spec, word_chars), rest = strlen(spec + n);

    if (strstr(spec, "://"))
        return error_set(err, -ENOTSUP,
                         "%s: URLs are not supported; clone the repository and give its directory",
                         spec);
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

/* name==1.2: the index always gives the same answer. */
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
    if (n < 4 || dash[0] == base || dash[1] == dash[0] + 1 || !string_ends_with(base, ".whl") ||
        base[strspn(base, "+!abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")])
        return error_set(
            err, -EINVAL,
            "%s does not have the name of a wheel (NAME-VERSION-PYTHON-ABI-PLATFORM.whl)", base);
    name = strndup(base, (size_t)(dash[0] - base));
    version = strndup(dash[0] + 1, (size_t)(dash[1] - dash[0] - 1));
    if (!name || !version)
        return error_sys(err, -ENOMEM, "cannot read %s", base);
    *ret_name = TAKE_PTR(name);
    *ret_version = TAKE_PTR(version);
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

static void make_tree_key(const struct text *list, char ret[static DIGEST_LENGTH + 1])
{
    make_key("directory", text_str(list), ret);
}

/* --- one wheel ------------------------------------------------------------- */

struct request {
    const char *spec;
    const char *index; /* see wheel_prepare_from */
    const char *cache;
    int cancel_fd;
};

struct answer {
    char *path;
    bool built, unrefreshed;
    const char *unconfined;
};

static int build_wheel(const struct request *q, enum wheel_spec kind, const char *key, bool hurry,
                       struct answer *ret, struct error *err)
{
    struct wheel_build b = {
        .kind = kind,
        .spec = q->spec,
        .pip = {.index = q->index, .cancel_fd = q->cancel_fd, .hurry = hurry},
    };
    CLEANUP_TEXT struct text bytes = TEXT_INIT;
    CLEANUP_FREE char *name = NULL, *ignored = NULL, *version = NULL;
    CLEANUP_TEXT struct text list = TEXT_INIT;
    char again[DIGEST_LENGTH + 1];
    int r;

    r = wheel_build(&b, &name, &bytes, &list, &ret->unconfined, err);
    if (r == 0)
        r = parse_name(name, &ignored, &version, err);
    if (r < 0)
        return r;
    if (kind == WHEEL_SPEC_DIRECTORY) {
        /* A file may have been saved meanwhile: the key is that of what was built. */
        make_tree_key(&list, again);
        key = again;
    }
    ret->built = true;
    r = wheel_cache_store(q->cache, key, name, &bytes, &ret->path, err);
    if (r == 0 && kind == WHEEL_SPEC_DIRECTORY)
        wheel_cache_put_tree(q->cache, q->spec, ret->path, &list);
    return r;
}

/* Makes the wheel from the last one of this directory, without pip, when that is
 * exact (patch.h).  On any error, pip has to build. */
static int patch_wheel(const struct request *q, const char *key, const struct text *list,
                       struct answer *ret)
{
    CLEANUP_TEXT struct text before = TEXT_INIT;
    CLEANUP_TEXT struct text old = TEXT_INIT;
    CLEANUP_TEXT struct text bytes = TEXT_INIT;
    CLEANUP_FREE char *path = NULL;
    int r = wheel_cache_get_tree(q->cache, q->spec, &path, &before);

    if (r == 0)
        r = file_read(path, WHEEL_SIZE_MAX, &old, NULL);
    if (r == 0)
        r = wheel_patch(q->spec, text_str(&before), text_str(list), &old, &bytes);
    if (r == 0)
        r = wheel_cache_store(q->cache, key, strrchr(path, '/') + 1, &bytes, &ret->path, NULL);
    if (r < 0)
        return r;
    wheel_cache_put_tree(q->cache, q->spec, ret->path, list);
    ret->built = true;
    return 0;
}

static int prepare_directory(const struct request *q, struct answer *ret, struct error *err)
{
    CLEANUP_TEXT struct text list = TEXT_INIT;
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
    r = folder_read(q->spec, &wheel_tree_limits, NULL, 0, 0, &list, tree, err);
    if (r < 0)
        return r;
    make_tree_key(&list, key);
    r = wheel_cache_find(q->cache, key, &ret->path, &age);
    if (r != -ENOENT)
        return r;
    return patch_wheel(q, key, &list, ret) == 0
               ? 0
               : build_wheel(q, WHEEL_SPEC_DIRECTORY, key, false, ret, err);
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
    if (string_ends_with(q->spec, ".whl")) {
        r = parse_name(q->spec, &name, &version, err);
        if (r < 0)
            return r;
        if (bytes.size < 4 || memcmp(bytes.data, "PK\3\4", 4) != 0)
            return error_set(err, -EINVAL, "%s is not a wheel: it is not a zip archive", q->spec);
        return wheel_cache_store(q->cache, NULL, base ? base + 1 : q->spec, &bytes, &ret->path,
                                 err);
    }
    digest_bytes(bytes.data, bytes.size, digest);
    make_key("archive", digest, key);
    r = wheel_cache_find(q->cache, key, &ret->path, &age);
    return r == -ENOENT ? build_wheel(q, WHEEL_SPEC_FILE, key, false, ret, err) : r;
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
    r = wheel_cache_find(q->cache, key, &ret->path, &age);
    if (r == -ENOENT)
        return build_wheel(q, WHEEL_SPEC_REQUIREMENT, key, false, ret, err);
    if (r < 0 || is_pinned(q->spec) || age < WHEEL_FRESH_S)
        return r < 0 ? error_sys(err, r, "cannot look up %s", q->spec) : 0;
    r = build_wheel(q, WHEEL_SPEC_REQUIREMENT, key, true, &newer, err);
    if (r == -ECANCELED)
        return r;
    if (r < 0) {
        /* A classroom without internet continues with the cached wheel. */
        wheel_cache_ask_later(q->cache, key);
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
    set->unconfined = answer.unconfined ? answer.unconfined : set->unconfined;
    free(answer.path);
    return r;
}

int wheel_keep(const char *name, const struct text *bytes, const char *cache_dir, char **ret_path,
               struct error *err)
{
    CLEANUP_FREE char *project = NULL, *version = NULL;
    int r = strchr(name, '/') ? error_set(err, -EINVAL, "%s is not the name of a file", name)
                              : parse_name(name, &project, &version, err);

    return r < 0 ? r : wheel_cache_store(cache_dir, NULL, name, bytes, ret_path, err);
}

int wheel_prepare(const char *spec, const char *cache_dir, int cancel_fd, struct wheel_set *ret,
                  struct error *err)
{
    return wheel_prepare_from(spec, NULL, cache_dir, cancel_fd, ret, err);
}

int wheel_prepare_from(const char *spec, const char *index, const char *cache_dir, int cancel_fd,
                       struct wheel_set *ret, struct error *err)
{
    CLEANUP(wheel_set_clear) struct wheel_set set = {0};
    struct request q = {.spec = spec, .index = index, .cache = cache_dir, .cancel_fd = cancel_fd};
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
