#include "cache-prime.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cache-need.h"
#include "cache-print.h"
#include "cache-sources.h"
#include "deployer/cache/caches.h"
#include "deployer/cache/layers.h"
#include "deployer/cache/store.h"
#include "deployer/cache/wheels.h"
#include "deployer/solve/environment.h"
#include "discovery/base/terminal.h"

/* The repositories of the systems that were named, so that the cache may serve them: they are
 * this controller's own.  Those of machines are asked about (cache_sources_ask). */
static int add_named_repositories(const struct program *p, const struct cache_need *need,
                                  struct error *err)
{
    CLEANUP_STRINGS struct strings uris = {0};
    int r;

    for (size_t i = 0; i < need->systems.count; i++) {
        const struct apt_sources *s = &need->systems.items[i].sources;

        for (size_t j = 0; j < s->count && !need->systems.items[i].machine; j++)
            if (!strings_has(&uris, s->items[j].uri) && strings_add(&uris, s->items[j].uri) < 0)
                return error_sys(err, -ENOMEM, "cannot prime the caches");
    }
    r = caches_add_repositories(&p->paths, &uris, err);
    return r < 0 ? r : 0;
}

static int prime_systems(struct program *p, const struct caches *caches,
                         const struct cache_need *need, const struct strings *allowed,
                         struct cache_results *results, struct error *err)
{
    CLEANUP(layers_free_p) struct layers *layers = NULL;
    CLEANUP_FREE char *base = cache_path(&p->paths, "apt-roots");
    CLEANUP(cache_pass_clear) struct cache_pass pass = {
        .base = base,
        .way = {.proxy = caches->apt_proxy,
                .https = caches_https(caches),
                .cancel_fd = -1,
                .allowed = allowed},
        .repair = true,
        .progress = cache_tells_progress(&p->options) ? cache_tell_progress : NULL,
    };
    bool pip = strcmp(deploy_options_deps(&p->options), "pip") == 0;
    int r = base ? cache_need_layers(p, caches->pip_index, &layers, err)
                 : error_sys(err, -ENOMEM, "cannot prime the caches");

    for (size_t i = 0; i < need->systems.count && r == 0; i++) {
        const struct apt_system *s = &need->systems.items[i];
        CLEANUP(apt_files_clear) struct apt_files files = {0};
        struct cache_result *result = cache_results_add(results, s->name);

        if (!result)
            return error_sys(err, -ENOMEM, "cannot prime the caches");
        if (pass.progress)
            cache_tell_progress(s->name, 0, 0, 0, NULL);
        pass.packages = cache_need_packages(need, layers, s);
        r = cache_system(&pass, s, result, &files, err);
        if (r == 0 && layers)
            r = cache_layer_system(layers, s, &files, results, err);
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

/* The orchestrator of `solve` runs on this computer, whose Python may be none of the machines'.
 * A deploy does without it, so what fails is a warning. */
static void prime_orchestrator(struct program *p)
{
    CLEANUP(solve_environment_clear) struct solve_environment environment = {0};
    CLEANUP_TEXT struct text words = TEXT_INIT;
    CLEANUP_FREE char *spec = NULL;
    struct pack *pack = NULL;
    struct error why = {0};
    int r = program_choose_spec(p, &spec, &why);

    if (r == 0)
        r = pack_make(spec, caches_index(&p->caches, &p->options.caches), NULL, &p->paths, -1,
                      &pack, &why);
    if (r == 0)
        r = solve_environment_make(&p->paths, pack, &environment, &why);
    pack_unref(pack);
    if (r == 0)
        return;
    text_adds(&words, "Warning: `solve` will not work here without the internet: ");
    text_add_printable(&words, why.text);
    text_addc(&words, '\n');
    terminal_put(stderr, &words);
}

int cache_prime(struct program *p, struct error *err)
{
    CLEANUP(cache_need_clear) struct cache_need need = {0};
    CLEANUP(cache_results_clear) struct cache_results results = {0};
    CLEANUP_STRINGS struct strings allowed = {0};
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
        r = add_named_repositories(p, &need, err);
        if (r < 0)
            return r;
    }
    r = cache_sources_ask(p, &need.systems, &allowed, err);
    if (r < 0)
        return r;
    if (strings_copy(&results.unread, &need.systems.unread) < 0)
        return error_sys(err, -ENOMEM, "cannot prime the caches");
    r = prime_systems(p, &p->caches, &need, &allowed, &results, err);
    pydcop = r == 0 ? cache_results_add(&results, "pyDCOP") : NULL;
    if (r == 0)
        r = pydcop ? prime_pydcop(p, &p->caches, pydcop, err)
                   : error_sys(err, -ENOMEM, "cannot prime the caches");
    if (r == 0)
        prime_orchestrator(p);
    if (r == 0)
        r = cache_need_remember(p, &need, err);
    if (r == 0)
        r = cache_tell(&p->options, &results, true, err);
    return r < 0 ? r : cache_results_ok(&results) ? 0 : 1;
}
