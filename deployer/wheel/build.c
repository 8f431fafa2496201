#include "build.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "deployer/base/folder.h"
#include "deployer/base/url.h"
#include "discovery/base/cleanup.h"
#include "discovery/base/file.h"
#include "discovery/base/process.h"
#include "pip-errors.h"

const struct tree_limits wheel_tree_limits = {
    .files = WHEEL_TREE_FILES_MAX,
    .bytes = WHEEL_TREE_MAX,
    .depth = WHEEL_TREE_DEPTH_MAX,
};

enum {
    INDEX_WAIT_S = 15, /* for each answer of the index; pip tries twice (PIP_RETRIES) */
    INDEX_HURRY_S = 5, /* the same for wheel_build.hurry */
    HURRY_MS = 30 * 1000,
    PROBE_MS = 20 * 1000,
    ACCOUNT_MAX = 16 * 1024,
};

/* The state of one build. */
struct job {
    const struct wheel_build *build;
    const char *python;
    char *folder; /* temporary: has source and wheels; HOME of a build as another user */
    char *source; /* what pip builds: a path in `folder`, or a requirement */
    bool drop;
    uid_t uid;
    gid_t gid;
    struct strings env;
    bool has_pyproject;
};

static void job_clear(struct job *job)
{
    if (job->folder)
        folder_remove(job->folder);
    free(job->folder);
    free(job->source);
    strings_clear(&job->env);
}

extern char **environ;

/* A build gets only those variables of our environment that it needs to reach the
 * index: never a password that the user gave us in a variable. */
static bool env_is_passed_on(const char *variable)
{
    static const char *const names[] = {
        "PATH",
        "LANG",
        "LC_ALL",
        "LC_CTYPE",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "http_proxy",
        "https_proxy",
        "no_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
        "all_proxy",
        "ALL_PROXY",
        "REQUESTS_CA_BUNDLE",
        "HOME",
        "XDG_CONFIG_HOME",
        "TZ",
    };
    size_t n = strcspn(variable, "=");

    if (strncmp(variable, "PIP_", 4) == 0)
        return true;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (strlen(names[i]) == n && strncmp(variable, names[i], n) == 0)
            return true;
    return false;
}

static int env_add(struct strings *env, const char *name, const char *value)
{
    CLEANUP_FREE char *pair = NULL;

    if (asprintf(&pair, "%s=%s", name, value) < 0) {
        pair = NULL;
        return -ENOMEM;
    }
    return strings_add(env, pair);
}

/* An entry of the user database.  getpwuid and getpwnam are not for several threads. */
struct account {
    struct passwd entry;
    char strings[ACCOUNT_MAX]; /* those of the entry; a longer one counts as missing */
};

static const struct passwd *find_uid(uid_t uid, struct account *a)
{
    struct passwd *pw = NULL;

    return getpwuid_r(uid, &a->entry, a->strings, sizeof(a->strings), &pw) == 0 ? pw : NULL;
}

static const struct passwd *find_user(const char *name, struct account *a)
{
    struct passwd *pw = NULL;

    return getpwnam_r(name, &a->entry, a->strings, sizeof(a->strings), &pw) == 0 ? pw : NULL;
}

/* A build as another user has an empty HOME without pip's configuration; that of
 * the user who called sudo may name the index to use. */
static int env_add_pip_config(struct job *job)
{
    static const char *const places[] = {".config/pip/pip.conf", ".pip/pip.conf"};
    struct account account;
    const struct passwd *pw = find_uid(job->uid, &account);

    for (size_t i = 0; pw && pw->pw_dir && i < ARRAY_SIZE(places); i++) {
        CLEANUP_FREE char *path = path_join(pw->pw_dir, places[i]);

        if (!path)
            return -ENOMEM;
        if (access(path, R_OK) == 0)
            return env_add(&job->env, "PIP_CONFIG_FILE", path);
    }
    return 0;
}

/* Only the index of a cache: others that pip's configuration names may not be
 * reachable.  The cache's host is reached without a proxy. */
static int env_add_index(struct job *job)
{
    static const char *const no_proxy[] = {"no_proxy", "NO_PROXY"};
    const char *index = job->build->index;
    struct url url;
    int r;

    if (!*index)
        return env_add(&job->env, "PIP_NO_INDEX", "1");
    r = env_add(&job->env, "PIP_INDEX_URL", index);
    /* pip ignores an empty variable and would read its configuration. */
    if (r == 0)
        r = env_add(&job->env, "PIP_EXTRA_INDEX_URL", index);
    if (r == 0)
        r = url_parse(index, &url);
    if (r == -EINVAL) /* pip reports what is wrong with it */
        return 0;
    if (r == 0)
        r = env_add(&job->env, "PIP_TRUSTED_HOST", url.spelled);
    if (r == 0)
        r = strings_add(&job->env, "PIP_PROXY");
    for (size_t i = 0; i < ARRAY_SIZE(no_proxy) && r == 0; i++) {
        const char *before = getenv(no_proxy[i]);
        CLEANUP_TEXT struct text hosts = TEXT_INIT;

        text_addf(&hosts, "%s%s%s", before ? before : "", before && *before ? "," : "",
                  url.spelled);
        r = text_error(&hosts) < 0 ? -ENOMEM : env_add(&job->env, no_proxy[i], text_str(&hosts));
    }
    return r;
}

static int make_env(struct job *job)
{
    static const char *const fixed[] = {
        "PYTHONDONTWRITEBYTECODE=1",
        "PYTHONNOUSERSITE=1",
        "PYTHONHASHSEED=0",
        "SOURCE_DATE_EPOCH=315532800", /* 1980-01-01, the earliest time that zip has */
        "PIP_NO_INPUT=1",
        "PIP_DISABLE_PIP_VERSION_CHECK=1",
        "PIP_RETRIES=1", /* pip reports a broken connection only when it retries */
        "PIP_NO_COLOR=1",
        "PIP_PROGRESS_BAR=off",
    };
    char seconds[16];
    int r = 0;

    for (size_t i = 0; environ && environ[i] && r == 0; i++)
        if (!env_is_passed_on(environ[i]))
            r = strings_addn(&job->env, environ[i], strcspn(environ[i], "="));
    /* A build as the calling user may use a pip installed with --user. */
    for (size_t i = 0; i < ARRAY_SIZE(fixed) && r == 0; i++)
        if (job->drop || strncmp(fixed[i], "PYTHONNOUSERSITE", 16) != 0)
            r = strings_add(&job->env, fixed[i]);
    /* Not as options: pip does not pass them to the pip that it starts to install
     * the build requirements. */
    (void)snprintf(seconds, sizeof(seconds), "%d",
                   job->build->hurry ? INDEX_HURRY_S : INDEX_WAIT_S);
    if (r == 0)
        r = env_add(&job->env, "PIP_DEFAULT_TIMEOUT", seconds);
    if (r == 0)
        r = env_add(&job->env, "TMPDIR", job->folder);
    if (r == 0 && job->drop)
        r = env_add(&job->env, "HOME", job->folder);
    if (r == 0 && job->drop)
        r = strings_add(&job->env, "XDG_CONFIG_HOME");
    if (r == 0 && job->drop && !getenv("PIP_CONFIG_FILE"))
        r = env_add_pip_config(job);
    if (r == 0 && job->build->index)
        r = env_add_index(job);
    return r;
}

/* Root builds as the user who called sudo, else as nobody: a setup.py is untrusted
 * code. */
static void choose_user(struct job *job)
{
    const char *sudo = getenv("SUDO_UID");
    const struct passwd *pw = NULL;
    struct account account;
    char *end;

    if (geteuid() != 0)
        return;
    if (sudo && *sudo >= '1' && *sudo <= '9') {
        unsigned long uid = strtoul(sudo, &end, 10);

        if (*end == '\0' && uid < UINT32_MAX)
            pw = find_uid((uid_t)uid, &account);
    }
    if (!pw)
        pw = find_user("nobody", &account);
    job->drop = true;
    job->uid = pw ? pw->pw_uid : 65534;
    job->gid = pw ? pw->pw_gid : 65534;
}

static int make_folder(struct job *job, struct error *err)
{
    const char *tmp = getenv("TMPDIR");

    /* Root's own TMPDIR may not be accessible to the user who builds. */
    if (job->drop || !tmp || *tmp != '/')
        tmp = "/tmp";
    if (asprintf(&job->folder, "%s/dcop-build.XXXXXX", tmp) < 0) {
        job->folder = NULL;
        return error_sys(err, -ENOMEM, "cannot build the wheel");
    }
    if (!mkdtemp(job->folder)) {
        int r = -errno;

        free(TAKE_PTR(job->folder));
        return error_sys(err, r, "cannot create a build folder in %s", tmp);
    }
    if (job->drop && lchown(job->folder, job->uid, job->gid) < 0)
        return error_sys(err, -errno, "cannot change the owner of %s to the build user",
                         job->folder);
    return 0;
}

static int run_command(const struct job *job, const char *const *argv, unsigned timeout_ms,
                       struct process_result *ret, struct error *err)
{
    CLEANUP_FREE const char **env = calloc(job->env.count + 1, sizeof(*env));
    struct process_options o = {
        .argv = argv,
        .env = env,
        .folder = job->folder,
        .drop = job->drop,
        .uid = job->uid,
        .gid = job->gid,
        .timeout_ms = timeout_ms,
        .cancel_fd = job->build->cancel_fd,
    };

    if (!env)
        return error_sys(err, -ENOMEM, "cannot run %s", argv[0]);
    for (size_t i = 0; i < job->env.count; i++)
        env[i] = job->env.items[i];
    return process_run(&o, ret, err);
}

/* The system's Python comes first: every user can run it, and an offline build
 * needs what apt has installed for it. */
static int choose_python(struct job *job, struct error *err)
{
    static const char *const pythons[] = {"/usr/bin/python3", "python3"};
    static const char probe[] = "import importlib.util as u, sys; sys.exit(not u.find_spec('pip'))";
    bool any = false;

    for (size_t i = 0; i < ARRAY_SIZE(pythons); i++) {
        CLEANUP(process_result_clear) struct process_result result = {0};
        const char *argv[] = {pythons[i], "-c", probe, NULL};
        int r = run_command(job, argv, PROBE_MS, &result, err);

        if (r == -ECANCELED || r == -ENOMEM)
            return r;
        any = any || r == 0;
        if (r == 0 && result.status == 0) {
            job->python = pythons[i];
            return 0;
        }
    }
    return error_set(err, -ENOPKG,
                     any ? "python3 has no pip, which builds pyDCOP's wheel; install it: "
                           "apt install python3-pip python3-setuptools python3-wheel"
                         : "there is no python3, which builds pyDCOP's wheel; install it: "
                           "apt install python3-pip python3-setuptools python3-wheel");
}

/* Copies the source into the folder, readable for the user who builds. */
static int make_source(struct job *job, struct text *ret_list, struct error *err)
{
    const struct wheel_build *b = job->build;
    const char *base = strrchr(b->spec, '/');
    CLEANUP_TEXT struct text bytes = TEXT_INIT;
    char digest[DIGEST_LENGTH + 1];
    struct stat st;
    int r;

    if (b->kind == WHEEL_SPEC_REQUIREMENT) {
        job->source = strdup(b->spec);
        return job->source ? 0 : error_sys(err, -ENOMEM, "cannot build %s", b->spec);
    }
    base = b->kind == WHEEL_SPEC_DIRECTORY ? "source" : base ? base + 1 : b->spec;
    job->source = path_join(job->folder, base);
    if (!job->source)
        return error_sys(err, -ENOMEM, "cannot build %s", b->spec);
    if (b->kind == WHEEL_SPEC_FILE) {
        r = file_read(b->spec, WHEEL_SIZE_MAX, &bytes, err);
        return r < 0 ? r : file_write(job->source, bytes.data, bytes.size, 0644, err);
    }
    if (mkdir(job->source, 0755) < 0 || chmod(job->source, 0755) < 0 ||
        (job->drop && lchown(job->source, job->uid, job->gid) < 0))
        return error_sys(err, -errno, "cannot make %s", job->source);
    r = folder_read(b->spec, &wheel_tree_limits, job->source, job->drop ? job->uid : (uid_t)-1,
                    job->drop ? job->gid : (gid_t)-1, ret_list, digest, err);
    if (r == 0) {
        CLEANUP_FREE char *pyproject = NULL;

        if (asprintf(&pyproject, "%s/pyproject.toml", job->source) < 0) {
            pyproject = NULL;
            return error_sys(err, -ENOMEM, "cannot build %s", b->spec);
        }
        job->has_pyproject = stat(pyproject, &st) == 0;
    }
    return r;
}

/* --- building -------------------------------------------------------------- */

/* As pip_explain; for a cache, says also that without internet it has only what was fetched
 * through it before. */
static int explain_build(const struct wheel_build *b, const struct process_result *result,
                         struct error *err)
{
    int r = pip_explain(b->kind, b->spec, result, err);

    if (!b->index || (r != -ENOENT && r != -ENETUNREACH))
        return r;
    if (!*b->index)
        return error_set(
            err, -ENETUNREACH,
            "cannot get %s or its build requirements: --offline forbids access to the index, and "
            "no cache runs; `dcop-deploy cache up --offline` starts the cache that was primed",
            b->spec);
    return error_set(err, r,
                     "cannot get %s or its build requirements from the cache %s: without the "
                     "internet it only has what was fetched before; `dcop-deploy cache prime` "
                     "fetches it, with internet",
                     b->spec, b->index);
}

static int try_build(const struct job *job, const char *wheels, bool isolated, struct error *err)
{
    CLEANUP(process_result_clear) struct process_result result = {0};
    bool local = job->build->kind != WHEEL_SPEC_REQUIREMENT, hurry = job->build->hurry;
    const char *argv[24];
    size_t n = 0;
    int r;

    argv[n++] = job->python;
    argv[n++] = "-m";
    argv[n++] = "pip";
    argv[n++] = "wheel";
    argv[n++] = "--no-deps";
    argv[n++] = "--no-cache-dir";
    /* Not `setup.py bdist_wheel`, which later versions of pip no longer run. */
    argv[n++] = "--use-pep517";
    if (!isolated)
        argv[n++] = "--no-build-isolation";
    if (!isolated && local)
        argv[n++] = "--no-index";
    argv[n++] = "--wheel-dir";
    argv[n++] = wheels;
    argv[n++] = "--";
    argv[n++] = job->source;
    argv[n] = NULL;
    r = run_command(job, argv, hurry ? HURRY_MS : WHEEL_BUILD_MS, &result, err);
    if (r == -ETIMEDOUT)
        return error_set(err, r, "pip did not finish in time with %s", job->build->spec);
    if (r < 0)
        return r;
    return result.status == 0 ? 0 : explain_build(job->build, &result, err);
}

/*
 * Without isolation, a build uses the system's setuptools and needs no index;
 * pyDCOP's setup.py works with any version of it.  In isolation, pip fetches the
 * build requirements of the project: this is tried first when there is a
 * pyproject.toml, else second, for a system without setuptools.
 */
static int build_with_fallback(const struct job *job, const char *wheels, struct error *err)
{
    struct error first = {0}, second = {0};
    bool isolated = job->has_pyproject;
    int r = try_build(job, wheels, isolated, &first), r2;

    if (r == 0)
        return 0;
    if (r != -EBADMSG && r != -ENOPKG && !(isolated && (r == -ENETUNREACH || r == -ENOENT)))
        return error_set(err, r, "%s", first.text);
    r2 = try_build(job, wheels, !isolated, &second);
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

/* Reads the wheel that was made.  The folder may be another user's: no link is
 * followed, and only a regular file is read. */
static int read_built_wheel(const char *folder, char **ret_name, struct text *ret_bytes,
                            struct error *err)
{
    CLEANUP_FREE char *name = NULL;
    CLEANUP_CLOSE int fd = -1;
    char path[64];
    struct stat st;
    DIR *dir;
    int r;

    fd = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir)
        return error_sys(err, -errno, "cannot open %s", folder);
    fd = -1;
    r = find_wheel(dir, &name, err);
    if (r == 0) {
        /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): r is 0: name is set */
        fd = openat(dirfd(dir), name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
            r = error_set(err, -EBADMSG, "the wheel that the build made is not a regular file");
    }
    (void)closedir(dir);
    if (r < 0)
        return r;
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    r = file_read(path, WHEEL_SIZE_MAX, ret_bytes, err);
    if (r == 0)
        *ret_name = TAKE_PTR(name);
    return r;
}

int wheel_build(const struct wheel_build *build, char **ret_name, struct text *ret_bytes,
                struct text *ret_list, struct error *err)
{
    CLEANUP(job_clear) struct job job = {.build = build};
    CLEANUP_FREE char *wheels = NULL;
    int r;

    choose_user(&job);
    r = make_folder(&job, err);
    if (r < 0)
        return r;
    if (make_env(&job) < 0 || asprintf(&wheels, "%s/wheels", job.folder) < 0) {
        wheels = NULL;
        return error_sys(err, -ENOMEM, "cannot build %s", build->spec);
    }
    r = choose_python(&job, err);
    if (r == 0)
        r = make_source(&job, ret_list, err);
    if (r == 0)
        r = build_with_fallback(&job, wheels, err);
    return r < 0 ? r : read_built_wheel(wheels, ret_name, ret_bytes, err);
}
