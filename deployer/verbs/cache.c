/* `cache`: the package caches for a classroom without internet. */
#include <errno.h>
#include <string.h>

#include "cache-check.h"
#include "cache-prime.h"
#include "cache-sources.h"
#include "cache-status.h"
#include "cache-up.h"
#include "deployer/cache/serve.h"
#include "verbs.h"

/* What `cache up` leaves behind; by hand it runs until ^C. */
static int serve_caches(struct program *p, struct error *err)
{
    state_free(TAKE_PTR(p->state)); /* it would be open for days */
    return cache_serve(&p->paths, err);
}

static const struct {
    const char *name;
    int (*run)(struct program *p, struct error *err);
    bool takes_uris;
} actions[] = {
    {"up", cache_up, false},        {"down", cache_down, false},    {"status", cache_status, false},
    {"prime", cache_prime, false},  {"check", cache_check, false},  {"allow", cache_allow, true},
    {"forget", cache_forget, true}, {"serve", serve_caches, false},
};

static int run_cache(struct program *p, struct error *err)
{
    struct deploy_options *o = &p->options;
    const char *name = o->n_arguments > 0 ? o->arguments[0] : "status";

    for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
        if (strcmp(actions[i].name, name) != 0)
            continue;
        if (o->n_arguments > 1 && !actions[i].takes_uris)
            return error_set(err, -EINVAL, "'cache %s' takes no argument such as '%s'; see --help",
                             name, o->arguments[1]);
        return actions[i].run(p, err);
    }
    return error_set(err, -EINVAL,
                     "'cache %s' is not an action; use up, down, status, prime, check, allow or "
                     "forget",
                     name);
}

OPTION_FLAG(struct deploy_options, purge)
OPTION_LIST(struct deploy_options, suites)
OPTION_LIST(struct deploy_options, archs)

static const struct option_row options[] = {
    {0, "purge", OPTION_NONE, NULL, "down: remove what is cached, too", set_purge},
    {0, "suite", OPTION_REQUIRED, "SUITE",
     "prime, check: for machines of this suite, as\n"
     "bookworm or trixie; may be repeated; default:\n"
     "those of the machines",
     set_suites},
    {0, "arch", OPTION_REQUIRED, "ARCH", "prime, check: likewise amd64, arm64, armhf", set_archs},
    {0, NULL, OPTION_NONE, NULL, NULL, NULL},
};

const struct verb verb_cache = {
    .name = "cache",
    .arguments = "ACTION [URI…]",
    .help = "up, down, status, prime, check, allow, forget",
    .options = options,
    .run = run_cache,
};
