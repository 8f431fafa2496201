#include "install.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "acng.h"
#include "discovery/base/cleanup.h"
#include "discovery/base/process.h"

enum { LOOK_MS = 20 * 1000, INSTALL_MS = 600 * 1000, WORDS_MAX = 12 };

#define BY_HAND                                                                                    \
    "apt-cacher-ng is not installed; install it, without the service that it would start on all "  \
    "addresses: sudo systemctl mask apt-cacher-ng; sudo apt-get install apt-cacher-ng"

/* Runs the command, through sudo unless we are root. */
static int run_as_root(const char *const *argv, unsigned timeout_ms, struct process_result *ret)
{
    static const char *const env[] = {"DEBIAN_FRONTEND=noninteractive", "LC_ALL=C", "DCOP_PASSWORD",
                                      "DCOP_BECOME_PASSWORD", NULL};
    const char *whole[WORDS_MAX + 4];
    size_t n = 0;
    struct process_options o = {
        .argv = whole, .env = env, .folder = "/", .timeout_ms = timeout_ms, .cancel_fd = -1};

    if (geteuid() != 0) {
        whole[n++] = "sudo";
        whole[n++] = "-n";
        whole[n++] = "DEBIAN_FRONTEND=noninteractive";
    }
    for (size_t i = 0; argv[i] && i < WORDS_MAX; i++)
        whole[n++] = argv[i];
    whole[n] = NULL;
    return process_run(&o, ret, NULL);
}

static bool succeeds_as_root(const char *const *argv, unsigned timeout_ms)
{
    CLEANUP(process_result_clear) struct process_result result = {0};

    return run_as_root(argv, timeout_ms, &result) == 0 && result.status == 0;
}

static bool path_exists(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0;
}

/* Adds apt's last error, the last line that begins with "E:". */
static void add_apt_error(struct text *to, const struct process_result *result)
{
    const char *said = text_str(&result->errors), *line = NULL;
    CLEANUP_FREE char *copy = NULL;

    for (const char *at = said; (at = strstr(at, "E: ")); at++)
        if (at == said || at[-1] == '\n')
            line = at;
    if (!line)
        return;
    copy = strndup(line, strcspn(line, "\n"));
    text_adds(to, " (apt: ");
    text_add_printable(to, copy ? copy : "");
    text_adds(to, ")");
}

static int install_package(struct error *err)
{
    static const char *const get[] = {"apt-get",       "-y", "--no-install-recommends", "install",
                                      "apt-cacher-ng", NULL};
    static const char *const update[] = {"apt-get", "update", NULL};
    CLEANUP(process_result_clear) struct process_result result = {0};
    CLEANUP_TEXT struct text words = TEXT_INIT;

    if (succeeds_as_root(get, INSTALL_MS))
        return 0;
    (void)succeeds_as_root(update, INSTALL_MS); /* apt's lists may be old or missing */
    if (run_as_root(get, INSTALL_MS, &result) == 0 && result.status == 0)
        return 0;
    add_apt_error(&words, &result);
    return error_set(err, -ENOPKG, BY_HAND "%s", text_str(&words));
}

/* Masks the service during the installation, so that it never listens, then disables it,
 * which a person can see and undo.  Without systemd, the package's script has started it:
 * then it is stopped. */
static int install_disabled(struct error *err)
{
    static const char *const mask[] = {"systemctl", "mask", "apt-cacher-ng.service", NULL};
    static const char *const unmask[] = {"systemctl", "unmask", "apt-cacher-ng.service", NULL};
    static const char *const disable[] = {"systemctl", "disable", "apt-cacher-ng.service", NULL};
    static const char *const stop[] = {"invoke-rc.d", "apt-cacher-ng", "stop", NULL};
    static const char *const never[] = {"update-rc.d", "apt-cacher-ng", "disable", NULL};
    bool masked = path_exists("/etc/systemd/system/apt-cacher-ng.service"), systemd;
    int r;

    systemd = path_exists("/run/systemd/system");
    if (systemd && !masked && !succeeds_as_root(mask, LOOK_MS))
        return error_set(err, -ENOPKG, BY_HAND);
    r = install_package(err);
    if (systemd && !masked) {
        if (r == 0)
            (void)succeeds_as_root(disable, LOOK_MS);
        (void)succeeds_as_root(unmask, LOOK_MS);
    }
    if (r == 0 && !systemd) {
        (void)succeeds_as_root(stop, LOOK_MS);
        (void)succeeds_as_root(never, LOOK_MS);
    }
    return r;
}

int cache_install_apt(void (*say)(const char *words, void *arg), void *arg, struct error *err)
{
    static const char *const nothing[] = {"true", NULL};

    if (acng_program())
        return 0;
    if (access("/usr/bin/apt-get", X_OK) < 0)
        return error_set(err, -ENOPKG,
                         "apt-cacher-ng is not installed, and there is no apt to install it with; "
                         "a cache elsewhere can be named with --apt-proxy");
    if (geteuid() != 0 && !succeeds_as_root(nothing, LOOK_MS))
        return error_set(err, -ENOPKG, BY_HAND);
    say("Installing apt-cacher-ng.", arg);
    return install_disabled(err);
}
