#include "cache-up.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "deployer/base/folder.h"
#include "deployer/cache/acng.h"
#include "deployer/cache/devpi.h"
#include "deployer/cache/http.h"
#include "deployer/cache/install.h"
#include "deployer/cache/running.h"
#include "deployer/cache/start.h"
#include "discovery/base/cleanup.h"
#include "discovery/base/file.h"
#include "discovery/base/terminal.h"

static void print_line(const char *words, void *arg)
{
    const struct program *p = arg;

    if (!p->options.quiet)
        fprintf(stderr, "%s\n", words);
}

/* --- up ------------------------------------------------------------------------ */

static int print_caches(const struct program *p, const struct cache_settings *s,
                        const struct cache_pair *pair, bool changed, struct error *err)
{
    CLEANUP_FREE char *apt = cache_apt_url(s);
    CLEANUP_FREE char *pip = cache_pip_url(s);
    CLEANUP_TEXT struct text out = TEXT_INIT;

    if (!apt || !pip)
        return error_sys(err, -ENOMEM, "cannot print the state of the caches");
    if (p->options.json) {
        json_t *o = json_pack("{s:i,s:b,s:b,s:b,s:s*,s:s*}", "version", 1, "running", 1, "changed",
                              changed, "offline", s->offline, "apt_proxy", pair->apt ? apt : NULL,
                              "pip_index", pair->pip ? pip : NULL);
        CLEANUP_FREE char *bytes = o ? json_dumps(o, JSON_INDENT(2)) : NULL;

        json_decref(o);
        text_addf(&out, "%s\n", bytes ? bytes : "");
    } else {
        text_addf(&out, "The caches %s%s:\n  apt  %s\n  pip  %s\n", changed ? "run" : "run already",
                  s->offline ? ", offline: they do not use the internet" : "",
                  pair->apt ? apt : "does not run", pair->pip ? pip : "does not run");
    }
    terminal_put(stdout, &out);
    return text_error(&out) < 0 ? error_sys(err, -ENOMEM, "cannot print the state of the caches")
                                : 0;
}

/* What this controller's apt uses now is served, too.  `ret_new`: there was more. */
static int add_own_repositories(const struct paths *paths, struct strings *list, bool *ret_new,
                                struct error *err)
{
    CLEANUP_STRINGS struct strings own = {0};
    int r = acng_repositories_read(paths, list, err);

    if (r == 0)
        r = acng_own_repositories(&own, err);
    for (size_t i = 0; i < own.count && r >= 0; i++) {
        r = acng_repositories_add(list, own.items[i], err);
        *ret_new = *ret_new || r > 0;
    }
    return r < 0 ? r : acng_repositories_write(paths, list, err);
}

/* A damaged list is made anew: the machines' sources come back with the next
 * `cache prime` or deploy. */
static int read_repositories(struct program *p, struct strings *list, bool *ret_new,
                             struct error *err)
{
    int r = add_own_repositories(&p->paths, list, ret_new, err);

    if (r == -EBADMSG) {
        CLEANUP_FREE char *path = cache_path(&p->paths, "apt/repositories");

        fprintf(stderr,
                "%s; it is written again, and `dcop-deploy cache prime` adds the machines' sources "
                "again.\n",
                err->text);
        strings_clear(list);
        if (path && unlink(path) == 0)
            r = add_own_repositories(&p->paths, list, ret_new, err);
    }
    return r;
}

static void tell_failure(const char *what, const struct error *why)
{
    CLEANUP_TEXT struct text words = TEXT_INIT;

    text_add_printable(&words, why->text);
    fprintf(stderr, "%s: %s\n", what, text_str(&words));
}

/* Installs what is missing.  `ret` has those that can be started; an error, when none can. */
static int install_caches(struct program *p, struct cache_pair *ret, struct error *err)
{
    struct error why = {0};
    int r = cache_install_apt(print_line, p, err),
        q = devpi_install(&p->paths, print_line, p, &why);

    *ret = (struct cache_pair){.apt = r == 0, .pip = q == 0};
    if (r < 0 && q < 0) {
        tell_failure("The cache for Python packages cannot be started", &why);
        return r;
    }
    if (r < 0)
        tell_failure("The cache for apt cannot be started", err);
    if (q < 0)
        tell_failure("The cache for Python packages cannot be started", &why);
    *err = (struct error){0};
    return 0;
}

/* `pair` has those that run then. */
static int start_caches(struct program *p, struct cache_settings *s, struct cache_pair *pair,
                        struct error *err)
{
    CLEANUP_STRINGS struct strings list = {0};
    CLEANUP(pip_config_clear) struct pip_config upstream = {0};
    struct cache_pair wanted;
    bool moved, more = false;
    int r = install_caches(p, pair, err);

    if (r == 0)
        r = read_repositories(p, &list, &more, err);
    if (r == 0)
        r = cache_choose_ports(s, &moved, err);
    if (r == 0 && moved)
        print_line("Another program has taken the port of a cache; the cache uses another port.",
                   p);
    if (r == 0)
        r = acng_configure(&p->paths, s->apt_port, s->offline, &list, err);
    if (r == 0)
        r = devpi_write_logger(&p->paths, err);
    if (r == 0)
        r = cache_settings_write(&p->paths, s, err);
    if (r == 0 && pair->pip)
        r = devpi_upstream(&p->paths, &upstream, err);
    wanted = *pair;
    if (r == 0)
        r = cache_start(&p->paths, s, pair, err);
    if (r < 0)
        return r;
    if (pair->apt != wanted.apt || pair->pip != wanted.pip)
        tell_failure("One of the caches is missing", err);
    if (pair->pip)
        r = devpi_set_upstream(&p->paths, s, &upstream, err);
    if (r == 0)
        r = cache_settings_write(&p->paths, s, err);
    if (r < 0)
        (void)cache_stop(&p->paths, NULL);
    return r;
}

/* They run: nothing to do, but for a source that the controller got since. */
static int refresh_caches(struct program *p, const struct cache_running *now, struct error *err)
{
    CLEANUP_STRINGS struct strings list = {0};
    bool more = false;
    int r = read_repositories(p, &list, &more, err);

    if (r == 0 && more)
        r = acng_configure(&p->paths, now->settings.apt_port, now->settings.offline, &list, err);
    if (r == 0 && more)
        r = cache_reread(&p->paths, &now->settings, err);
    return r < 0 ? r : print_caches(p, &now->settings, &(struct cache_pair){true, true}, more, err);
}

int cache_up(struct program *p, struct error *err)
{
    struct cache_running now = {0};
    struct cache_pair pair = {0};
    CLEANUP_CLOSE int busy = -1;
    int r;

    if (p->options.check)
        return error_set(err, -EINVAL,
                         "'cache up' does not support --check; `cache status` changes nothing");
    r = cache_busy(&p->paths, &busy, err);
    if (r < 0)
        return r;
    r = cache_look(&p->paths, &now, err);
    if (r == -EBADMSG)
        fprintf(stderr, "%s; new ports are chosen, and what is cached stays.\n", err->text);
    else if (r < 0)
        return r;
    if (now.apt && now.pip && now.settings.offline == p->options.caches.offline)
        return refresh_caches(p, &now, err);
    if (now.running && now.settings.offline == p->options.caches.offline)
        print_line("The caches run but do not answer; they are restarted.", p);
    r = cache_stop(&p->paths, err);
    now.settings.offline = p->options.caches.offline;
    if (r == 0)
        r = start_caches(p, &now.settings, &pair, err);
    if (r == 0)
        r = print_caches(p, &now.settings, &pair, true, err);
    return r < 0 ? r : pair.apt && pair.pip ? 0 : 1;
}

/* --- down ------------------------------------------------------------------------ */

static int purge_caches(const struct paths *p, struct error *err)
{
    static const char *const names[] = {"apt",       "pip",     "settings",       "log",
                                        "apt-roots", "systems", "passing-wheels", "apt-push"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        CLEANUP_FREE char *path = cache_path(p, names[i]);

        if (!path)
            return error_sys(err, -ENOMEM, "cannot remove what is cached");
        if (unlink(path) < 0)
            folder_remove(path);
        if (access(path, F_OK) == 0)
            return error_set(err, -EIO, "cannot remove all of %s", path);
    }
    return 0;
}

int cache_down(struct program *p, struct error *err)
{
    bool ran = cache_runs(&p->paths) || cache_serving_pid(&p->paths);
    CLEANUP_CLOSE int busy = -1;
    CLEANUP_TEXT struct text out = TEXT_INIT;
    int r;

    if (p->options.check)
        return error_set(err, -EINVAL,
                         "'cache down' does not support --check; `cache status` changes nothing");
    r = cache_busy(&p->paths, &busy, err);
    if (r == 0)
        r = cache_stop(&p->paths, err);
    if (r == 0 && p->options.purge)
        r = purge_caches(&p->paths, err);
    if (r < 0)
        return r;
    if (p->options.json)
        text_addf(&out, "{\"version\": 1, \"running\": false, \"changed\": %s, \"purged\": %s}\n",
                  ran ? "true" : "false", p->options.purge ? "true" : "false");
    else
        text_addf(&out, "The caches %s%s.\n", ran ? "have stopped" : "did not run",
                  p->options.purge ? "; what was cached is removed" : "; what is cached stays");
    terminal_put(stdout, &out);
    return 0;
}
