#include "wheels.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "deployer/apt/packages.h"
#include "deployer/base/folder.h"
#include "deployer/wheel/pip-errors.h"
#include "deployer/wheel/platform.h"
#include "deployer/wheel/wheel.h"
#include "discovery/base/file.h"
#include "discovery/base/process.h"
#include "store.h"

enum { DOWNLOAD_MS = 20 * 60 * 1000 };

/* --- pyDCOP ----------------------------------------------------------------------- */

int cache_wheels_pydcop(const struct paths *paths, const char *spec, const char *index,
                        struct cache_result *ret, struct error *err)
{
    CLEANUP(wheel_set_clear) struct wheel_set wheels = {0};
    struct error why = {0};
    int r = wheel_prepare_from(spec, index, paths->cache, -1, &wheels, &why);

    if (r == -ENOMEM || r == -ECANCELED)
        return error_set(err, r, "%s", why.text);
    if (r < 0) {
        text_add_printable(&ret->why, why.text);
        return strings_add(&ret->missing, spec) < 0
                   ? error_sys(err, -ENOMEM, "cannot list the result for pyDCOP")
                   : 0;
    }
    for (size_t i = 0; i < wheels.paths.count; i++) {
        struct stat st;

        ret->files++;
        if (stat(wheels.paths.items[i], &st) == 0)
            ret->bytes += (uint64_t)st.st_size;
    }
    return 0;
}

/* --- the platform of a system --------------------------------------------------------- */

/* The version of an installed package, from dpkg's status. */
static char *installed_version(const char *status, const char *package)
{
    CLEANUP_FREE char *head = NULL;
    const char *from, *end, *version;

    if (asprintf(&head, "\nPackage: %s\n", package) < 0) {
        head = NULL;
        return NULL;
    }
    from = strncmp(status, head + 1, strlen(head + 1)) == 0 ? status : strstr(status, head);
    end = from ? strstr(from + 1, "\n\n") : NULL;
    version = from ? strstr(from, "\nVersion: ") : NULL;
    if (!version || (end && version > end))
        return NULL;
    version += strlen("\nVersion: ");
    return strndup(version, strcspn(version, "\n"));
}

static int version_of(const struct apt_files *files, const struct text *status, const char *package,
                      unsigned *major, unsigned *minor)
{
    const struct apt_file *f = apt_files_find(files, package);
    CLEANUP_FREE char *installed = f ? NULL : installed_version(text_str(status), package);
    const char *version = f ? f->version : installed,
               *colon = version ? strchr(version, ':') : NULL;

    if (!version || sscanf(colon ? colon + 1 : version, "%3u.%3u", major, minor) != 2)
        return -ENOENT;
    return 0;
}

int cache_wheels_python(const struct apt_files *files, const struct text *status,
                        char ret_python[static 8], unsigned *ret_glibc)
{
    unsigned major, minor, libc;

    if (version_of(files, status, "python3", &major, &minor) < 0 || major != 3 || minor > 999)
        return -ENOENT;
    (void)snprintf(ret_python, 8, "3.%u", minor);
    if (version_of(files, status, "libc6", &libc, ret_glibc) < 0 || libc != 2)
        return -ENOENT;
    return 0;
}

/* --- pip --------------------------------------------------------------------------------- */

static int count_files(const char *folder, struct cache_result *ret)
{
    DIR *dir = opendir(folder);

    if (!dir)
        return -errno;
    for (const struct dirent *e; (e = readdir(dir));) {
        struct stat st;

        if (*e->d_name == '.' || fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
            !S_ISREG(st.st_mode))
            continue;
        ret->files++;
        ret->bytes += (uint64_t)st.st_size;
    }
    (void)closedir(dir);
    return 0;
}

static int add_words(struct strings *argv, const char *const *words)
{
    for (; *words; words++)
        if (strings_add(argv, *words) < 0)
            return -ENOMEM;
    return 0;
}

static int make_argv(const struct strings *wanted, const struct strings *platforms,
                     const char *index, const char *arch, const char *python, const char *folder,
                     struct strings *argv)
{
    const char *const head[] = {"download",
                                "--quiet",
                                "--disable-pip-version-check",
                                "--no-input",
                                "--no-cache-dir",
                                "--progress-bar=off",
                                "--only-binary=:all:",
                                "--prefer-binary",
                                "--implementation=cp",
                                "--python-version",
                                python,
                                "--dest",
                                folder,
                                NULL};
    /* Only through the cache: pip's configuration and extra indexes are not used. */
    const char *const through[] = {"--isolated", "--index-url", index, NULL};
    int r = wheel_pip_words("/usr/bin/python3", python, arch, argv);

    if (r == 0)
        r = add_words(argv, head);
    if (r == 0 && index)
        r = add_words(argv, through);
    for (size_t i = 0; i < platforms->count && r == 0; i++) {
        const char *const pair[] = {"--platform", platforms->items[i], NULL};

        r = add_words(argv, pair);
    }
    for (size_t i = 0; i < wanted->count && r == 0; i++)
        r = strings_add(argv, wanted->items[i]);
    return r;
}

static int download_wheels(const struct strings *argv, const char *folder, struct cache_result *ret,
                           struct error *err)
{
    CLEANUP(process_result_clear) struct process_result result = {0};
    CLEANUP_FREE const char **words = calloc(argv->count + 1, sizeof(*words));
    const char *before = getenv("no_proxy");
    CLEANUP_FREE char *no_proxy = NULL;
    const char *env[] = {NULL, NULL};
    const struct process_options o = {
        .argv = words, .env = env, .timeout_ms = DOWNLOAD_MS, .cancel_fd = -1};
    int r;

    /* A proxy cannot reach a cache on this controller's loopback. */
    if (asprintf(&no_proxy, "no_proxy=127.0.0.1%s%s", before ? "," : "", before ? before : "") < 0)
        no_proxy = NULL;
    env[0] = no_proxy;
    if (!words || !no_proxy)
        return error_sys(err, -ENOMEM, "cannot run pip");
    for (size_t i = 0; i < argv->count; i++)
        words[i] = argv->items[i];
    r = process_run(&o, &result, err);
    if (r < 0)
        return r == -ENOENT ? error_set(err, -ENOPKG,
                                        "this controller has no python3 with pip; install it: "
                                        "apt install python3-pip")
                            : r;
    if (result.status == 0)
        return count_files(folder, ret);
    pip_last_error(&result, &ret->why);
    return strings_add(&ret->missing, "Python packages") < 0
               ? error_sys(err, -ENOMEM, "cannot run pip")
               : 0;
}

int cache_wheels_deps(const struct paths *paths, const char *index, const char *arch,
                      const char *python, unsigned glibc, struct cache_result *ret,
                      struct error *err)
{
    CLEANUP_STRINGS struct strings wanted = {0}, platforms = {0}, argv = {0};
    CLEANUP_FREE char *folder = cache_path(paths, "passing-wheels");
    int r = packages_read(paths->steps, "INDEX", &wanted, err);

    if (r < 0)
        return r;
    r = wheel_platforms(arch, glibc, &platforms);
    if (r == -EINVAL) {
        text_addf(&ret->why, "cannot tell which wheels run on %s; use --deps apt", arch);
        return 0;
    }
    if (!folder || r < 0 || make_argv(&wanted, &platforms, index, arch, python, folder, &argv) < 0)
        return error_sys(err, -ENOMEM, "cannot run pip");
    folder_remove(folder);
    r = make_folders(folder, 0700, err);
    if (r == 0)
        r = download_wheels(&argv, folder, ret, err);
    folder_remove(folder);
    return r;
}

/* What pip requires when a source distribution has no [build-system] in pyproject.toml
 * (PEP 518). */
int cache_wheels_tools(const struct paths *paths, const char *index, struct cache_result *ret,
                       struct error *err)
{
    static const char *const tools[] = {"setuptools>=40.8.0", "wheel", NULL};
    const char *const head[] = {"/usr/bin/python3",
                                "-m",
                                "pip",
                                "download",
                                "--quiet",
                                "--disable-pip-version-check",
                                "--no-input",
                                "--no-cache-dir",
                                "--progress-bar=off",
                                "--isolated",
                                "--only-binary=:all:",
                                "--index-url",
                                index,
                                "--dest",
                                NULL};
    CLEANUP_FREE char *folder = cache_path(paths, "passing-wheels");
    CLEANUP_STRINGS struct strings argv = {0};
    int r;

    if (!folder || add_words(&argv, head) < 0 || strings_add(&argv, folder) < 0 ||
        add_words(&argv, tools) < 0)
        return error_sys(err, -ENOMEM, "cannot run pip");
    folder_remove(folder);
    r = make_folders(folder, 0700, err);
    if (r == 0)
        r = download_wheels(&argv, folder, ret, err);
    folder_remove(folder);
    return r;
}

int cache_wheels_system(const struct paths *paths, const char *index, const struct apt_system *s,
                        const struct apt_files *files, struct cache_results *results,
                        struct error *err)
{
    CLEANUP_FREE char *name = NULL;
    struct cache_result *result;
    char python[8];
    unsigned glibc;

    if (cache_wheels_python(files, &s->status, python, &glibc) < 0)
        return 0;
    if (asprintf(&name, "%s, Python %s", s->name, python) < 0) {
        name = NULL;
        return error_sys(err, -ENOMEM, "cannot check %s", s->name);
    }
    result = cache_results_add(results, name);
    if (!result)
        return error_sys(err, -ENOMEM, "cannot check %s", s->name);
    return cache_wheels_deps(paths, index, s->arch, python, glibc, result, err);
}
