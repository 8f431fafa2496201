/*
 * The file that a person named for results (-o): a file is replaced as a whole, a link
 * stays one and its file is replaced, into anything else (a device, a FIFO, what
 * /dev/stdout is) the bytes are written.
 *
 * No state; any thread.
 */
#pragma once

#include <stddef.h>

#include "error.h"

/* "-" is standard output, as for shells.  A file that exists keeps its permissions; a new
 * one may be read by everybody.  The error of open(2), write(2), fsync(2) or close(2);
 * -ENOENT for a link to nothing. */
int output_write(const char *path, const void *data, size_t size, struct error *err);

/* The file that output_write would replace: links are resolved; it need not exist.  The
 * caller frees it.  -EINVAL when it would be written into: such a path cannot be kept up
 * to date. */
int output_file(const char *path, char **ret, struct error *err);
