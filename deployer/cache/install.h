/*
 * Installs what this controller needs to run caches, with its own apt.
 */
#pragma once

#include "discovery/base/error.h"

/* Installs apt-cacher-ng if it is missing, as root or through a sudo that needs no
 * password.  Debian's package starts a service that listens on all addresses: if the
 * package is installed here, its service is left disabled.  `say` gets a message before
 * the installation.  -ENOPKG, with the command to run, if it is not possible. */
int cache_install_apt(void (*say)(const char *words, void *arg), void *arg, struct error *err);
