/* Archives: what is written is read back within a bound, and the same files give
 * the same bytes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "deployer/base/archive.h"
#include "discovery/base/file.h"

static void write_members(struct archive_writer *w)
{
    assert_int_equal(archive_writer_add(w, "a", 0755, "first", 5), 0);
    assert_int_equal(archive_writer_add(w, "folder/\xc3\xa9", 0644, "", 0), 0);
    assert_int_equal(archive_writer_close(w), 0);
}

static void check_members(struct archive_reader *r)
{
    CLEANUP_TEXT struct text data = TEXT_INIT;
    bool warned = true;

    assert_int_equal(archive_reader_next(r, &warned), 1);
    assert_false(warned);
    assert_string_equal(archive_reader_path(r), "a");
    assert_string_equal(archive_reader_path_utf8(r), "a");
    assert_int_equal(archive_reader_mode(r), 0755);
    assert_true(archive_reader_is_file(r));
    assert_false(archive_reader_is_folder(r) || archive_reader_is_link(r));
    assert_int_equal(archive_reader_data(r, 5, &data), 0);
    assert_string_equal(text_str(&data), "first");
    assert_int_equal(archive_reader_next(r, NULL), 1);
    assert_int_equal(archive_reader_mode(r), 0644);
    assert_int_equal(archive_reader_data(r, 5, &data), 0);
    assert_int_equal(data.size, 0);
    assert_int_equal(archive_reader_next(r, NULL), 0);
}

static void test_tar(void **state)
{
    CLEANUP_TEXT struct text first = TEXT_INIT, second = TEXT_INIT;
    struct text *bytes[] = {&first, &second};
    CLEANUP_ARCHIVE_READER struct archive_reader *r = NULL;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        CLEANUP_ARCHIVE_WRITER struct archive_writer *w = NULL;

        assert_int_equal(archive_writer_open_tar(bytes[i], &w), 0);
        write_members(w);
    }
    assert_int_equal(first.size, second.size);
    assert_memory_equal(first.data, second.data, first.size);
    assert_int_equal(archive_reader_open_tar(first.data, first.size, &r), 0);
    check_members(r);
}

static void test_bound(void **state)
{
    CLEANUP_TEXT struct text bytes = TEXT_INIT, data = TEXT_INIT, big = TEXT_INIT;
    CLEANUP_ARCHIVE_WRITER struct archive_writer *w = NULL;
    CLEANUP_ARCHIVE_READER struct archive_reader *r = NULL;

    (void)state;
    for (size_t i = 0; i < 100000; i++)
        text_addc(&big, 'x');
    assert_int_equal(archive_writer_open_tar(&bytes, &w), 0);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(archive_writer_add(w, "big", 0644, big.data, big.size), 0);
    assert_int_equal(archive_writer_close(w), 0);
    assert_int_equal(archive_reader_open_tar(bytes.data, bytes.size, &r), 0);
    assert_int_equal(archive_reader_next(r, NULL), 1);
    assert_int_equal(archive_reader_data(r, big.size, &data), 0);
    assert_int_equal(data.size, big.size);
    assert_int_equal(archive_reader_next(r, NULL), 1);
    assert_int_equal(archive_reader_data(r, big.size - 1, &data), -EFBIG);
}

static void test_damaged(void **state)
{
    CLEANUP_TEXT struct text bytes = TEXT_INIT, data = TEXT_INIT;
    CLEANUP_ARCHIVE_WRITER struct archive_writer *w = NULL;
    CLEANUP_ARCHIVE_READER struct archive_reader *cut = NULL, *foreign = NULL;
    int r;

    (void)state;
    assert_int_equal(archive_writer_open_tar(&bytes, &w), 0);
    write_members(w);
    r = archive_reader_open_tar(bytes.data, bytes.size / 2, &cut);
    while (r == 0 && (r = archive_reader_next(cut, NULL)) > 0)
        r = archive_reader_data(cut, 100, &data);
    assert_int_equal(r, -EBADMSG);
    r = archive_reader_open_zip("no zip", 6, &foreign);
    if (r == 0)
        r = archive_reader_next(foreign, NULL);
    assert_int_equal(r, -EBADMSG);
}

/* A zip whose first member gets other bytes. */
static void test_zip_like(void **state)
{
    CLEANUP_TEXT struct text old = TEXT_INIT, new = TEXT_INIT, data = TEXT_INIT;
    CLEANUP_ARCHIVE_WRITER struct archive_writer *w = NULL, *to = NULL;
    CLEANUP_ARCHIVE_READER struct archive_reader *from = NULL, *again = NULL;

    (void)state;
    assert_int_equal(archive_writer_open_zip(&old, &w), 0);
    assert_int_equal(archive_writer_add(w, "a", 0755, "first", 5), 0);
    assert_int_equal(archive_writer_close(w), 0);
    assert_int_equal(archive_reader_open_zip(old.data, old.size, &from), 0);
    assert_int_equal(archive_reader_next(from, NULL), 1);
    assert_int_equal(archive_writer_open_zip(&new, &to), 0);
    assert_int_equal(archive_writer_add_like(to, from, "second", 6), 0);
    assert_int_equal(archive_writer_close(to), 0);
    assert_int_equal(archive_reader_open_zip(new.data, new.size, &again), 0);
    assert_int_equal(archive_reader_next(again, NULL), 1);
    assert_string_equal(archive_reader_path(again), "a");
    assert_int_equal(archive_reader_mode(again), 0755);
    assert_int_equal(archive_reader_data(again, 100, &data), 0);
    assert_string_equal(text_str(&data), "second");
    assert_int_equal(archive_reader_next(again, NULL), 0);
}

static void test_file(void **state)
{
    char folder[] = "/tmp/dcop-test-archive.XXXXXX", path[64];
    CLEANUP_ARCHIVE_WRITER struct archive_writer *w = NULL, *nowhere = NULL;
    CLEANUP_ARCHIVE_READER struct archive_reader *r = NULL, *whole = NULL;
    CLEANUP_TEXT struct text bytes = TEXT_INIT;
    char start[2];

    (void)state;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/missing/x", folder);
    assert_int_equal(archive_writer_open_file(path, &nowhere), -EIO);
    assert_non_null(archive_writer_words(nowhere));
    (void)snprintf(path, sizeof(path), "%s/x", folder);
    assert_int_equal(archive_writer_open_file(path, &w), 0);
    write_members(w);
    assert_int_equal(file_read(path, 1 << 20, &bytes, NULL), 0);
    assert_int_equal(archive_reader_open_tar(bytes.data, bytes.size, &r), 0);
    check_members(r);

    assert_int_equal(archive_reader_open_file(path, &whole), 0);
    assert_int_equal(archive_reader_next(whole, NULL), 1);
    assert_int_equal(archive_reader_read(whole, start, sizeof(start)), 2);
    assert_memory_equal(start, bytes.data, 2);
    (void)unlink(path);
    (void)rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tar),     cmocka_unit_test(test_bound),
        cmocka_unit_test(test_damaged), cmocka_unit_test(test_zip_like),
        cmocka_unit_test(test_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
