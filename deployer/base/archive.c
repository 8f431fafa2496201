#include "deployer/base/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>

enum { BLOCK_SIZE = 65536 };

/* --- reading ----------------------------------------------------------------- */

struct archive_reader {
    struct archive *archive;
    struct archive_entry *entry; /* the member, libarchive's own */
};

void archive_reader_free(struct archive_reader *r)
{
    if (!r)
        return;
    if (r->archive)
        (void)archive_read_free(r->archive);
    free(r);
}

static struct archive_reader *reader_new(void)
{
    CLEANUP_ARCHIVE_READER struct archive_reader *r = calloc(1, sizeof(*r));

    if (!r)
        return NULL;
    r->archive = archive_read_new();
    return r->archive ? TAKE_PTR(r) : NULL;
}

int archive_reader_open_tar(const void *bytes, size_t size, struct archive_reader **ret)
{
    CLEANUP_ARCHIVE_READER struct archive_reader *r = reader_new();

    if (!r || archive_read_support_format_tar(r->archive) != ARCHIVE_OK ||
        archive_read_support_filter_gzip(r->archive) != ARCHIVE_OK)
        return -ENOMEM;
    if (archive_read_open_memory(r->archive, bytes, size) != ARCHIVE_OK)
        return -EBADMSG;
    *ret = TAKE_PTR(r);
    return 0;
}

int archive_reader_open_zip(const void *bytes, size_t size, struct archive_reader **ret)
{
    CLEANUP_ARCHIVE_READER struct archive_reader *r = reader_new();

    if (!r || archive_read_support_format_zip_seekable(r->archive) != ARCHIVE_OK)
        return -ENOMEM;
    if (archive_read_open_memory(r->archive, bytes, size) != ARCHIVE_OK)
        return -EBADMSG;
    *ret = TAKE_PTR(r);
    return 0;
}

int archive_reader_open_file(const char *path, struct archive_reader **ret)
{
    CLEANUP_ARCHIVE_READER struct archive_reader *r = reader_new();

    if (!r || archive_read_support_format_raw(r->archive) != ARCHIVE_OK ||
        archive_read_support_filter_xz(r->archive) != ARCHIVE_OK ||
        archive_read_support_filter_gzip(r->archive) != ARCHIVE_OK)
        return -ENOMEM;
    if (archive_read_open_filename(r->archive, path, BLOCK_SIZE) != ARCHIVE_OK)
        return -EBADMSG;
    *ret = TAKE_PTR(r);
    return 0;
}

int archive_reader_next(struct archive_reader *r, bool *ret_warned)
{
    int ra = archive_read_next_header(r->archive, &r->entry);

    if (ra == ARCHIVE_EOF)
        return 0;
    if (ra != ARCHIVE_OK && ra != ARCHIVE_WARN)
        return -EBADMSG;
    if (ret_warned)
        *ret_warned = ra == ARCHIVE_WARN;
    return 1;
}

const char *archive_reader_path(const struct archive_reader *r)
{
    return archive_entry_pathname(r->entry);
}

const char *archive_reader_path_utf8(const struct archive_reader *r)
{
    return archive_entry_pathname_utf8(r->entry);
}

mode_t archive_reader_mode(const struct archive_reader *r)
{
    return archive_entry_perm(r->entry);
}

bool archive_reader_is_file(const struct archive_reader *r)
{
    return archive_entry_filetype(r->entry) == AE_IFREG;
}

bool archive_reader_is_folder(const struct archive_reader *r)
{
    return archive_entry_filetype(r->entry) == AE_IFDIR;
}

bool archive_reader_is_link(const struct archive_reader *r)
{
    return archive_entry_hardlink(r->entry) || archive_entry_symlink(r->entry);
}

ssize_t archive_reader_read(struct archive_reader *r, void *to, size_t room)
{
    la_ssize_t n = archive_read_data(r->archive, to, room);

    return n < 0 ? -EBADMSG : (ssize_t)n;
}

int archive_reader_data(struct archive_reader *r, size_t max, struct text *ret)
{
    char buffer[32768];

    text_reset(ret);
    for (;;) {
        ssize_t n = archive_reader_read(r, buffer, sizeof(buffer));

        if (n < 0)
            return -EBADMSG;
        if (n == 0 || text_error(ret) < 0)
            return text_error(ret);
        if ((size_t)n > max - ret->size)
            return -EFBIG;
        text_add(ret, buffer, (size_t)n);
    }
}

const char *archive_reader_words(const struct archive_reader *r)
{
    return archive_error_string(r->archive);
}

/* --- writing ----------------------------------------------------------------- */

struct archive_writer {
    struct archive *archive;
    struct text *to; /* NULL: to a file */
};

void archive_writer_free(struct archive_writer *w)
{
    if (!w)
        return;
    if (w->archive)
        (void)archive_write_free(w->archive);
    free(w);
}

static struct archive_writer *writer_new(struct text *to)
{
    CLEANUP_ARCHIVE_WRITER struct archive_writer *w = calloc(1, sizeof(*w));

    if (!w)
        return NULL;
    w->to = to;
    w->archive = archive_write_new();
    return w->archive ? TAKE_PTR(w) : NULL;
}

static la_ssize_t write_block(struct archive *a, void *arg, const void *bytes, size_t size)
{
    struct text *to = arg;

    text_add(to, bytes, size);
    if (text_error(to) == 0)
        return (la_ssize_t)size;
    archive_set_error(a, ENOMEM, "out of memory");
    return -1;
}

/* No padding after the last block: only a tape needs it. */
static int write_to_text(struct archive_writer *w)
{
    return archive_write_set_bytes_in_last_block(w->archive, 1) == ARCHIVE_OK &&
                   archive_write_open(w->archive, w->to, NULL, write_block, NULL) == ARCHIVE_OK
               ? 0
               : -EIO;
}

/* GNU's format takes long names in any bytes, and every tar on our machines reads
 * it.  The gzip header gets no timestamp. */
int archive_writer_open_tar(struct text *to, struct archive_writer **ret)
{
    CLEANUP_ARCHIVE_WRITER struct archive_writer *w = writer_new(to);

    if (!w)
        return -ENOMEM;
    if (archive_write_set_format_gnutar(w->archive) != ARCHIVE_OK ||
        archive_write_add_filter_gzip(w->archive) != ARCHIVE_OK ||
        archive_write_set_filter_option(w->archive, "gzip", "timestamp", NULL) != ARCHIVE_OK ||
        write_to_text(w) < 0)
        return -EIO;
    *ret = TAKE_PTR(w);
    return 0;
}

int archive_writer_open_zip(struct text *to, struct archive_writer **ret)
{
    CLEANUP_ARCHIVE_WRITER struct archive_writer *w = writer_new(to);

    if (!w)
        return -ENOMEM;
    if (archive_write_set_format_zip(w->archive) != ARCHIVE_OK || write_to_text(w) < 0)
        return -EIO;
    *ret = TAKE_PTR(w);
    return 0;
}

int archive_writer_open_file(const char *path, struct archive_writer **ret)
{
    CLEANUP_ARCHIVE_WRITER struct archive_writer *w = writer_new(NULL);
    int ra;

    if (!w || archive_write_set_format_gnutar(w->archive) != ARCHIVE_OK)
        return -ENOMEM;
    ra = archive_write_open_filename(w->archive, path);
    *ret = TAKE_PTR(w);
    return ra == ARCHIVE_OK ? 0 : -EIO;
}

int archive_writer_open_fd(int fd, struct archive_writer **ret)
{
    CLEANUP_ARCHIVE_WRITER struct archive_writer *w = writer_new(NULL);
    int ra;

    if (!w || archive_write_set_format_gnutar(w->archive) != ARCHIVE_OK)
        return -ENOMEM;
    ra = archive_write_open_fd(w->archive, fd);
    *ret = TAKE_PTR(w);
    return ra == ARCHIVE_OK ? 0 : -EIO;
}

/* `least`: ARCHIVE_WARN, or ARCHIVE_OK where a warning is a failure. */
static int add_entry(struct archive_writer *w, struct archive_entry *e, const void *bytes,
                     size_t size, int least)
{
    archive_entry_set_size(e, (la_int64_t)size);
    if (archive_write_header(w->archive, e) < least ||
        archive_write_data(w->archive, bytes, size) != (la_ssize_t)size)
        return -EIO;
    return 0;
}

int archive_writer_add(struct archive_writer *w, const char *path, mode_t mode, const void *bytes,
                       size_t size)
{
    struct archive_entry *e = archive_entry_new();
    int r;

    if (!e)
        return -ENOMEM;
    archive_entry_set_pathname(e, path);
    archive_entry_set_filetype(e, AE_IFREG);
    archive_entry_set_perm(e, mode);
    archive_entry_set_mtime(e, 0, 0);
    r = add_entry(w, e, bytes, size, ARCHIVE_WARN);
    archive_entry_free(e);
    return r;
}

int archive_writer_add_like(struct archive_writer *w, struct archive_reader *r, const void *bytes,
                            size_t size)
{
    return add_entry(w, r->entry, bytes, size, ARCHIVE_OK);
}

int archive_writer_close(struct archive_writer *w)
{
    if (archive_write_close(w->archive) != ARCHIVE_OK)
        return -EIO;
    return w->to ? text_error(w->to) : 0;
}

const char *archive_writer_words(const struct archive_writer *w)
{
    return archive_error_string(w->archive);
}
