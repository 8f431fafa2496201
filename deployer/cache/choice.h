/*
 * Ways are where packages come from: what the options say of caches, copied, as
 * workers read it while the settings may be read anew.  A value; made by one
 * thread, then read by any.
 */
#pragma once

#include "deployer/options/options.h"

struct ways {
    struct deploy_options options; /* nothing in it but these: */
    char *apt_proxy, *pip_index;
};

void ways_clear(struct ways *w);

/* -ENOMEM with words.  `ret` must not move afterwards. */
int ways_copy(const struct deploy_options *from, struct ways *ret, struct error *err);
