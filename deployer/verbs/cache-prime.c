#include "cache-prime.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cache-need.h"
#include "cache-print.h"
#include "deployer/cache/caches.h"
#include "deployer/cache/store.h"
#include "deployer/cache/wheels.h"

/* The repositories of all systems, so that the cache may serve them: https ones too,
 * which machines ask it for as http. */
static int add_repositories(const struct program *p, const struct cache_need *need,
                            struct error *err)
{
    CLEANUP_STRINGS struct strings uris = {0};

    for (size_t i = 0; i < need->systems.count; i++) {
        const struct apt_sources *s = &need->systems.items[i].sources;

        for (size_t j = 0; j < s->count; j++)
            if (!strings_has(&uris, s->items[j].uri) && strings_add(&uris, s->items[j].uri) < 0)
                return error_sys(err, -ENOMEM, "cannot prime the caches");
    }
    return caches_add_repositories(&p->paths, &uris, err);
}

static int prime_systems(const struct program *p, const struct caches *caches,
                         const struct cache_need *need, struct cache_results *results,
                         struct error *err)
{
    CLEANUP_FREE char *base = cache_path(&p->paths, "apt-roots");
    CLEANUP(cache_pass_clear) struct cache_pass pass = {
        .base = base,
        .way = {.proxy = caches->apt_proxy, .plain = true, .cancel_fd = -1},
        .repair = true,
        .packages = &need->packages,
        .progress = cache_tells_progress(&p->options) ? cache_tell_progress : NULL,
    };
    bool pip = p->options.deps && strcmp(p->options.deps, "pip") == 0;
    int r = base ? 0 : error_sys(err, -ENOMEM, "cannot prime the caches");

    for (size_t i = 0; i < need->systems.count && r == 0; i++) {
        const struct apt_system *s = &need->systems.items[i];
        CLEANUP(apt_files_clear) struct apt_files files = {0};
        struct cache_result *result = cache_results_add(results, s->name);

        if (!result)
            return error_sys(err, -ENOMEM, "cannot prime the caches");
        if (pass.progress)
            cache_tell_progress(s->name, 0, 0, 0, NULL);
        r = cache_system(&pass, s, result, &files, err);
        if (r == 0 && pip)
            r = cache_wheels_system(&p->paths, caches->pip_index, s, &files, results, err);
    }
    if (pass.progress)
        cache_tell_end();
    return r;
}

/* Also what pip builds with, because a source that is changed in the classroom is built
 * there. */
static int prime_pydcop(struct program *p, const struct caches *caches, struct cache_result *result,
                        struct error *err)
{
    int r = cache_need_pydcop(p, caches->pip_index, result, err);

    return r < 0 || !caches->pip_index
               ? r
               : cache_wheels_tools(&p->paths, caches->pip_index, result, err);
}

int cache_prime(struct program *p, struct error *err)
{
    CLEANUP(cache_need_clear) struct cache_need need = {0};
    CLEANUP(cache_results_clear) struct cache_results results = {0};
    struct cache_result *pydcop;
    int r = cache_need_find(p, &need, err);

    if (r == 0)
        r = program_find_caches(p, err);
    if (r != 0)
        return r;
    if (!p->caches.apt_proxy)
        return error_set(err, -ENOTCONN,
                         "there is no package cache to fill; start one with `dcop-deploy cache "
                         "up`, or name one with --apt-proxy");
    if (!cache_choice_names_apt(&p->options.caches)) {
        r = add_repositories(p, &need, err);
        if (r < 0)
            return r;
    }
    if (strings_copy(&results.unread, &need.systems.unread) < 0)
        return error_sys(err, -ENOMEM, "cannot prime the caches");
    r = prime_systems(p, &p->caches, &need, &results, err);
    pydcop = r == 0 ? cache_results_add(&results, "pyDCOP") : NULL;
    if (r == 0)
        r = pydcop ? prime_pydcop(p, &p->caches, pydcop, err)
                   : error_sys(err, -ENOMEM, "cannot prime the caches");
    if (r == 0)
        r = cache_need_remember(p, &need, err);
    if (r == 0)
        r = cache_tell(&p->options, &results, true, err);
    return r < 0 ? r : cache_results_ok(&results) ? 0 : 1;
}
