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

/* Likewise a file that must be new: -EEXIST when there is one, which stays as it is.  Also
 * where files have one name only (a stick's FAT). */
int file_write_new(const char *path, const void *data, size_t size, mode_t mode, struct error *err);

/* Creates an empty temporary file beside `path`, for its owner only.  Returns its descriptor,
 * which keeps file_sweep from it while it is open, and its name, which the caller frees; the
 * caller renames or removes it. */
int file_temporary(const char *path, char **ret, struct error *err);

/* Overwrites the content of a regular file, the first MiB of it, and flushes that to the disk.
 * What a flash card keeps of the old block cannot be helped. */
void file_overwrite(int fd);

/* Overwrites and removes what writers that were killed have left in the folder: their temporary
 * files, which may hold a part of a secret.  Those of living ones, of any process, stay. */
void file_sweep(const char *folder);

/* Writes everything to a blocking descriptor. 0 or the error of write(2). */
int file_write_all(int fd, const void *bytes, size_t size);

/* Waits until the file's content, or the folder's names, are on the disk.  0 or the error of
 * open(2) or fsync(2). */
int file_sync(const char *path);

/* The same of the folder that the file is in. */
int file_sync_folder(const char *path);

/* "FOLDER/NAME"; the caller frees, NULL without memory. */
char *path_join(const char *folder, const char *name);

/* Like mkdir -p: makes every missing folder of the path; 0 when it exists. */
int make_folders(const char *path, mode_t mode, struct error *err);
