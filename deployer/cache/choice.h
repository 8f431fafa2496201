/*
 * The choice of caches: what the options and the inventory say about where packages
 * come from.  caches_find looks for the caches accordingly.
 *
 * A value that owns its strings; start with {0}, cache_choice_clear.
 */
#pragma once

#include <stdbool.h>
#include <stdlib.h>

struct cache_choice {
    char *apt_proxy, *pip_index; /* --apt-proxy, --pip-index: URLs; NULL: not given */
    char *inventory_apt_proxy, *inventory_pip_index; /* what the inventory says; NULL: nothing */
    bool offline;                                    /* nothing is fetched from the internet */
    bool direct;     /* machines may ask the caches over the network */
    bool keep_proxy; /* the caches stay in the machines' settings of apt and pip */
};

/* Inline, so that deployer/options/ needs no object of this folder. */
static inline void cache_choice_clear(struct cache_choice *c)
{
    free(c->apt_proxy);
    free(c->pip_index);
    free(c->inventory_apt_proxy);
    free(c->inventory_pip_index);
    *c = (struct cache_choice){0};
}

/* -ENOMEM. */
int cache_choice_copy(const struct cache_choice *from, struct cache_choice *ret);

/* Does it name an apt proxy?  Such a proxy is not managed by us. */
static inline bool cache_choice_names_apt(const struct cache_choice *c)
{
    return c->apt_proxy || c->inventory_apt_proxy;
}
