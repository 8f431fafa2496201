/*
 * A bundle's files to a tar.gz and back.
 */
#include <errno.h>

#include "archive.h"
#include "content.h"

int content_write_tar(const struct content *c, struct text *ret)
{
    CLEANUP_ARCHIVE_WRITER struct archive_writer *w = NULL;
    int r = archive_writer_open_tar(ret, &w);

    for (size_t i = 0; i < c->count && r == 0; i++) {
        const struct content_file *f = &c->files[i];

        r = archive_writer_add(w, f->path, f->mode, f->data, f->size);
    }
    return r < 0 ? r : archive_writer_close(w);
}

int content_read_tar(struct content *c, const void *bytes, size_t size)
{
    CLEANUP_ARCHIVE_READER struct archive_reader *a = NULL;
    CLEANUP_TEXT struct text data = TEXT_INIT;
    int r = archive_reader_open_tar(bytes, size, &a);

    while (r == 0 && (r = archive_reader_next(a, NULL)) > 0) {
        const char *path = archive_reader_path(a);

        if (!path || !archive_reader_is_file(a))
            return -EBADMSG;
        r = archive_reader_data(a, CONTENT_FILE_MAX, &data);
        if (r == 0)
            r = content_add(c, path, archive_reader_mode(a), text_str(&data), data.size, NULL);
    }
    return r;
}
