/*
 * What this controller needs before it can run caches, from its own apt.
 */
#pragma once

#include "discovery/base/error.h"

/* Installs apt-cacher-ng where it is missing, as root or with a sudo that asks
 * for nothing.  Debian's package starts a service that listens on all
 * addresses: what was not here before is left switched off.  -ENOPKG, with the
 * command to run, where it cannot be. */
int cache_install_apt(void (*say)(const char *words, void *arg), void *arg, struct error *err);
