#include "cache-check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cache-need.h"
#include "cache-print.h"
#include "deployer/cache/acng.h"
#include "deployer/cache/caches.h"
#include "deployer/cache/layers.h"
#include "deployer/cache/offline.h"
#include "deployer/cache/store.h"
#include "deployer/cache/wheels.h"

/* A cache that is not ours cannot be cut off from the internet: it is asked as it is. */
static int find_proxy(struct program *p, struct cache_offline **ret_own, char **ret_url,
                      struct error *err)
{
    CLEANUP_FREE char *conf = cache_path(&p->paths, "apt/conf");
    CLEANUP_FREE char *work = cache_path(&p->paths, "apt/offline");
    const struct cache_choice *choice = &p->options.caches;
    int r = conf && work ? 0 : error_sys(err, -ENOMEM, "cannot look at the caches");

    if (r == 0 && !cache_choice_names_apt(choice) && access(conf, F_OK) == 0) {
        r = cache_offline_start(conf, work, ret_own, err);
        *ret_url = r == 0 ? strdup(cache_offline_url(*ret_own)) : NULL;
        return r == 0 && !*ret_url ? error_sys(err, -ENOMEM, "cannot look at the caches") : r;
    }
    if (r == 0)
        r = program_find_caches(p, err);
    if (r < 0)
        return r;
    if (p->caches.apt_proxy && !(*ret_url = strdup(p->caches.apt_proxy)))
        return error_sys(err, -ENOMEM, "cannot look at the caches");
    return *ret_url ? 0
                    : error_set(err, -ENOTCONN,
                                "there is no package cache: `dcop-deploy cache up` starts one, "
                                "`dcop-deploy cache prime` fills it");
}

/* The index of --deps pip is asked as it is: devpi cannot be cut off for one question. */
static int check_system(struct program *p, const struct cache_need *need, struct layers *layers,
                        struct cache_pass *pass, const struct apt_system *s,
                        struct cache_results *results, struct error *err)
{
    CLEANUP(apt_files_clear) struct apt_files files = {0};
    struct cache_result *result = cache_results_add(results, s->name);
    int r;

    pass->packages = cache_need_packages(need, layers, s);
    r = result ? cache_system(pass, s, result, &files, err)
               : error_sys(err, -ENOMEM, "cannot look at the caches");
    if (r == 0 && layers)
        r = cache_layer_system(layers, s, &files, results, err);
    if (r < 0 || strcmp(deploy_options_deps(&p->options), "pip") != 0)
        return r;
    r = program_find_caches(p, err);
    return r < 0 ? r : cache_wheels_system(&p->paths, p->caches.pip_index, s, &files, results, err);
}

/* `kept`: the lists that priming got are only asked for again, and files are read where our cache
 * keeps them, which takes a quarter of the time; else it is asked for all.  `tells`: on a terminal,
 * where it is. */
static int check_systems(struct program *p, const struct cache_need *need, bool kept, bool tells,
                         struct cache_results *results, struct error *err)
{
    CLEANUP_STRINGS struct strings repositories = {0}, allowed = {0};
    CLEANUP_FREE char *folder = cache_path(&p->paths, "apt/cache");
    CLEANUP(cache_offline_free_p) struct cache_offline *own = NULL;
    CLEANUP_FREE char *base = NULL, *url = NULL;
    CLEANUP(layers_free_p) struct layers *layers = NULL;
    CLEANUP(cache_pass_clear) struct cache_pass pass = {
        .way = {.stale = true, .cancel_fd = -1, .allowed = &allowed},
        .fresh = !kept,
        .progress = tells ? cache_tell_progress : NULL,
    };
    struct cache_result *pydcop;
    int r;

    pass.base = base = cache_path(&p->paths, kept ? "apt-roots" : "apt-roots/offline");
    r = base ? cache_need_layers(p, "", &layers, err)
             : error_sys(err, -ENOMEM, "cannot look at the caches");
    if (r == 0)
        r = find_proxy(p, &own, &url, err);
    if (r == 0)
        r = caches_allowed(&p->paths, &allowed, err);
    pass.way.proxy = url;
    pass.way.https = own ? APT_HTTPS_FOR_CACHE : caches_https(&p->caches);
    if (kept && own && acng_repositories_read(&p->paths, &repositories, NULL) == 0) {
        pass.kept = folder;
        pass.repositories = &repositories;
    }
    if (r == 0 && strings_copy(&results->unread, &need->systems.unread) < 0)
        r = error_sys(err, -ENOMEM, "cannot look at the caches");
    for (size_t i = 0; i < need->systems.count && r == 0; i++)
        r = check_system(p, need, layers, &pass, &need->systems.items[i], results, err);
    if (tells)
        cache_tell_end();
    pydcop = r == 0 ? cache_results_add(results, "pyDCOP") : NULL;
    if (r < 0)
        return r;
    return pydcop ? cache_need_pydcop(p, "", pydcop, err)
                  : error_sys(err, -ENOMEM, "cannot look at the caches");
}

int cache_check(struct program *p, struct error *err)
{
    CLEANUP(cache_need_clear) struct cache_need need = {0};
    CLEANUP(cache_results_clear) struct cache_results results = {0};
    int r = cache_need_find(p, &need, err);

    if (r == 0)
        r = check_systems(p, &need, false, cache_tells_progress(&p->options), &results, err);
    if (r == 0)
        r = cache_tell(&p->options, &results, false, err);
    return r != 0 ? r : cache_results_ok(&results) ? 0 : 1;
}

static int add_missing(const struct cache_result *c, struct strings *ret)
{
    CLEANUP_TEXT struct text words = TEXT_INIT;

    if (c->missing.count == 0 && c->why.size == 0)
        return 0;
    text_addf(&words, "%s: ", c->name);
    for (size_t i = 0; i < c->missing.count && i < CACHE_MISSING_SHOWN; i++)
        text_addf(&words, "%s%s", i ? ", " : "", c->missing.items[i]);
    if (c->missing.count > CACHE_MISSING_SHOWN)
        text_addf(&words, " and %zu more", c->missing.count - CACHE_MISSING_SHOWN);
    if (c->missing.count == 0)
        text_adds(&words, text_str(&c->why));
    return text_error(&words) < 0 ? -ENOMEM : strings_add(ret, text_str(&words));
}

static bool is_clean(const struct cache_results *results)
{
    for (size_t i = 0; i < results->count; i++)
        if (results->items[i].warnings.count > 0)
            return false;
    return cache_results_ok(results);
}

int cache_completeness(struct program *p, struct strings *ret_missing, struct error *err)
{
    CLEANUP(cache_need_clear) struct cache_need need = {0};
    CLEANUP(cache_results_clear) struct cache_results results = {0};
    int r = cache_need_recall(p, &need, err);

    if (r < 0)
        return r;
    if (need.systems.count == 0)
        return strings_add(ret_missing, "the caches are not primed yet: dcop-deploy cache prime") <
                       0
                   ? error_sys(err, -ENOMEM, "cannot look at the caches")
                   : 0;
    r = check_systems(p, &need, true, false, &results, err);
    /* Before the answer is no, check everything exactly. */
    if (r == 0 && !is_clean(&results)) {
        cache_results_clear(&results);
        r = check_systems(p, &need, false, false, &results, err);
    }
    for (size_t i = 0; i < results.count && r == 0; i++)
        if (add_missing(&results.items[i], ret_missing) < 0)
            r = error_sys(err, -ENOMEM, "cannot look at the caches");
    return r;
}
