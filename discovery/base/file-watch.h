/*
 * A file watch reports that a file may have changed: written and closed, renamed
 * into place, removed, or its rights changed; not while it is being written.
 * The file, and any folder of its path, may be missing now and come later.
 *
 * It watches the folder that holds the file (inotify(7)), or the nearest one
 * that exists.  One loop, one thread.  The caller reads the file once after
 * file_watch_new, so that nothing that happened before is missed.
 *
 * Not seen: a change behind a symbolic link, and a mount over a folder; the
 * caller who knows of one calls file_watch_again.
 */
#pragma once

#include <systemd/sd-event.h>

#include "error.h"

struct file_watch;

typedef void (*file_watch_callback)(void *userdata);

/* `path` is absolute.  -ENOSPC when the system has no more watches. */
int file_watch_new(sd_event *loop, const char *path, file_watch_callback changed, void *userdata,
                   struct file_watch **ret, struct error *err);
void file_watch_free(struct file_watch *w);

/* Searches for the folder again: for a path through a symbolic link or a mount
 * that the caller knows has changed. */
void file_watch_again(struct file_watch *w);
