#include "make.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "deployer/base/content.h"
#include "deployer/base/folder.h"
#include "deployer/wheel/lay-out-wheel.h"
#include "deployer/wheel/name.h"
#include "deployer/wheel/pip-errors.h"
#include "deployer/wheel/pip.h"
#include "deployer/wheel/platform.h"
#include "deployer/wheel/wheel.h"
#include "discovery/base/cleanup.h"
#include "discovery/base/file.h"

enum { DOWNLOAD_MS = 20 * 60 * 1000, COMPILE_MS = 5 * 60 * 1000, WHEELS_MAX = 64 };

static const char site[] = "site/";

/* --- the wheels ------------------------------------------------------------- */

static size_t count_packages(const char *pins)
{
    size_t n = 0;

    for (; *pins; pins += strcspn(pins, "\n"), pins += *pins == '\n')
        n += *pins != '#' && *pins != '\n';
    return n;
}

static int add_words(struct strings *argv, const char *const *words)
{
    for (; *words; words++)
        if (strings_add(argv, *words) < 0)
            return -ENOMEM;
    return 0;
}

/* `what`: the rest of the command line; NULL at its end. */
static int make_argv(const struct layer_source *s, const struct pip *pip, const char *const *what,
                     struct strings *argv)
{
    const char *const head[] = {"download",
                                "--quiet",
                                "--no-cache-dir",
                                "--only-binary=:all:",
                                "--implementation=cp",
                                "--python-version",
                                s->python,
                                NULL};
    CLEANUP_STRINGS struct strings platforms = {0};
    int r = wheel_platforms(s->arch, LAYER_GLIBC, &platforms);

    if (r == 0)
        r = wheel_pip_words(pip->python, s->python, s->arch, argv);
    if (r == 0)
        r = add_words(argv, head);
    if (r == 0)
        r = add_words(argv, what);
    for (size_t i = 0; i < platforms.count && r == 0; i++) {
        const char *const pair[] = {"--platform", platforms.items[i], NULL};

        r = add_words(argv, pair);
    }
    return r;
}

static int explain_download(const struct layer_source *s, const struct process_result *result,
                            bool extra, struct error *err)
{
    CLEANUP_TEXT struct text words = TEXT_INIT;

    if (strstr(text_str(&result->errors), "DO NOT MATCH THE HASHES"))
        return error_set(err, -EBADMSG,
                         "the package index has other wheels for Python %s on %s than those that "
                         "are pinned: look at what index pip is configured for, or give --deps apt",
                         s->python, s->arch);
    pip_last_error(result, &words);
    if (extra)
        return error_set(
            err, -ENETUNREACH,
            "cannot fetch what this pyDCOP requires (setup.py), for Python %s on %s, "
            "beside the pinned packages: %s; correct it there, connect this controller "
            "to the internet if it is not, or give --deps apt",
            s->python, s->arch, text_str(&words));
    return error_set(
        err, -ENETUNREACH,
        "cannot fetch the wheels for Python %s on %s: %s; connect this controller to the internet "
        "once (`dcop-deploy cache prime` fetches them ahead), or give --deps apt",
        s->python, s->arch, text_str(&words));
}

/* `extra` (NULL: none): appended. */
static int run_pip(const struct layer_source *s, const struct pip *pip, const char *const *what,
                   const struct strings *extra, struct error *err)
{
    CLEANUP(process_result_clear) struct process_result result = {0};
    CLEANUP_STRINGS struct strings words = {0};
    CLEANUP_FREE const char **argv = NULL;
    size_t n = extra ? extra->count : 0;
    int r;

    if (make_argv(s, pip, what, &words) < 0 || !(argv = calloc(words.count + n + 1, sizeof(*argv))))
        return error_sys(err, -ENOMEM, "cannot run pip");
    for (size_t i = 0; i < words.count; i++)
        argv[i] = words.items[i];
    for (size_t i = 0; i < n; i++)
        argv[words.count + i] = extra->items[i];
    r = pip_run(pip, argv, DOWNLOAD_MS, &result, err);
    return r == 0 && result.status != 0 ? explain_download(s, &result, extra != NULL, err) : r;
}

/* pip fetches them into the folder "wheels". */
static int download_wheels(const struct layer_source *s, const struct pip *pip, struct error *err)
{
    CLEANUP_FREE char *pins = path_join(pip->folder, "pins");
    const char *const what[] = {
        "--no-deps", "--require-hashes", "--requirement", pins, "--dest", "wheels", NULL};
    int r = pins ? file_write(pins, text_str(s->pins), s->pins->size, 0644, err)
                 : error_sys(err, -ENOMEM, "cannot run pip");

    return r < 0 ? r : run_pip(s, pip, what, NULL, err);
}

/* The pinned versions, without their digests: pip asks for digests of all or of none. */
static void add_constraints(const char *pins, struct text *ret)
{
    for (; *pins; pins += strcspn(pins, "\n"), pins += *pins == '\n') {
        if (*pins == '#' || *pins == '\n')
            continue;
        text_add(ret, pins, strcspn(pins, " \n"));
        text_addc(ret, '\n');
    }
}

/* What pyDCOP needs beside the pinned packages, with all that it needs itself, into the folder
 * "extra". */
static int download_extra(const struct layer_source *s, const struct pip *pip, struct error *err)
{
    CLEANUP_FREE char *path = path_join(pip->folder, "constraints");
    CLEANUP_TEXT struct text constraints = TEXT_INIT;
    const char *const what[] = {"--constraint", path, "--dest", "extra", NULL};
    int r;

    add_constraints(text_str(s->pins), &constraints);
    if (!path || text_error(&constraints) < 0)
        return error_sys(err, -ENOMEM, "cannot run pip");
    r = file_write(path, constraints.data, constraints.size, 0644, err);
    return r < 0 ? r : run_pip(s, pip, what, s->extra, err);
}

static bool is_pinned(const struct layer_source *s, const struct text *wheel)
{
    char hex[DIGEST_LENGTH + 1], hash[DIGEST_LENGTH + 16];

    digest_bytes(text_str(wheel), wheel->size, hex);
    (void)snprintf(hash, sizeof(hash), "=sha256:%s", hex);
    return strstr(text_str(s->pins), hash) != NULL;
}

/* Lays out one wheel of the folder, which is another user's: what it holds is what counts. */
static int take_wheel(const struct layer_source *s, const char *folder, const char *name,
                      bool pinned, struct content *c, struct error *err)
{
    const struct wheel_layout layout = {.native = true, .left_out = s->left_out};
    CLEANUP_TEXT struct text bytes = TEXT_INIT;
    int r = pip_read(folder, name, WHEEL_SIZE_MAX, &bytes, err);

    if (r < 0)
        return r;
    if (pinned && !is_pinned(s, &bytes))
        return error_set(err, -EBADMSG, "%s from the package index is not what is pinned", name);
    return lay_out_wheel(c, name, bytes.data, bytes.size, &layout, err);
}

static int is_wheel(const struct dirent *d)
{
    return string_ends_with(d->d_name, ".whl");
}

/* Whether a wheel's package is pinned.  pip may choose another wheel of the same version, which has
 * no digest here, when it is not told the digests. */
static bool is_of_pinned(const struct layer_source *s, const char *wheel)
{
    CLEANUP_FREE char *name = strndup(wheel, strcspn(wheel, "-"));

    for (const char *pin = text_str(s->pins); name && *pin;
         pin += strcspn(pin, "\n"), pin += *pin == '\n') {
        CLEANUP_FREE char *other = strndup(pin, wheel_requirement_name(pin));

        if (*pin != '#' && *pin != '\n' && other && wheel_name_equal(name, other))
            return true;
    }
    return false;
}

/* `pinned`: these are the pinned ones; else those are passed over. */
static int take_wheels(const struct layer_source *s, const char *folder, bool pinned,
                       struct content *c, struct error *err)
{
    struct dirent **names = NULL;
    int n = scandir(folder, &names, is_wheel, alphasort), r = 0;

    /* No requirement is one of this Python's. */
    if (n < 0 && errno == ENOENT && !pinned)
        return 0;
    if (n < 0)
        return error_sys(err, -errno, "cannot read %s", folder);
    if ((pinned && (size_t)n != count_packages(text_str(s->pins))) || n > WHEELS_MAX)
        r = error_set(err, -EBADMSG, "pip fetched %d wheels instead of those that are pinned", n);
    for (int i = 0; i < n; i++) {
        if (r == 0 && (pinned || !is_of_pinned(s, names[i]->d_name)))
            r = take_wheel(s, folder, names[i]->d_name, pinned, c, err);
        free(names[i]);
    }
    free(names);
    return r;
}

/* Scripts are not sent: nobody calls them. */
static void keep_modules(struct content *c)
{
    size_t kept = 0;

    for (size_t i = 0; i < c->count; i++) {
        struct content_file f = c->files[i];

        if (strncmp(f.path, site, strlen(site)) != 0) {
            c->bytes -= f.size;
            free(f.path);
            free(f.data);
            continue;
        }
        memmove(f.path, f.path + strlen(site), strlen(f.path + strlen(site)) + 1);
        c->files[kept++] = f;
    }
    c->count = kept;
}

/* --- its byte code ---------------------------------------------------------- */

static int write_module(const char *folder, const struct content_file *f, struct error *err)
{
    CLEANUP_FREE char *path = path_join(folder, f->path);
    CLEANUP_CLOSE int fd = -1;
    char *slash;
    int r;

    if (!path)
        return error_sys(err, -ENOMEM, "cannot compile the layer");
    slash = strrchr(path, '/');
    *slash = '\0';
    r = make_folders(path, 0700, err);
    *slash = '/';
    if (r < 0)
        return r;
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    r = fd < 0 ? -errno : file_write_all(fd, f->data, f->size);
    return r < 0 ? error_sys(err, r, "cannot write %s", path) : 0;
}

/* FOLDER/__pycache__/MODULE.cpython-313.pyc, for FOLDER/MODULE.py (PEP 3147). */
static char *code_path(const char *module, const char *python)
{
    const char *slash = strrchr(module, '/'), *base = slash ? slash + 1 : module;
    char *path;

    return asprintf(&path, "%.*s__pycache__/%.*s.cpython-3%s.pyc", (int)(base - module), module,
                    (int)(strlen(base) - strlen(".py")), base, python + strlen("3.")) < 0
               ? NULL
               : path;
}

static int take_code(struct content *c, const char *folder, const char *module, const char *python,
                     struct error *err)
{
    CLEANUP_FREE char *name = code_path(module, python), *path = NULL;
    CLEANUP_TEXT struct text bytes = TEXT_INIT;
    int r;

    path = name ? path_join(folder, name) : NULL;
    if (!path)
        return error_sys(err, -ENOMEM, "cannot compile the layer");
    r = file_read(path, CONTENT_FILE_MAX, &bytes, NULL);
    if (r == -ENOENT) /* not for this Python: its importer says why, should anybody import it */
        return 0;
    return r < 0 ? error_sys(err, r, "cannot read %s", path)
                 : content_add(c, name, 0644, bytes.data, bytes.size, err);
}

/* The modules are written out, compiled by the machine's Python, and their byte code is
 * added.  The paths in it are the machine's. */
static int compile_in(const struct layer_source *s, const char *program, const char *folder,
                      int cancel_fd, struct content *c, struct error *err)
{
    CLEANUP(process_result_clear) struct process_result result = {0};
    CLEANUP_FREE char *place = path_join(LAYER_PLACE, s->name);
    const char *const argv[] = {program,
                                "-I",
                                "-S",
                                "-m",
                                "compileall",
                                "-q",
                                "-j",
                                "0",
                                "--invalidation-mode",
                                "unchecked-hash",
                                "-s",
                                folder,
                                "-p",
                                place,
                                folder,
                                NULL};
    const struct process_options options = {
        .argv = argv, .timeout_ms = COMPILE_MS, .cancel_fd = cancel_fd};
    size_t count = c->count;
    int r = place ? 0 : error_sys(err, -ENOMEM, "cannot compile the layer");

    for (size_t i = 0; i < count && r == 0; i++)
        if (string_ends_with(c->files[i].path, ".py"))
            r = write_module(folder, &c->files[i], err);
    /* Its status is not looked at: wheels hold files for other Pythons, too. */
    if (r == 0)
        r = process_run(&options, &result, err);
    /* But that of a disk that is full is no fault of a file's. */
    if (r == 0 && (strstr(text_str(&result.output), "OSError") ||
                   strstr(text_str(&result.errors), "OSError")))
        r = error_set(err, -ENOSPC, "cannot compile the layer in %s: is the disk full?", folder);
    for (size_t i = 0; i < count && r == 0; i++)
        if (string_ends_with(c->files[i].path, ".py"))
            r = take_code(c, folder, c->files[i].path, s->python, err);
    return r;
}

static int compile(const struct layer_source *s, int cancel_fd, struct content *c,
                   struct error *err)
{
    const char *tmp = getenv("TMPDIR"), *state = "source\n";
    CLEANUP_FREE char *folder = NULL;
    char program[32];
    int r = 0;

    (void)snprintf(program, sizeof(program), "/usr/bin/python%s", s->python);
    if (access(program, X_OK) == 0) {
        if (asprintf(&folder, "%s/dcop-layer.XXXXXX", tmp && *tmp == '/' ? tmp : "/tmp") < 0) {
            folder = NULL;
            return error_sys(err, -ENOMEM, "cannot compile the layer");
        }
        if (!mkdtemp(folder))
            return error_sys(err, -errno, "cannot create %s", folder);
        r = compile_in(s, program, folder, cancel_fd, c, err);
        folder_remove(folder);
        state = "compiled\n";
    }
    return r < 0 ? r : content_add(c, "dcop-layer", 0644, state, strlen(state), err);
}

int layer_make(const struct layer_source *s, int cancel_fd, struct text *ret, struct error *err)
{
    const struct pip_options options = {.index = s->index, .cancel_fd = cancel_fd};
    CLEANUP(pip_close) struct pip pip = {0};
    CLEANUP(content_clear) struct content c = {0};
    CLEANUP_FREE char *wheels = NULL, *extra = NULL;
    int r = pip_open(&options, &pip, err);

    if (r == 0)
        r = download_wheels(s, &pip, err);
    if (r == 0 && s->extra->count > 0)
        r = download_extra(s, &pip, err);
    if (r < 0)
        return r;
    wheels = path_join(pip.folder, "wheels");
    extra = path_join(pip.folder, "extra");
    if (!wheels || !extra)
        return error_sys(err, -ENOMEM, "cannot make a layer");
    r = take_wheels(s, wheels, true, &c, err);
    if (r == 0 && s->extra->count > 0)
        r = take_wheels(s, extra, false, &c, err);
    if (r < 0)
        return r;
    keep_modules(&c);
    r = compile(s, cancel_fd, &c, err);
    if (r == 0)
        r = content_sort(&c, err);
    if (r < 0)
        return r;
    r = content_write_tar(&c, ret);
    return r < 0 ? error_sys(err, r, "cannot pack the layer") : 0;
}
