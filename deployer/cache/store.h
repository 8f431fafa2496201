/*
 * The folder of our caches, <state>/caches: its parts, what is remembered
 * there, and its two locks.
 *
 *     settings            ports, the index, with or without upstream
 *     busy                held by the one `cache` verb that changes something
 *     lock                held (flock) by the running caches, all of them, as
 *                         they inherit it: it is free when the last has gone
 *     serving             held (fcntl) by their supervisor, whose process id
 *                         the kernel tells from it: no file has an old one
 *     log                 what they say
 *     apt/conf            apt-cacher-ng's settings
 *     apt/cache           what it has
 *     apt/repositories    what it may serve, a URI a line
 *     pip/venv            devpi-server
 *     pip/server          what it has
 *     pip/root            its root password
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

/* apt-cacher-ng takes no port above 32767. */
enum { CACHE_PORT_MIN = 20000, CACHE_PORT_MAX = 32767, CACHE_INDEX_MAX = 64 };

struct cache_settings {
    uint16_t apt_port, pip_port; /* 0: not chosen yet */
    bool offline;                /* nothing is asked of upstream */
    char index[CACHE_INDEX_MAX]; /* devpi's: "root/pypi" */
};

/* "<state>/caches/NAME"; "" is the folder itself.  NULL without memory. */
char *cache_path(const struct paths *p, const char *name);

/* Makes the folders, for their owner only. */
int cache_folders(const struct paths *p, struct error *err);

/* -ENOENT: none yet; -EBADMSG: damaged.  `ret` is the default then. */
int cache_settings_read(const struct paths *p, struct cache_settings *ret, struct error *err);
int cache_settings_write(const struct paths *p, const struct cache_settings *s, struct error *err);
int cache_settings_parse(const char *text, struct cache_settings *ret);

/* Two ports that are free now: those remembered, else others at random.
 * `ret_moved`: a remembered one was taken. */
int cache_choose_ports(struct cache_settings *s, bool *ret_moved, struct error *err);

/* Waits until no other `cache` verb is at work here; close to give it back. */
int cache_busy(const struct paths *p, int *ret_fd, struct error *err);

/* The running caches' lock, for those who will inherit it.  -EALREADY: they run. */
int cache_lock(const struct paths *p, int *ret_fd, struct error *err);
bool cache_runs(const struct paths *p);

/* The supervisor takes its lock, and keeps it until it ends. */
int cache_serving_take(const struct paths *p, struct error *err);
/* Its process id; 0: there is none. */
pid_t cache_serving_pid(const struct paths *p);

/* Signals the supervisor, if there is one; never anybody else. */
int cache_serving_signal(const struct paths *p, int signal_number);
