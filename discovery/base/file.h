/*
 * Whole files: read to the end within a bound, written completely or not at all.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "error.h"
#include "text.h"

/* Appends the file's bytes to `ret`.  A path of "-" is standard input.  -EFBIG
 * when it holds more than `max` bytes, -EISDIR for a directory, else the error
 * of open or read.  On failure `ret` may hold a part. */
int file_read(const char *path, size_t max, struct text *ret, struct error *err);

/* Writes a temporary file beside `path`, flushes it to the disk and renames
 * it over `path`: a reader, or a crash, sees the old content or the new. */
int file_write(const char *path, const void *data, size_t size, mode_t mode, struct error *err);

/* Writes everything to a blocking descriptor. 0 or the error of write(2). */
int file_write_all(int fd, const void *bytes, size_t size);

/* "FOLDER/NAME"; the caller frees, NULL without memory. */
char *path_join(const char *folder, const char *name);

/* Like mkdir -p: makes every missing folder of the path; 0 when it exists. */
int make_folders(const char *path, mode_t mode, struct error *err);
