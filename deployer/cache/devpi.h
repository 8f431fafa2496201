/*
 * devpi-server as ours: in a virtual environment of its own below the state
 * folder, with one mirror of the index that this controller's own pip uses,
 * which nobody writes to.
 *
 * Values; any thread, one at a time for one folder.
 */
#pragma once

#include "deployer/base/paths.h"
#include "discovery/base/error.h"
#include "discovery/base/text.h"
#include "store.h"

/* What pip's own configuration says of where packages come from. */
struct pip_config {
    char *index;           /* NULL: pip's own default */
    struct strings extras; /* extra-index-url */
    char *proxy, *cert;    /* NULL: not said */
};

void pip_config_clear(struct pip_config *c);

/* From the output of `pip config list`.  -ENOMEM. */
int pip_config_parse(const char *text, struct pip_config *ret);

/* Installs devpi-server if it is not there or does not start any more, and
 * makes its folder.  `say` is told what takes long.  -ENOPKG: no venv here;
 * -ENETUNREACH and the like: with pip's words. */
int devpi_install(const struct paths *p, void (*say)(const char *words, void *arg), void *arg,
                  struct error *err);

/* Lets it say what goes wrong, and not each request. */
int devpi_write_logger(const struct paths *p, struct error *err);

/* What our pip would use; asks pip. */
int devpi_upstream(const struct paths *p, struct pip_config *ret, struct error *err);

/* Sets the mirrors of the running server to that: `s->index` is the one to
 * use then. */
int devpi_set_upstream(const struct paths *p, struct cache_settings *s, const struct pip_config *c,
                       struct error *err);
