/*
 * The folder of our caches, <state>/caches: its files, the stored settings, and its
 * locks.
 *
 *     settings            the ports, the index, online or offline
 *     busy                locked (flock) by a `cache` verb that changes something
 *     lock                locked (flock) by all processes of the running caches, which
 *                         inherit it: it is free when the last one has ended
 *     serving             locked (fcntl) by their supervisor; the kernel reports its
 *                         process id with the lock, so no file can have an old one
 *     log                 the output of the caches
 *     apt/conf            apt-cacher-ng's settings
 *     apt/cache           apt-cacher-ng's files
 *     apt/repositories    the repositories that it serves, a URI a line
 *     pip/venv            devpi-server's virtual environment
 *     pip/server          devpi-server's files
 *     pip/root            the password of devpi's root
 *
 * Any thread, one at a time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "deployer/base/paths.h"
#include "discovery/base/error.h"
#include "discovery/base/text.h"

/* apt-cacher-ng accepts no port above 32767. */
enum { CACHE_PORT_MIN = 20000, CACHE_PORT_MAX = 32767, CACHE_INDEX_MAX = 64 };

struct cache_settings {
    uint16_t apt_port, pip_port; /* 0: not chosen yet */
    bool offline;                /* upstream is not asked */
    char index[CACHE_INDEX_MAX]; /* devpi's: "root/pypi" */
};

/* "<state>/caches/NAME"; "" is the folder itself.  The caller frees it.  NULL without
 * memory. */
char *cache_path(const struct paths *p, const char *name);

/* Creates the folders, accessible to their owner only. */
int cache_folders(const struct paths *p, struct error *err);

/* -ENOENT: nothing is stored yet; -EBADMSG: damaged.  In both cases `ret` has the default
 * settings. */
int cache_settings_read(const struct paths *p, struct cache_settings *ret, struct error *err);
int cache_settings_write(const struct paths *p, const struct cache_settings *s, struct error *err);
int cache_settings_parse(const char *text, struct cache_settings *ret);

/* Chooses two ports that are free now: the stored ones, else random ones.  `ret_moved`: a
 * stored one was in use. */
int cache_choose_ports(struct cache_settings *s, bool *ret_moved, struct error *err);

/* Waits until no other `cache` verb is at work here, at most two minutes (-EBUSY).  Closing
 * the descriptor releases the lock. */
int cache_busy(const struct paths *p, int *ret_fd, struct error *err);

/* Takes the running caches' lock, which the children will inherit.  -EALREADY: the caches
 * run. */
int cache_lock(const struct paths *p, int *ret_fd, struct error *err);
bool cache_runs(const struct paths *p);

/* Takes the supervisor's lock, which is kept until the process ends.  -EALREADY. */
int cache_serving_take(const struct paths *p, struct error *err);
/* The process id of the supervisor; 0: there is none. */
pid_t cache_serving_pid(const struct paths *p);

/* Signals the supervisor, and never another process.  -ESRCH: there is none. */
int cache_serving_signal(const struct paths *p, int signal_number);
