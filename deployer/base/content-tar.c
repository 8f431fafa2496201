/*
 * A bundle's files to a tar.gz and back, with libarchive.
 */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>

#include "content.h"
#include "discovery/base/cleanup.h"

static la_ssize_t write_block(struct archive *a, void *arg, const void *bytes, size_t size)
{
    struct text *to = arg;

    text_add(to, bytes, size);
    if (text_error(to) == 0)
        return (la_ssize_t)size;
    archive_set_error(a, ENOMEM, "out of memory");
    return -1;
}

static void write_free(struct archive **a)
{
    if (*a)
        (void)archive_write_free(*a);
}

static void free_entry(struct archive_entry **e)
{
    archive_entry_free(*e);
}

/* No time, no owner, no timestamp of gzip: the same files, the same bytes.
 * GNU's form takes long names in any bytes, and all tars of our machines read
 * it. */
int content_write_tar(const struct content *c, struct text *ret)
{
    CLEANUP(write_free) struct archive *a = archive_write_new();
    CLEANUP(free_entry) struct archive_entry *e = archive_entry_new();

    if (!a || !e)
        return -ENOMEM;
    if (archive_write_set_format_gnutar(a) != ARCHIVE_OK ||
        archive_write_add_filter_gzip(a) != ARCHIVE_OK ||
        archive_write_set_filter_option(a, "gzip", "timestamp", NULL) != ARCHIVE_OK ||
        archive_write_set_bytes_in_last_block(a, 1) != ARCHIVE_OK ||
        archive_write_open(a, ret, NULL, write_block, NULL) != ARCHIVE_OK)
        return -EIO;
    for (size_t i = 0; i < c->count; i++) {
        const struct content_file *f = &c->files[i];

        archive_entry_clear(e);
        archive_entry_set_pathname(e, f->path);
        archive_entry_set_filetype(e, AE_IFREG);
        archive_entry_set_perm(e, f->mode);
        archive_entry_set_size(e, (la_int64_t)f->size);
        archive_entry_set_mtime(e, 0, 0);
        if (archive_write_header(a, e) < ARCHIVE_WARN ||
            archive_write_data(a, f->data, f->size) != (la_ssize_t)f->size)
            return -EIO;
    }
    return archive_write_close(a) == ARCHIVE_OK ? text_error(ret) : -EIO;
}

static void read_free(struct archive **a)
{
    if (*a)
        (void)archive_read_free(*a);
}

static int read_file(struct archive *a, struct text *ret)
{
    char buffer[32768];

    text_reset(ret);
    for (;;) {
        la_ssize_t n = archive_read_data(a, buffer, sizeof(buffer));

        if (n < 0)
            return -EBADMSG;
        if (n == 0)
            return text_error(ret);
        if (ret->size + (size_t)n > CONTENT_FILE_MAX)
            return -EFBIG;
        text_add(ret, buffer, (size_t)n);
    }
}

int content_read_tar(struct content *c, const void *bytes, size_t size)
{
    CLEANUP(read_free) struct archive *a = archive_read_new();
    CLEANUP_TEXT struct text data = TEXT_INIT;
    struct archive_entry *e;
    int ra = ARCHIVE_OK, r = 0;

    if (!a || archive_read_support_format_tar(a) != ARCHIVE_OK ||
        archive_read_support_filter_gzip(a) != ARCHIVE_OK)
        return -ENOMEM;
    if (archive_read_open_memory(a, bytes, size) != ARCHIVE_OK)
        return -EBADMSG;
    while (r == 0 && (ra = archive_read_next_header(a, &e)) <= ARCHIVE_OK && ra >= ARCHIVE_WARN) {
        const char *path = archive_entry_pathname(e);

        if (!path || archive_entry_filetype(e) != AE_IFREG)
            return -EBADMSG;
        r = read_file(a, &data);
        if (r == 0)
            r = content_add(c, path, archive_entry_perm(e), text_str(&data), data.size, NULL);
    }
    return r < 0 ? r : ra == ARCHIVE_EOF ? 0 : -EBADMSG;
}
