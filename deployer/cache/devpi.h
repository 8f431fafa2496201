/*
 * Our own devpi-server: in a virtual environment of its own below the state folder,
 * with read-only mirrors of the indexes that this controller's own pip uses.
 *
 * Values; any thread, one at a time for one folder.
 */
#pragma once

#include "deployer/base/paths.h"
#include "discovery/base/error.h"
#include "discovery/base/text.h"
#include "store.h"

/* The settings of pip's own configuration about where packages come from. */
struct pip_config {
    char *index;           /* NULL: pip's own default */
    struct strings extras; /* extra-index-url */
    char *proxy, *cert;    /* NULL: not set */
};

void pip_config_clear(struct pip_config *c);

/* Parses the output of `pip config list`.  -ENOMEM. */
int pip_config_parse(const char *text, struct pip_config *ret);

/* Installs devpi-server if it is missing or is known not to start any more, and creates its
 * folder.  What was there is replaced by what works, or stays.  `say` gets a message before a long
 * operation.  -ENOPKG: python3 cannot create virtual environments; -EBADMSG: its folder is damaged;
 * -ENETUNREACH and the like: with pip's message. */
int devpi_install(const struct paths *p, void (*say)(const char *words, void *arg), void *arg,
                  struct error *err);

/* Writes its logging configuration: warnings and errors, not each request. */
int devpi_write_logger(const struct paths *p, struct error *err);

/* The indexes that the virtual environment's pip would use: runs pip. */
int devpi_upstream(const struct paths *p, struct pip_config *ret, struct error *err);

/* Makes the running server mirror these indexes, and sets `s->index` to the one that
 * clients are to use. */
int devpi_set_upstream(const struct paths *p, struct cache_settings *s, const struct pip_config *c,
                       struct error *err);
