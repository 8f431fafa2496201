/*
 * The supervisor of our caches: `dcop-deploy cache serve`, which `cache up` starts in
 * the background.
 *
 * It runs apt-cacher-ng and devpi-server as its children and restarts them when they end
 * (at once, then with growing pauses).  On SIGTERM it ends them and itself; they also
 * end when the supervisor is killed.  It is not a systemd unit, so that it works the same
 * for root, for a person and in a container; and a systemd user manager ends when the
 * user logs out.  On SIGHUP it restarts apt-cacher-ng, which then reads its new settings,
 * and removes the file `apt/reread`.
 */
#pragma once

#include "deployer/base/paths.h"
#include "discovery/base/error.h"

/* Returns 0 when a signal has ended it.  -EALREADY: the caches run already. */
int cache_serve(const struct paths *p, struct error *err);
