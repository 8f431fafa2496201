#include "build.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "deployer/base/folder.h"
#include "discovery/base/cleanup.h"
#include "discovery/base/file.h"
#include "name.h"
#include "pip-errors.h"

const struct tree_limits wheel_tree_limits = {
    .files = WHEEL_TREE_FILES_MAX,
    .bytes = WHEEL_TREE_MAX,
    .depth = WHEEL_TREE_DEPTH_MAX,
};

enum {
    HURRY_MS = 30 * 1000,
    REQUIREMENTS_MAX = 32, /* of a build */
    ROUNDS_MAX = 4,        /* of requirements that only the build itself names */
};

/* The state of one build. */
struct job {
    const struct wheel_build *build;
    struct pip pip;
    char *source; /* what pip builds: a path in pip.work */
    char *wheels; /* where the wheel goes: likewise */
    bool has_pyproject;
};

static void job_clear(struct job *job)
{
    pip_close(&job->pip);
    free(job->source);
    free(job->wheels);
}

/* Copies a local source into the folder, readable for the user who builds. */
static int copy_source(struct job *job, struct text *ret_list, struct error *err)
{
    const struct wheel_build *b = job->build;
    const char *base = strrchr(b->spec, '/');
    CLEANUP_TEXT struct text bytes = TEXT_INIT;
    char digest[DIGEST_LENGTH + 1];
    int r;

    base = b->kind == WHEEL_SPEC_DIRECTORY ? "source" : base ? base + 1 : b->spec;
    job->source = path_join(job->pip.work, base);
    if (!job->source)
        return error_sys(err, -ENOMEM, "cannot build %s", b->spec);
    if (b->kind == WHEEL_SPEC_FILE) {
        r = file_read(b->spec, WHEEL_SIZE_MAX, &bytes, err);
        return r < 0 ? r : file_write(job->source, bytes.data, bytes.size, 0644, err);
    }
    if (mkdir(job->source, 0755) < 0 || chmod(job->source, 0755) < 0 ||
        (job->pip.drop && lchown(job->source, job->pip.uid, job->pip.gid) < 0))
        return error_sys(err, -errno, "cannot make %s", job->source);
    return folder_read(b->spec, &wheel_tree_limits, job->source,
                       job->pip.drop ? job->pip.uid : (uid_t)-1,
                       job->pip.drop ? job->pip.gid : (gid_t)-1, ret_list, digest, err);
}

static unsigned time_limit(const struct wheel_build *b)
{
    return b->pip.hurry ? HURRY_MS : WHEEL_BUILD_MS;
}

static int explain_timeout(const struct wheel_build *b, struct error *err)
{
    return error_set(err, -ETIMEDOUT, "pip did not finish in time with %s", b->spec);
}

/* --- building -------------------------------------------------------------- */

/* As pip_explain; for a cache, says also that without internet it has only what was fetched
 * through it before. */
static int explain_build(const struct wheel_build *b, const struct process_result *result,
                         struct error *err)
{
    int r = pip_explain(b->kind, b->spec, result, err);

    if (!b->pip.index || (r != -ENOENT && r != -ENETUNREACH))
        return r;
    if (!*b->pip.index)
        return error_set(
            err, -ENETUNREACH,
            "cannot get %s or its build requirements: --offline forbids access to the index, and "
            "no cache runs; `dcop-deploy cache up --offline` starts the cache that was primed",
            b->spec);
    return error_set(err, r,
                     "cannot get %s or its build requirements from the cache %s: without the "
                     "internet it only has what was fetched before; `dcop-deploy cache prime` "
                     "fetches it, with internet",
                     b->spec, b->pip.index);
}

/* --- fetching, with network, without running what is fetched ------------------ */

/* pip gets the requirement, or unpacks the source archive: a wheel goes to `wheels`, a source
 * becomes job->source. */
static int fetch_package(struct job *job, struct error *err)
{
    const struct wheel_build *b = job->build;
    CLEANUP_FREE char *archive = TAKE_PTR(job->source);
    /* Without isolation, because what a build requires is fetched later. */
    const char *const arguments[] = {"download",
                                     "--no-deps",
                                     "--no-cache-dir",
                                     "--use-pep517",
                                     "--no-build-isolation",
                                     "--dest",
                                     job->wheels,
                                     "--",
                                     archive ? archive : b->spec,
                                     NULL};
    CLEANUP(process_result_clear) struct process_result result = {0};
    CLEANUP_FREE char *source = NULL;
    int r = pip_fetch(&job->pip, arguments, time_limit(b), &source, &result, err);

    if (r < 0)
        return r == -ETIMEDOUT ? explain_timeout(b, err) : r;
    if (result.status != 0)
        return explain_build(b, &result, err);
    if (!source)
        return 0;
    job->source = path_join(job->pip.work, "source");
    if (!job->source)
        return error_sys(err, -ENOMEM, "cannot build %s", b->spec);
    return rename(source, job->source) < 0 ? error_sys(err, -errno, "cannot build %s", b->spec) : 0;
}

/* What [build-system] in pyproject.toml requires (PEP 518), one a line. */
static int read_requirements(struct job *job, struct strings *ret, struct error *err)
{
    static const char code[] =
        "import sys\n"
        "try: import tomllib as toml\n"
        "except ImportError:\n"
        "    try: from pip._vendor import tomli as toml\n"
        "    except ImportError: from pip._vendor import toml\n"
        "wanted = ['setuptools>=40.8.0', 'wheel']\n"
        "try:\n"
        "    with open(sys.argv[1] + '/pyproject.toml', encoding='utf-8') as file:\n"
        "        wanted = toml.loads(file.read())['build-system']['requires']\n"
        "except Exception: pass\n" /* pip says what is wrong with it */
        "print(*(' '.join(str(w).split()) for w in wanted), sep='\\n')\n";
    const char *const argv[] = {job->pip.executable, "-c", code, job->source, NULL};
    CLEANUP(process_result_clear) struct process_result result = {0};
    int r = pip_run_confined(&job->pip, argv, time_limit(job->build), &result, err);

    for (const char *line = text_str(&result.output); r == 0 && *line; line += *line == '\n') {
        size_t size = strcspn(line, "\n");

        if (size > 0 && ret->count < REQUIREMENTS_MAX && strings_addn(ret, line, size) < 0)
            r = error_sys(err, -ENOMEM, "cannot build %s", job->build->spec);
        line += size;
    }
    return r;
}

static int refuse_requirement(const struct wheel_build *b, const char *requirement,
                              struct error *err)
{
    CLEANUP_TEXT struct text shown = TEXT_INIT;

    text_add_shown(&shown, requirement);
    if (text_error(&shown) < 0)
        return error_sys(err, -ENOMEM, "cannot build %s", b->spec);
    return error_set(err, -EBADMSG,
                     "%s requires \"%s\" for its build, which is no plain requirement: only a "
                     "package of an index and its versions are allowed",
                     b->spec, text_str(&shown));
}

/* The source, or the build itself, says what it requires: so no option, no file, no URL, which
 * pip might get with git and the user's keys, and only wheels. */
static int fetch_requirements(struct job *job, const struct strings *wanted, struct error *err)
{
    const struct wheel_build *b = job->build;
    const char *arguments[REQUIREMENTS_MAX + 8] = {
        "download", "--only-binary=:all:", "--no-cache-dir", "--dest", job->pip.deps, "--"};
    CLEANUP(process_result_clear) struct process_result result = {0};
    CLEANUP_FREE char *source = NULL;
    int r;

    if (wanted->count == 0)
        return 0;
    for (size_t i = 0; i < wanted->count && i < REQUIREMENTS_MAX; i++) {
        if (!wheel_requirement_is_plain(wanted->items[i]))
            return refuse_requirement(b, wanted->items[i], err);
        arguments[6 + i] = wanted->items[i];
    }
    r = pip_fetch(&job->pip, arguments, time_limit(b), &source, &result, err);
    if (r < 0)
        return r == -ETIMEDOUT ? explain_timeout(b, err) : r;
    if (source)
        return error_set(err, -EBADMSG,
                         "cannot build %s: there is no wheel of a package that its build requires",
                         b->spec);
    return result.status == 0 ? 0 : explain_build(b, &result, err);
}

/* --- building, in a sandbox, without network ---------------------------------------- */

/* A package that pip wanted in the sandbox, where there is only what was fetched:
 * setuptools asks for wheel so. */
static char *find_lacking(const struct process_result *result)
{
    static const char words[] = "Could not find a version that satisfies the requirement ";
    const char *at = strstr(text_str(&result->errors), words), *end;

    at = at ? at + sizeof(words) - 1 : NULL;
    end = at ? strstr(at, " (from") : NULL;
    return end && end - at < 200 ? strndup(at, (size_t)(end - at)) : NULL;
}

static int run_pip_wheel(struct job *job, bool isolated, struct process_result *ret,
                         struct error *err)
{
    const char *argv[16];
    size_t n = 0;
    int r;

    argv[n++] = job->pip.executable;
    argv[n++] = "-m";
    argv[n++] = "pip";
    argv[n++] = "wheel";
    argv[n++] = "--no-deps";
    argv[n++] = "--no-cache-dir";
    /* Not `setup.py bdist_wheel`, which later versions of pip no longer run. */
    argv[n++] = "--use-pep517";
    if (!isolated)
        argv[n++] = "--no-build-isolation";
    argv[n++] = "--wheel-dir";
    argv[n++] = job->wheels;
    argv[n++] = "--";
    argv[n++] = job->source;
    argv[n] = NULL;
    r = pip_run_confined(&job->pip, argv, time_limit(job->build), ret, err);
    return r == -ETIMEDOUT ? explain_timeout(job->build, err) : r;
}

static int try_build(struct job *job, bool isolated, struct error *err)
{
    CLEANUP_STRINGS struct strings wanted = {0};
    int r = isolated ? read_requirements(job, &wanted, err) : 0;

    for (unsigned round = 0; r == 0; round++) {
        CLEANUP(process_result_clear) struct process_result result = {0};
        CLEANUP_FREE char *lacking = NULL;

        r = fetch_requirements(job, &wanted, err);
        if (r == 0)
            r = run_pip_wheel(job, isolated, &result, err);
        if (r < 0 || result.status == 0)
            return r;
        lacking = isolated && round < ROUNDS_MAX ? find_lacking(&result) : NULL;
        if (!lacking)
            return explain_build(job->build, &result, err);
        strings_clear(&wanted);
        if (strings_add(&wanted, lacking) < 0)
            return error_sys(err, -ENOMEM, "cannot build %s", job->build->spec);
    }
    return r;
}

/*
 * Without isolation, a build uses the system's setuptools and needs no index;
 * pyDCOP's setup.py works with any version of it.  In isolation, pip fetches the
 * build requirements of the project: this is tried first when there is a
 * pyproject.toml, else second, for a system without setuptools.
 */
static int build_with_fallback(struct job *job, struct error *err)
{
    struct error first = {0}, second = {0};
    bool isolated = job->has_pyproject;
    int r = try_build(job, isolated, &first), r2;

    if (r == 0)
        return 0;
    if (r != -EBADMSG && r != -ENOPKG && !(isolated && (r == -ENETUNREACH || r == -ENOENT)))
        return error_set(err, r, "%s", first.text);
    r2 = try_build(job, !isolated, &second);
    if (r2 == 0)
        return 0;
    /* The error of a failed build is more useful than that of a missing tool. */
    if (r2 != -ECANCELED && r2 != -ETIMEDOUT &&
        (r == -EBADMSG || (r == -ENOPKG && r2 == -ENETUNREACH)))
        return error_set(err, r, "%s", first.text);
    return error_set(err, r2, "%s", second.text);
}

/* The name of the one wheel in a folder. */
static int find_wheel(DIR *dir, char **ret_name, struct error *err)
{
    CLEANUP_FREE char *name = NULL;
    unsigned found = 0;

    for (const struct dirent *e; (e = readdir(dir));) {
        size_t size = strlen(e->d_name);

        if (size <= 4 || strcmp(e->d_name + size - 4, ".whl") != 0 || found++ > 0)
            continue;
        name = strdup(e->d_name);
        if (!name)
            return error_sys(err, -ENOMEM, "cannot read the wheel");
    }
    if (found != 1)
        return error_set(err, -EBADMSG, "pip made %u wheels; one was expected", found);
    *ret_name = TAKE_PTR(name);
    return 0;
}

static int read_built_wheel(const char *folder, char **ret_name, struct text *ret_bytes,
                            struct error *err)
{
    CLEANUP_FREE char *name = NULL;
    DIR *dir = opendir(folder);
    int r;

    if (!dir)
        return error_sys(err, -errno, "cannot open %s", folder);
    r = find_wheel(dir, &name, err);
    (void)closedir(dir);
    if (r == 0)
        r = pip_read(folder, name, WHEEL_SIZE_MAX, ret_bytes, err);
    if (r == 0)
        *ret_name = TAKE_PTR(name);
    return r;
}

static int has_file(const char *folder, const char *name, bool *ret)
{
    CLEANUP_FREE char *path = path_join(folder, name);
    struct stat st;

    if (!path)
        return -ENOMEM;
    *ret = lstat(path, &st) == 0;
    return 0;
}

int wheel_build(const struct wheel_build *build, char **ret_name, struct text *ret_bytes,
                struct text *ret_list, const char **ret_unconfined, struct error *err)
{
    CLEANUP(job_clear) struct job job = {.build = build};
    int r;

    r = pip_open(&build->pip, &job.pip, err);
    if (r == 0 && !(job.wheels = path_join(job.pip.work, "wheels")))
        r = error_sys(err, -ENOMEM, "cannot build %s", build->spec);
    if (r == 0)
        r = build->kind == WHEEL_SPEC_REQUIREMENT ? 0 : copy_source(&job, ret_list, err);
    if (r == 0 && build->kind != WHEEL_SPEC_DIRECTORY)
        r = fetch_package(&job, err);
    if (r == 0 && job.source && has_file(job.source, "pyproject.toml", &job.has_pyproject) < 0)
        r = error_sys(err, -ENOMEM, "cannot build %s", build->spec);
    if (r == 0 && job.source)
        r = build_with_fallback(&job, err);
    if (r == 0)
        r = read_built_wheel(job.wheels, ret_name, ret_bytes, err);
    if (r == 0 && job.pip.unconfined)
        *ret_unconfined = job.pip.unconfined;
    return r;
}
