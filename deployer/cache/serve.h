/*
 * The supervisor of our caches: `dcop-deploy cache serve`, which `cache up`
 * leaves behind.
 *
 * It runs apt-cacher-ng and devpi-server as its children, starts what ended
 * again (at once, then ever less often), and ends with them on SIGTERM.  They
 * end when it does, however it ends.  A supervisor of our own, and no unit of
 * systemd: it is the same for root, for a person and in a container, and a
 * user's own manager ends when the user logs out.  On SIGHUP apt-cacher-ng is
 * started anew, with what its settings say by then, and the file `apt/reread`
 * is removed.
 */
#pragma once

#include "deployer/base/paths.h"
#include "discovery/base/error.h"

/* Until a signal ends it.  -EALREADY: another one serves here. */
int cache_serve(const struct paths *p, struct error *err);
