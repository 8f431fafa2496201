#include "pip.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "deployer/base/folder.h"
#include "deployer/base/url.h"
#include "discovery/base/cleanup.h"
#include "discovery/base/file.h"

enum {
    INDEX_WAIT_S = 15, /* for each answer of the index; pip tries twice (PIP_RETRIES) */
    INDEX_HURRY_S = 5, /* the same for pip_options.hurry */
    PROBE_MS = 20 * 1000,
    ACCOUNT_MAX = 16 * 1024,
};

void pip_close(struct pip *p)
{
    if (p->folder)
        folder_remove(p->folder);
    free(p->folder);
    free(p->work);
    free(p->deps);
    free(p->executable);
    free(p->user_base);
    sandbox_free(p->sandbox);
    strings_clear(&p->reads);
    strings_clear(&p->env);
    *p = (struct pip){0};
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
static int env_add_pip_config(struct pip *p)
{
    static const char *const places[] = {".config/pip/pip.conf", ".pip/pip.conf"};
    struct account account;
    const struct passwd *pw = find_uid(p->uid, &account);

    for (size_t i = 0; pw && pw->pw_dir && i < ARRAY_SIZE(places); i++) {
        CLEANUP_FREE char *path = path_join(pw->pw_dir, places[i]);

        if (!path)
            return -ENOMEM;
        if (access(path, R_OK) == 0)
            return env_add(&p->env, "PIP_CONFIG_FILE", path);
    }
    return 0;
}

/* Only the index of a cache: others that pip's configuration names may not be
 * reachable.  The cache's host is reached without a proxy. */
static int env_add_index(struct pip *p)
{
    static const char *const no_proxy[] = {"no_proxy", "NO_PROXY"};
    const char *index = p->options->index;
    struct url url;
    int r;

    if (!*index)
        return env_add(&p->env, "PIP_NO_INDEX", "1");
    r = env_add(&p->env, "PIP_INDEX_URL", index);
    /* pip ignores an empty variable and would read its configuration. */
    if (r == 0)
        r = env_add(&p->env, "PIP_EXTRA_INDEX_URL", index);
    if (r == 0)
        r = url_parse(index, &url);
    if (r == -EINVAL) /* pip reports what is wrong with it */
        return 0;
    if (r == 0)
        r = env_add(&p->env, "PIP_TRUSTED_HOST", url.spelled);
    if (r == 0)
        r = strings_add(&p->env, "PIP_PROXY");
    for (size_t i = 0; i < ARRAY_SIZE(no_proxy) && r == 0; i++) {
        const char *before = getenv(no_proxy[i]);
        CLEANUP_TEXT struct text hosts = TEXT_INIT;

        text_addf(&hosts, "%s%s%s", before ? before : "", before && *before ? "," : "",
                  url.spelled);
        r = text_error(&hosts) < 0 ? -ENOMEM : env_add(&p->env, no_proxy[i], text_str(&hosts));
    }
    return r;
}

static const char *const fixed_env[] = {
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

/* A build as the calling user may use a pip installed with --user. */
static int env_add_fixed(struct strings *env, bool user_site)
{
    int r = 0;

    for (size_t i = 0; i < ARRAY_SIZE(fixed_env) && r == 0; i++)
        if (!user_site || strncmp(fixed_env[i], "PYTHONNOUSERSITE", 16) != 0)
            r = strings_add(env, fixed_env[i]);
    return r;
}

static int make_env(struct pip *p)
{
    char seconds[16];
    int r = 0;

    for (size_t i = 0; environ && environ[i] && r == 0; i++)
        if (!env_is_passed_on(environ[i]))
            r = strings_addn(&p->env, environ[i], strcspn(environ[i], "="));
    if (r == 0)
        r = env_add_fixed(&p->env, !p->drop);
    /* Not as options: pip does not pass them to the pip that it starts to install
     * the build requirements. */
    (void)snprintf(seconds, sizeof(seconds), "%d",
                   p->options->hurry ? INDEX_HURRY_S : INDEX_WAIT_S);
    if (r == 0)
        r = env_add(&p->env, "PIP_DEFAULT_TIMEOUT", seconds);
    if (r == 0)
        r = env_add(&p->env, "TMPDIR", p->folder);
    if (r == 0 && p->drop)
        r = env_add(&p->env, "HOME", p->folder);
    if (r == 0 && p->drop)
        r = strings_add(&p->env, "XDG_CONFIG_HOME");
    if (r == 0 && p->drop && !getenv("PIP_CONFIG_FILE"))
        r = env_add_pip_config(p);
    if (r == 0 && p->options->index)
        r = env_add_index(p);
    return r;
}

/* Root builds as the user who called sudo, else as nobody: a setup.py is untrusted
 * code. */
static void choose_user(struct pip *p)
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
    p->drop = true;
    p->uid = pw ? pw->pw_uid : 65534;
    p->gid = pw ? pw->pw_gid : 65534;
}

/* A folder in p->folder for the user who builds. */
static int make_subfolder(const struct pip *p, const char *name, char **ret, struct error *err)
{
    *ret = path_join(p->folder, name);
    if (!*ret)
        return error_sys(err, -ENOMEM, "cannot run pip");
    if (mkdir(*ret, 0755) < 0 || (p->drop && lchown(*ret, p->uid, p->gid) < 0))
        return error_sys(err, -errno, "cannot create %s", *ret);
    return 0;
}

static int make_folder(struct pip *p, struct error *err)
{
    const char *tmp = getenv("TMPDIR");
    int r;

    /* Root's own TMPDIR may not be accessible to the user who builds. */
    if (p->drop || !tmp || *tmp != '/')
        tmp = "/tmp";
    if (asprintf(&p->folder, "%s/dcop-build.XXXXXX", tmp) < 0) {
        p->folder = NULL;
        return error_sys(err, -ENOMEM, "cannot run pip");
    }
    if (!mkdtemp(p->folder)) {
        r = -errno;
        free(TAKE_PTR(p->folder));
        return error_sys(err, r, "cannot create a build folder in %s", tmp);
    }
    if (p->drop && lchown(p->folder, p->uid, p->gid) < 0)
        return error_sys(err, -errno, "cannot change the owner of %s to the build user", p->folder);
    r = make_subfolder(p, "work", &p->work, err);
    return r == 0 ? make_subfolder(p, "deps", &p->deps, err) : r;
}

/* --- running -------------------------------------------------------------------------- */

/* The items, NULL-terminated, for exec; the strings are borrowed. */
static const char **as_vector(const struct strings *s)
{
    const char **v = calloc(s->count + 1, sizeof(*v));

    for (size_t i = 0; v && i < s->count; i++)
        v[i] = s->items[i];
    return v;
}

static int run(const struct pip *p, const struct strings *changes, const struct sandbox *sandbox,
               const char *const *argv, unsigned timeout_ms, struct process_result *ret,
               struct error *err)
{
    CLEANUP_STRINGS struct strings command = {0};
    CLEANUP_FREE const char **env = as_vector(changes), **confined = NULL;
    struct process_options o = {
        .argv = argv,
        .env = env,
        .folder = sandbox ? p->work : p->folder,
        .no_terminal = sandbox,
        .drop = p->drop,
        .uid = p->uid,
        .gid = p->gid,
        .confine = sandbox ? sandbox_enter : NULL,
        .confine_arg = sandbox,
        .timeout_ms = timeout_ms,
        .cancel_fd = p->options->cancel_fd,
    };

    if (sandbox) {
        if (sandbox_command(sandbox, argv, &command) == 0)
            confined = as_vector(&command);
        o.argv = confined;
    }
    if (!env || !o.argv)
        return error_sys(err, -ENOMEM, "cannot run %s", argv[0]);
    return process_run(&o, ret, err);
}

int pip_run(const struct pip *p, const char *const *argv, unsigned timeout_ms,
            struct process_result *ret, struct error *err)
{
    return run(p, &p->env, NULL, argv, timeout_ms, ret, err);
}

/* The folder that the line of fetch_code names. */
static int take_source(const struct pip *p, const struct process_result *result, char **ret,
                       struct error *err)
{
    static const char mark[] = "\ndcop-source ";
    const char *line = NULL, *from = text_str(&result->output);
    size_t size = strlen(p->folder);

    *ret = NULL;
    while ((from = strstr(from, mark)))
        line = from += sizeof(mark) - 1;
    if (!line)
        return 0;
    if (strncmp(line, p->folder, size) != 0 || line[size] != '/' || strstr(line, "/../"))
        return error_set(err, -EBADMSG, "pip unpacked a package outside of its folder");
    *ret = strndup(line, strcspn(line, "\n"));
    return *ret ? 0 : error_sys(err, -ENOMEM, "cannot run pip");
}

int pip_fetch(const struct pip *p, const char *const *arguments, unsigned timeout_ms,
              char **ret_source, struct process_result *ret, struct error *err)
{
    /* pip runs a package's code in a process of its own, in the package's folder
     * (sys.addaudithook, "subprocess.Popen"; PEP 517 asks for a process). */
    static const char fetch_code[] =
        "import os, runpy, sys\n"
        "def hook(event, args):\n"
        "    if event == 'subprocess.Popen' and sys.executable in (args[0], args[1][0]):\n"
        "        print('\\ndcop-source', os.path.abspath(args[2] or '.'), flush=True)\n"
        "        os._exit(0)\n"
        "sys.addaudithook(hook)\n"
        "sys.argv[0] = 'pip'\n"
        "runpy.run_module('pip', run_name='__main__', alter_sys=True)\n";
    const char *argv[64] = {p->python, "-c", fetch_code};
    int r;

    for (size_t n = 3; *arguments && n < ARRAY_SIZE(argv) - 1; n++)
        argv[n] = *arguments++;
    if (*arguments)
        return error_sys(err, -E2BIG, "cannot run pip");
    r = pip_run(p, argv, timeout_ms, ret, err);
    return r < 0 ? r : take_source(p, ret, ret_source, err);
}

/* Only what a build needs: neither the index, whose URL may have a password, nor a proxy. */
static int make_confined_env(const struct pip *p, struct strings *ret)
{
    static const char *const kept[] = {"PATH=", "LANG=", "LC_ALL=", "LC_CTYPE=", "TZ="};
    int r = 0;

    for (size_t i = 0; environ && environ[i] && r == 0; i++) {
        bool keep = false;

        for (size_t j = 0; j < ARRAY_SIZE(kept); j++)
            keep = keep || strncmp(environ[i], kept[j], strlen(kept[j])) == 0;
        if (!keep)
            r = strings_addn(ret, environ[i], strcspn(environ[i], "="));
    }
    if (r == 0)
        r = env_add_fixed(ret, *p->user_base != '\0');
    if (r == 0 && *p->user_base)
        r = env_add(ret, "PYTHONUSERBASE", p->user_base);
    if (r == 0)
        r = env_add(ret, "HOME", p->work);
    if (r == 0)
        r = env_add(ret, "TMPDIR", p->work);
    if (r == 0)
        r = strings_add(ret, "PIP_CONFIG_FILE=/dev/null");
    if (r == 0)
        r = strings_add(ret, "PIP_NO_INDEX=1");
    return r == 0 ? env_add(ret, "PIP_FIND_LINKS", p->deps) : r;
}

/* Does the system lack this sandbox?  Another failure must not lead to a weaker one. */
static bool lacks_sandbox(enum sandbox_kind kind, int r, const struct process_result *result)
{
    static const char own[] = "bwrap: ", at_end[] = "bwrap: execvp";
    const char *said = text_str(&result->errors);

    if (r < 0)
        return r == -EOPNOTSUPP || r == -ENOSYS || r == -EPERM ||
               (kind == SANDBOX_BUBBLEWRAP && r == -ENOENT);
    /* bubblewrap may make no namespaces. */
    return kind == SANDBOX_BUBBLEWRAP && strncmp(said, own, strlen(own)) == 0 &&
           strncmp(said, at_end, strlen(at_end)) != 0;
}

static int explain_sandbox(const struct pip *p, int r, const struct process_result *result,
                           struct error *err)
{
    CLEANUP_TEXT struct text said = TEXT_INIT;

    if (r < 0)
        return error_sys(err, r, "cannot run %s in the sandbox of a build", p->executable);
    text_add_shown(&said, text_str(&result->errors));
    return error_set(err, -EIO, "%s does not work in the sandbox of a build: status %d%s%s",
                     p->executable, result->status, said.size > 0 ? ", " : "", text_str(&said));
}

/* Sandboxes are tried from the best on. */
static int choose_sandbox(struct pip *p, const struct strings *env, struct error *err)
{
    static const char *const words[] = {
        [SANDBOX_LANDLOCK] = NULL,
        [SANDBOX_BUBBLEWRAP] = NULL,
        [SANDBOX_SECCOMP] =
            "its code could read and write what its user can: this kernel has no Landlock, "
            "and bubblewrap does not work here; install it: apt install bubblewrap",
        [SANDBOX_NONE] =
            "its code could do what its user can: this kernel has neither Landlock nor "
            "seccomp, and bubblewrap does not work here; install it: apt install "
            "bubblewrap",
    };
    const char *const argv[] = {p->executable, "-c", "", NULL};
    int r = -EOPNOTSUPP;

    for (enum sandbox_kind kind = SANDBOX_LANDLOCK; kind <= SANDBOX_NONE; kind++) {
        const struct sandbox_options options = {
            .kind = kind, .reads = &p->reads, .writes = p->work};
        CLEANUP(process_result_clear) struct process_result result = {0};

        r = sandbox_new(&options, &p->sandbox, err);
        if (r == 0)
            r = run(p, env, p->sandbox, argv, PROBE_MS, &result, err);
        if (r == -ECANCELED || r == -ENOMEM)
            return r;
        if (r == 0 && result.status == 0) {
            p->unconfined = words[kind];
            return 0;
        }
        sandbox_free(TAKE_PTR(p->sandbox));
        if (kind == SANDBOX_NONE || !lacks_sandbox(kind, r, &result))
            return explain_sandbox(p, r, &result, err);
    }
    return r;
}

int pip_run_confined(struct pip *p, const char *const *argv, unsigned timeout_ms,
                     struct process_result *ret, struct error *err)
{
    CLEANUP_STRINGS struct strings env = {0};
    int r = make_confined_env(p, &env);

    if (r < 0)
        return error_sys(err, r, "cannot run pip");
    if (!p->sandbox)
        r = choose_sandbox(p, &env, err);
    return r == 0 ? run(p, &env, p->sandbox, argv, timeout_ms, ret, err) : r;
}

/* --- Python --------------------------------------------------------------------------- */

static bool is_within(const char *path, const char *folder)
{
    size_t size = strlen(folder);

    return strncmp(path, folder, size) == 0 && (path[size] == '/' || path[size] == '\0');
}

/* Would a sandbox that reads this folder read keys?  A Python may call /home/me its prefix. */
static bool has_secrets(const char *path)
{
    static const char *const below_home[] = {"", "/.ssh", "/.config", "/.gnupg", "/.local/state"};
    static const char *const others[] = {"/etc/dcop", "/root", "/run", "/var/lib/dcop"};
    const char *home = getenv("HOME");

    if (strcmp(path, "/") == 0 || strstr(path, "/../"))
        return true;
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        if (is_within(others[i], path))
            return true;
    for (size_t i = 0; home && *home == '/' && i < ARRAY_SIZE(below_home); i++) {
        CLEANUP_FREE char *folder = NULL;

        if (asprintf(&folder, "%s%s", home, below_home[i]) < 0) {
            folder = NULL;
            return true;
        }
        if (is_within(folder, path))
            return true;
    }
    return false;
}

/* The lines of `probe`. */
static int take_python(struct pip *p, const char *said, struct error *err)
{
    CLEANUP_STRINGS struct strings lines = {0};
    int r = 0;

    for (const char *line = said; *line && r == 0; line += *line == '\n') {
        r = strings_addn(&lines, line, strcspn(line, "\n"));
        line += strcspn(line, "\n");
    }
    if (r == 0 && lines.count < 2)
        return error_set(err, -ENOPKG, "python3 does not say where it is");
    if (r == 0)
        p->executable = strdup(lines.items[0]);
    if (r == 0)
        p->user_base = strdup(lines.items[1]);
    if (!p->executable || !p->user_base)
        r = -ENOMEM;
    if (r == 0)
        r = strings_add(&p->reads, p->deps);
    for (size_t i = 2; i < lines.count && r == 0; i++)
        if (*lines.items[i] == '/' && !has_secrets(lines.items[i]))
            r = strings_add(&p->reads, lines.items[i]);
    return r < 0 ? error_sys(err, r, "cannot run pip") : 0;
}

/* The system's Python comes first: every user can run it, and an offline build
 * needs what apt has installed for it. */
static int choose_python(struct pip *p, struct error *err)
{
    static const char *const pythons[] = {"/usr/bin/python3", "python3"};
    static const char probe[] =
        "import importlib.util, site, sys\n"
        "if not importlib.util.find_spec('pip'): sys.exit(1)\n"
        "print(sys.executable)\n"
        "print(site.getuserbase() if site.ENABLE_USER_SITE else '')\n"
        "print(sys.prefix, sys.exec_prefix, sys.base_prefix, *sys.path, sep='\\n')\n";
    bool any = false;

    for (size_t i = 0; i < ARRAY_SIZE(pythons); i++) {
        CLEANUP(process_result_clear) struct process_result result = {0};
        const char *argv[] = {pythons[i], "-c", probe, NULL};
        int r = pip_run(p, argv, PROBE_MS, &result, err);

        if (r == -ECANCELED || r == -ENOMEM)
            return r;
        any = any || r == 0;
        if (r == 0 && result.status == 0) {
            p->python = pythons[i];
            return take_python(p, text_str(&result.output), err);
        }
    }
    return error_set(err, -ENOPKG,
                     any ? "python3 has no pip, which builds pyDCOP's wheel; install it: "
                           "apt install python3-pip python3-setuptools python3-wheel"
                         : "there is no python3, which builds pyDCOP's wheel; install it: "
                           "apt install python3-pip python3-setuptools python3-wheel");
}

int pip_open(const struct pip_options *options, struct pip *ret, struct error *err)
{
    CLEANUP(pip_close) struct pip p = {.options = options};
    int r;

    choose_user(&p);
    r = make_folder(&p, err);
    if (r < 0)
        return r;
    if (make_env(&p) < 0)
        return error_sys(err, -ENOMEM, "cannot run pip");
    r = choose_python(&p, err);
    if (r < 0)
        return r;
    *ret = p;
    p = (struct pip){0};
    return 0;
}

int pip_read(const char *folder, const char *name, size_t max, struct text *ret, struct error *err)
{
    CLEANUP_CLOSE int dir = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    CLEANUP_CLOSE int fd = -1;
    char path[64];
    struct stat st;

    if (dir < 0)
        return error_sys(err, -errno, "cannot open %s", folder);
    fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return error_set(err, -EBADMSG, "%s, which pip made, is not a regular file", name);
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return file_read(path, max, ret, err);
}
