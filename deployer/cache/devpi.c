#include "devpi.h"

#include <errno.h>
#include <jansson.h>
#include <sodium/utils.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "caches.h"
#include "deployer/base/folder.h"
#include "deployer/base/url.h"
#include "deployer/wheel/pip-errors.h"
#include "discovery/base/cleanup.h"
#include "discovery/base/file.h"
#include "discovery/base/process.h"
#include "http.h"

enum {
    VENV_MS = 120 * 1000,
    INSTALL_MS = 900 * 1000,
    LOOK_MS = 30 * 1000,
    INIT_MS = 60 * 1000,
    ASK_MS = 20 * 1000,
    PASSWORD_SIZE = 24,
    PASSWORD_MAX = 128,
    EXTRAS_MAX = 8,
};

/* --- installing ----------------------------------------------------------------- */

static int run_python(const char *const *argv, unsigned timeout_ms, struct process_result *ret,
                      struct error *err)
{
    static const char *const env[] = {"PYTHONNOUSERSITE=1",
                                      "PIP_NO_INPUT=1",
                                      "PIP_NO_COLOR=1",
                                      "PIP_PROGRESS_BAR=off",
                                      "PIP_DISABLE_PIP_VERSION_CHECK=1",
                                      "PIP_USER=0",
                                      "PIP_TARGET",
                                      "PYTHONPATH",
                                      "PYTHONHOME",
                                      "DCOP_PASSWORD",
                                      "DCOP_BECOME_PASSWORD",
                                      NULL};
    struct process_options o = {
        .argv = argv, .env = env, .folder = "/", .timeout_ms = timeout_ms, .cancel_fd = -1};

    return process_run(&o, ret, err);
}

/* The last line of the output. */
static void add_last_line(struct text *to, const struct process_result *result)
{
    const char *said = result->errors.size ? text_str(&result->errors) : text_str(&result->output);
    size_t end = strlen(said), start;
    CLEANUP_FREE char *line = NULL;

    while (end > 0 && said[end - 1] == '\n')
        end--;
    for (start = end; start > 0 && said[start - 1] != '\n';)
        start--;
    line = strndup(said + start, end - start);
    text_add_printable(to, line ? line : "");
}

static int explain_failure(const char *what, const struct process_result *result, struct error *err)
{
    CLEANUP_TEXT struct text words = TEXT_INIT;

    add_last_line(&words, result);
    return error_set(err, -EIO, "%s: %s", what, text_str(&words));
}

enum devpi_state { DEVPI_WORKS, DEVPI_BROKEN, DEVPI_UNKNOWN };

/* Unknown: the look took too long, was killed (no memory), or could not be made at all. */
static enum devpi_state devpi_look(const char *python)
{
    const char *argv[] = {python, "-c", "import devpi_server.main", NULL};
    CLEANUP(process_result_clear) struct process_result result = {0};

    if (access(python, X_OK) < 0)
        return errno == ENOENT || errno == EACCES || errno == ENOTDIR ? DEVPI_BROKEN
                                                                      : DEVPI_UNKNOWN;
    if (run_python(argv, LOOK_MS, &result, NULL) < 0 || result.status >= PROCESS_SIGNALLED)
        return DEVPI_UNKNOWN;
    return result.status == 0 ? DEVPI_WORKS : DEVPI_BROKEN;
}

/* Prefers the system's Python: another user cannot run one in root's home. */
static int make_venv(const char *venv, struct error *err)
{
    static const char *const pythons[] = {"/usr/bin/python3", "python3"};
    CLEANUP(process_result_clear) struct process_result result = {0};
    const char *python = NULL;
    int r = 0;

    for (size_t i = 0; i < ARRAY_SIZE(pythons) && !python; i++) {
        const char *look[] = {pythons[i], "-c", "import ensurepip, venv", NULL};
        CLEANUP(process_result_clear) struct process_result has = {0};

        if (run_python(look, LOOK_MS, &has, NULL) == 0 && has.status == 0)
            python = pythons[i];
    }
    if (python) {
        const char *make[] = {python, "-m", "venv", "--clear", venv, NULL};

        r = run_python(make, VENV_MS, &result, err);
    }
    if (!python)
        return error_set(
            err, -ENOPKG,
            "python3 on this controller cannot create virtual environments, and devpi-server needs "
            "one; install what is missing: apt install python3-venv");
    if (r == 0 && result.status != 0)
        r = explain_failure("cannot make a virtual environment for devpi-server", &result, err);
    return r;
}

static int fill_venv(const char *venv, const char *python, struct error *err)
{
    /* Wheels only: a setup.py would run as our user. */
    const char *argv[] = {
        python, "-m", "pip", "install", "--only-binary=:all:", "devpi-server", NULL};
    CLEANUP(process_result_clear) struct process_result result = {0};
    int r = make_venv(venv, err);

    if (r == 0)
        r = run_python(argv, INSTALL_MS, &result, err);
    if (r < 0)
        return error_prefix(err, "cannot install devpi-server");
    if (result.status != 0) {
        (void)pip_explain(WHEEL_SPEC_REQUIREMENT, "devpi-server", &result, err);
        return error_prefix(err, "cannot install devpi-server");
    }
    return devpi_look(python) == DEVPI_WORKS
               ? 0
               : error_set(err, -EIO, "devpi-server was installed into %s but does not start there",
                           venv);
}

/* The environment that was there stands aside until the new one is complete: without the
 * internet there is no other.  (It is made in its place, as environments do not move.) */
static int install_devpi(const char *venv, const char *python, struct error *err)
{
    CLEANUP_FREE char *aside = NULL;
    int r;

    if (asprintf(&aside, "%s.aside", venv) < 0) {
        aside = NULL;
        return error_sys(err, -ENOMEM, "cannot install devpi-server");
    }
    if (access(aside, F_OK) == 0) /* of an installation that was killed: what is there is a part */
        folder_remove(venv);
    else if (rename(venv, aside) < 0 && errno != ENOENT)
        return error_sys(err, -errno, "cannot put %s aside", venv);
    r = fill_venv(venv, python, err);
    if (r == 0) {
        folder_remove(aside);
        return 0;
    }
    if (access(aside, F_OK) == 0) {
        folder_remove(venv);
        (void)rename(aside, venv);
    }
    return r;
}

/* Writes a random password for devpi's root to a file that only its owner can read, because
 * every user can see command-line options. */
static int make_password(const char *path, struct error *err)
{
    CLEANUP_TEXT struct text config = TEXT_INIT;
    unsigned char bytes[PASSWORD_SIZE];
    char hex[2 * PASSWORD_SIZE + 1];
    int r;

    if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
        return error_sys(err, -errno, "cannot make a password for devpi's root");
    (void)sodium_bin2hex(hex, sizeof(hex), bytes, sizeof(bytes));
    text_addf(&config, "devpi-server:\n  root-passwd: \"%s\"\n", hex);
    r = text_error(&config) < 0 ? error_sys(err, -ENOMEM, "cannot make a password")
                                : file_write(path, config.data, config.size, 0600, err);
    text_wipe(&config);
    sodium_memzero(hex, sizeof(hex));
    sodium_memzero(bytes, sizeof(bytes));
    return r;
}

/* Creates devpi's folder under another name and renames it, so that it is complete or
 * absent.  Without root/pypi, which would first load the names of all projects. */
static int make_server(const char *python, const char *venv, const char *server, const char *root,
                       struct error *err)
{
    CLEANUP_FREE char *program = NULL, *fresh = NULL;
    CLEANUP(process_result_clear) struct process_result result = {0};
    int r;

    if (asprintf(&program, "%s/bin/devpi-init", venv) < 0 || asprintf(&fresh, "%s.new", server) < 0)
        return error_sys(err, -ENOMEM, "cannot make devpi's folder");
    folder_remove(fresh);
    r = make_password(root, err);
    if (r == 0) {
        const char *argv[] = {python, program,          "-c", root, "--serverdir",
                              fresh,  "--no-root-pypi", NULL};

        r = run_python(argv, INIT_MS, &result, err);
    }
    if (r == 0 && result.status != 0)
        r = explain_failure("cannot make devpi's folder", &result, err);
    if (r == 0 && rename(fresh, server) < 0)
        r = error_sys(err, -errno, "cannot make %s", server);
    return r;
}

int devpi_install(const struct paths *p, void (*say)(const char *words, void *arg), void *arg,
                  struct error *err)
{
    CLEANUP_FREE char *venv = cache_path(p, "pip/venv");
    CLEANUP_FREE char *python = cache_path(p, "pip/venv/bin/python");
    CLEANUP_FREE char *server = cache_path(p, "pip/server");
    CLEANUP_FREE char *database = cache_path(p, "pip/server/.sqlite");
    CLEANUP_FREE char *root = cache_path(p, "pip/root");
    int r = 0;

    if (!venv || !python || !server || !database || !root)
        return error_sys(err, -ENOMEM, "cannot install devpi-server");
    if (devpi_look(python) == DEVPI_BROKEN) {
        mode_t mask = umask(022); /* another user runs the one that root installs */

        say("Installing devpi-server with pip; this takes a minute.", arg);
        r = install_devpi(venv, python, err);
        (void)umask(mask);
    }
    if (r == 0 && access(server, F_OK) < 0)
        r = make_server(python, venv, server, root, err);
    if (r == 0 && access(database, R_OK) < 0)
        r = error_set(err, -EBADMSG,
                      "%s is damaged: it does not contain devpi's database; `dcop-deploy cache "
                      "down --purge` removes what is cached, and `cache up` starts again",
                      server);
    return r;
}

int devpi_write_logger(const struct paths *p, struct error *err)
{
    static const char config[] =
        "{\"version\": 1, \"disable_existing_loggers\": false,\n"
        " \"formatters\": {\"line\": {\"format\": \"%(asctime)s %(levelname)s %(message)s\"}},\n"
        " \"handlers\": {\"log\": {\"class\": \"logging.StreamHandler\", \"formatter\": "
        "\"line\"}},\n"
        " \"root\": {\"level\": \"WARNING\", \"handlers\": [\"log\"]}}\n";
    CLEANUP_FREE char *path = cache_path(p, "pip/logger.json");

    return path ? file_write(path, config, strlen(config), 0600, err)
                : error_sys(err, -ENOMEM, "cannot set devpi's log");
}

/* --- its indexes ------------------------------------------------------------------ */

int devpi_upstream(const struct paths *p, struct pip_config *ret, struct error *err)
{
    CLEANUP_FREE char *python = cache_path(p, "pip/venv/bin/python");
    const char *config[] = {python, "-m", "pip", "config", "list", NULL};
    const char *usual[] = {
        python, "-c", "from pip._internal.models.index import PyPI; print(PyPI.simple_url)", NULL};
    CLEANUP(process_result_clear) struct process_result result = {0}, own = {0};
    CLEANUP(pip_config_clear) struct pip_config c = {0};
    int r = python ? run_python(config, LOOK_MS, &result, err) : -ENOMEM;

    if (r == 0 && result.status != 0)
        r = explain_failure("cannot read pip's configuration", &result, err);
    if (r == 0 && pip_config_parse(text_str(&result.output), &c) < 0)
        r = error_sys(err, -ENOMEM, "cannot read pip's configuration");
    if (r < 0)
        return r;
    if (!c.index) {
        r = run_python(usual, LOOK_MS, &own, err);
        if (r < 0)
            return r;
        if (own.status != 0)
            return explain_failure("cannot find out which index pip uses", &own, err);
        c.index = strndup(text_str(&own.output), strcspn(text_str(&own.output), "\r\n"));
        if (!c.index)
            return error_sys(err, -ENOMEM, "cannot read pip's configuration");
    }
    *ret = c;
    c = (struct pip_config){0};
    return 0;
}

struct devpi {
    uint16_t port;
    char *header; /* X-Devpi-Auth, with the token of the login; NULL: not logged in */
};

static void devpi_clear(struct devpi *d)
{
    if (d->header)
        sodium_memzero(d->header, strlen(d->header));
    free(d->header);
}

/* Sends a request; takes over `body`.  Returns the HTTP status, or a negative errno.  `ret`
 * (may be NULL) gets the answer's "result", or NULL; the caller releases it. */
static int ask_devpi(const struct devpi *d, const char *method, const char *path, json_t *body,
                     json_t **ret, struct error *err)
{
    CLEANUP_FREE char *bytes = body ? json_dumps(body, JSON_COMPACT) : NULL;
    CLEANUP_TEXT struct text answer = TEXT_INIT;
    struct cache_request request = {.port = d->port,
                                    .method = method,
                                    .path = path,
                                    .header = d->header,
                                    .body = bytes,
                                    .timeout_ms = ASK_MS};
    json_t *o;
    int status;

    json_decref(body);
    if (body && !bytes)
        return error_sys(err, -ENOMEM, "cannot ask devpi");
    status = cache_http(&request, &answer);
    if (bytes)
        sodium_memzero(bytes, strlen(bytes));
    if (status < 0)
        return error_sys(err, status, "devpi does not answer %s %s", method, path);
    o = json_loadb(text_str(&answer), answer.size, 0, NULL);
    if (ret)
        *ret = json_incref(json_object_get(o, "result"));
    json_decref(o);
    text_wipe(&answer);
    return status;
}

static int read_password(const char *path, char ret[static PASSWORD_MAX], struct error *err)
{
    CLEANUP_TEXT struct text config = TEXT_INIT;
    const char *start, *end;
    int r = file_read(path, 4096, &config, err);

    if (r < 0)
        return r;
    start = strchr(text_str(&config), '"');
    end = start ? strchr(start + 1, '"') : NULL;
    if (!end || (size_t)(end - start) >= PASSWORD_MAX)
        r = error_set(err, -EBADMSG, "%s is damaged", path);
    else
        (void)snprintf(ret, PASSWORD_MAX, "%.*s", (int)(end - start - 1), start + 1);
    text_wipe(&config);
    return r;
}

static int log_in(const struct paths *p, struct devpi *d, struct error *err)
{
    CLEANUP_FREE char *path = cache_path(p, "pip/root");
    char password[PASSWORD_MAX] = "", pair[512] = "", encoded[1024];
    json_t *result = NULL;
    const char *token;
    int r = path ? read_password(path, password, err) : -ENOMEM;

    if (r == 0)
        r = ask_devpi(d, "POST", "/+login",
                      json_pack("{s:s,s:s}", "user", "root", "password", password), &result, err);
    sodium_memzero(password, sizeof(password));
    if (r < 0)
        return r;
    token = json_string_value(json_object_get(result, "password"));
    if (r != 200 || !token || strlen(token) > sizeof(pair) - 8) {
        json_decref(result);
        return error_set(err, -EACCES, "devpi rejects the password in %s", path);
    }
    (void)snprintf(pair, sizeof(pair), "root:%s", token);
    json_decref(result);
    (void)sodium_bin2base64(encoded, sizeof(encoded), (const unsigned char *)pair, strlen(pair),
                            sodium_base64_VARIANT_ORIGINAL);
    r = asprintf(&d->header, "X-Devpi-Auth: %s", encoded) < 0 ? -ENOMEM : 0;
    sodium_memzero(pair, sizeof(pair));
    sodium_memzero(encoded, sizeof(encoded));
    return r;
}

/* Creates an index with these settings, or changes it if it exists. */
static int put_index(const struct devpi *d, const char *name, json_t *config, struct error *err)
{
    char path[CACHE_INDEX_MAX + 2];
    int status;

    (void)snprintf(path, sizeof(path), "/%s", name);
    status = ask_devpi(d, "PUT", path, json_incref(config), NULL, err);
    if (status == 409) { /* it exists, and its type cannot be changed */
        (void)json_object_del(config, "type");
        status = ask_devpi(d, "PATCH", path, json_incref(config), NULL, err);
    }
    json_decref(config);
    if (status < 0)
        return status;
    return status == 200 || status == 201
               ? 0
               : error_set(err, -EIO, "devpi rejects the settings of its index %s (status %d)",
                           name, status);
}

static int put_mirror(const struct devpi *d, const char *name, const char *url, struct error *err)
{
    /* devpi shows the URL to every client that asks for the index's settings. */
    if (!url_valid(url))
        return error_set(
            err, -EINVAL,
            "pip's configuration has an index that cannot be mirrored: its URL is not a plain one, "
            "or contains a user or a password, which every client of the cache could read");
    /* Without the list of all projects, which has several hundred thousand names. */
    return put_index(d, name,
                     json_pack("{s:s,s:s,s:b,s:b}", "type", "mirror", "mirror_url", url,
                               "mirror_no_project_list", 1, "volatile", 0),
                     err);
}

int devpi_set_upstream(const struct paths *p, struct cache_settings *s, const struct pip_config *c,
                       struct error *err)
{
    CLEANUP(devpi_clear) struct devpi d = {.port = s->pip_port};
    json_t *bases = json_pack("[s]", "root/pypi");
    int r = log_in(p, &d, err);

    if (r == 0)
        r = put_mirror(&d, "root/pypi", c->index, err);
    for (size_t i = 0; i < c->extras.count && i < EXTRAS_MAX && r == 0; i++) {
        char name[CACHE_INDEX_MAX];

        (void)snprintf(name, sizeof(name), "root/extra%zu", i + 1);
        r = put_mirror(&d, name, c->extras.items[i], err);
        (void)json_array_append_new(bases, json_string(name));
    }
    (void)snprintf(s->index, sizeof(s->index), "%s", c->extras.count ? "root/all" : "root/pypi");
    /* One index over all mirrors, so that a client needs no extra index. */
    if (r == 0 && c->extras.count)
        r = put_index(&d, "root/all",
                      json_pack("{s:s,s:O,s:b,s:[],s:[s]}", "type", "stage", "bases", bases,
                                "volatile", 0, "acl_upload", "mirror_whitelist", "*"),
                      err);
    json_decref(bases);
    return r;
}
