/*
 * Archives with libarchive: the members of a tar or zip in memory, and of one
 * packed file, read within a bound; a tar or zip written so that the same files
 * give the same bytes.
 *
 * Functions return 0 or a negative errno; archive_reader_words and
 * archive_writer_words tell libarchive's own words for it.
 *
 * A reader or writer is used by one thread at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "discovery/base/cleanup.h"
#include "discovery/base/text.h"

/* --- reading ----------------------------------------------------------------- */

struct archive_reader;

/* The bytes are borrowed.  A tar may be packed with gzip; a zip is read by its
 * central directory, as Python does.  -ENOMEM, -EBADMSG for another format
 * where that is seen at once. */
int archive_reader_open_tar(const void *bytes, size_t size, struct archive_reader **ret);
int archive_reader_open_zip(const void *bytes, size_t size, struct archive_reader **ret);
/* A file, packed with xz or gzip or not at all, as the only member. */
int archive_reader_open_file(const char *path, struct archive_reader **ret);
void archive_reader_free(struct archive_reader *r);
DEFINE_CLEANUP(struct archive_reader *, archive_reader_free);
#define CLEANUP_ARCHIVE_READER CLEANUP(archive_reader_free_p)

/* Goes to the next member: 1, 0 when there is none, -EBADMSG.  With a warning
 * (a name that the locale cannot express), `ret_warned`, which may be NULL. */
int archive_reader_next(struct archive_reader *r, bool *ret_warned);

/* Of the member: its name in the locale's bytes or in UTF-8, NULL where it
 * cannot be expressed, valid until the next member; its permission bits; whether
 * it is a regular file, a directory, a hard or symbolic link. */
const char *archive_reader_path(const struct archive_reader *r);
const char *archive_reader_path_utf8(const struct archive_reader *r);
mode_t archive_reader_mode(const struct archive_reader *r);
bool archive_reader_is_file(const struct archive_reader *r);
bool archive_reader_is_folder(const struct archive_reader *r);
bool archive_reader_is_link(const struct archive_reader *r);

/* Replaces the bytes in `ret` by the member's.  They are counted, since the size in
 * the header is not trusted.  -EFBIG when there are more than `max`, -EBADMSG,
 * -ENOMEM. */
int archive_reader_data(struct archive_reader *r, size_t max, struct text *ret);

/* The next bytes of the member: how many, 0 at its end, -EBADMSG. */
ssize_t archive_reader_read(struct archive_reader *r, void *to, size_t room);

/* NULL: none. */
const char *archive_reader_words(const struct archive_reader *r);

/* --- writing ----------------------------------------------------------------- */

struct archive_writer;

/* What is written is added to `to`, which is borrowed.  The tar is packed with
 * gzip. */
int archive_writer_open_tar(struct text *to, struct archive_writer **ret);
int archive_writer_open_zip(struct text *to, struct archive_writer **ret);
/* A tar that is not packed, to a file.  -EIO: *ret is set, for the words. */
int archive_writer_open_file(const char *path, struct archive_writer **ret);
/* Likewise, to a descriptor that stays open. */
int archive_writer_open_fd(int fd, struct archive_writer **ret);
void archive_writer_free(struct archive_writer *w);
DEFINE_CLEANUP(struct archive_writer *, archive_writer_free);
#define CLEANUP_ARCHIVE_WRITER CLEANUP(archive_writer_free_p)

/* Adds a regular file without an owner or a time. */
int archive_writer_add(struct archive_writer *w, const char *path, mode_t mode, const void *bytes,
                       size_t size);

/* Adds these bytes with the name, the mode and the time of the member that the
 * reader is at.  -EIO also when libarchive warns. */
int archive_writer_add_like(struct archive_writer *w, struct archive_reader *r, const void *bytes,
                            size_t size);

/* Writes the end.  -EIO; -ENOMEM when the text has lost something. */
int archive_writer_close(struct archive_writer *w);

/* NULL: none. */
const char *archive_writer_words(const struct archive_writer *w);
