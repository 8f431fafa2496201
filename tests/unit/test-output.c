/* -o: a file is replaced, a link stays, a device is written into. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "discovery/base/file.h"
#include "discovery/base/output.h"
#include "own-folder.h"

static void assert_holds(const char *name, const char *content)
{
    CLEANUP_TEXT struct text t = TEXT_INIT;
    struct error err = {0};

    assert_int_equal(file_read(at(name), 1000, &t, &err), 0);
    assert_string_equal(text_str(&t), content);
}

static mode_t type_of(const char *name)
{
    struct stat st;

    assert_int_equal(lstat(at(name), &st), 0);
    return st.st_mode & S_IFMT;
}

static void test_file(void **state)
{
    struct error err = {0};
    struct stat st;

    (void)state;
    assert_int_equal(output_write(at("f"), "old", 3, &err), 0);
    assert_int_equal(stat(at("f"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0644);
    assert_int_equal(chmod(at("f"), 0600), 0);
    assert_int_equal(output_write(at("f"), "new", 3, &err), 0);
    assert_holds("f", "new");
    assert_int_equal(stat(at("f"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600); /* what its owner has chosen */
    assert_int_equal(output_write(folder, "x", 1, &err), -EISDIR);
    assert_int_equal(output_write(at("none/f"), "x", 1, &err), -ENOENT);
}

static void test_link(void **state)
{
    struct error err = {0};

    (void)state;
    assert_int_equal(mkdir(at("d"), 0755), 0);
    assert_int_equal(output_write(at("d/f"), "old", 3, &err), 0);
    assert_int_equal(symlink("d/f", at("l")), 0);
    assert_int_equal(output_write(at("l"), "new", 3, &err), 0);
    assert_int_equal(type_of("l"), S_IFLNK);
    assert_int_equal(type_of("d/f"), S_IFREG);
    assert_holds("d/f", "new");
    assert_int_equal(symlink("nothing", at("lost")), 0);
    assert_int_equal(output_write(at("lost"), "x", 1, &err), -ENOENT);
    assert_int_equal(type_of("lost"), S_IFLNK);
    assert_non_null(strstr(err.text, "a link to what is not there"));
}

/* What is no file stays what it is, and gets the bytes. */
static void test_no_file(void **state)
{
    CLEANUP_CLOSE int reader = -1;
    CLEANUP_FREE char *file = NULL;
    char got[8] = "", name[32];
    struct error err = {0};
    int ends[2];

    (void)state;
    assert_int_equal(mkfifo(at("fifo"), 0600), 0);
    reader = open(at("fifo"), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_int_equal(output_write(at("fifo"), "abc", 3, &err), 0);
    assert_int_equal(type_of("fifo"), S_IFIFO);
    assert_int_equal(read(reader, got, sizeof(got)), 3);
    assert_string_equal(got, "abc");
    assert_int_equal(symlink("/dev/full", at("device")), 0);
    assert_int_equal(output_write(at("device"), "x", 1, &err), -ENOSPC);
    assert_int_equal(type_of("device"), S_IFLNK);
    assert_int_equal(pipe(ends), 0);
    (void)snprintf(name, sizeof(name), "/dev/fd/%d", ends[1]);
    assert_int_equal(output_write(name, "xyz", 3, &err), 0);
    assert_int_equal(read(ends[0], got, sizeof(got)), 3);
    assert_string_equal(got, "xyz");
    close(ends[0]), close(ends[1]);

    assert_int_equal(output_file(at("fifo"), &file, &err), -EINVAL);
    assert_null(file);
    assert_int_equal(output_file("-", &file, &err), -EINVAL);
    assert_int_equal(output_file(at("new"), &file, &err), 0);
    assert_string_equal(file, at("new"));
}

/* A redirected standard output is not pulled away from the shell that made it. */
static void test_open_file(void **state)
{
    struct error err = {0};
    struct stat before, after;
    char name[32];
    int fd = open(at("log"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "first\n", 6), 6);
    (void)snprintf(name, sizeof(name), "/dev/fd/%d", fd);
    assert_int_equal(fstat(fd, &before), 0);
    assert_int_equal(output_write(name, "second\n", 7, &err), 0);
    assert_int_equal(stat(at("log"), &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_holds("log", "first\nsecond\n");
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_file),
        TEST(test_link),
        TEST(test_no_file),
        TEST(test_open_file),
    };

    return cmocka_run_group_tests_name("output", tests, NULL, NULL);
}
