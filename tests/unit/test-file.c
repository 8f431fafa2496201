/* Files are read within a bound, and written completely or not at all. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "deployer/base/folder.h"
#include "discovery/base/file.h"

static char folder[64];

static int setup(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/dcop-test-file.XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    (void)chmod(folder, 0700);
    folder_remove(folder);
    return 0;
}

static const char *at(const char *name)
{
    static char path[4][128];
    static unsigned turn;
    char *p = path[turn++ % 4];

    (void)snprintf(p, sizeof(path[0]), "%s/%s", folder, name);
    return p;
}

static void assert_holds(const char *name, const char *content)
{
    CLEANUP_TEXT struct text t = TEXT_INIT;
    struct error err = {0};

    assert_int_equal(file_read(at(name), 1000, &t, &err), 0);
    assert_string_equal(text_str(&t), content);
}

static int write_file(const char *name, const char *content, struct error *err)
{
    *err = (struct error){0};
    return file_write(at(name), content, strlen(content), 0640, err);
}

static void test_read_bound(void **state)
{
    CLEANUP_TEXT struct text t = TEXT_INIT;
    struct error err;

    (void)state;
    assert_int_equal(write_file("f", "12345", &err), 0);
    text_adds(&t, "before ");
    assert_int_equal(file_read(at("f"), 5, &t, &err), 0);
    assert_string_equal(text_str(&t), "before 12345");
    assert_int_equal(file_read(at("f"), 4, &t, &err), -EFBIG);
    assert_non_null(strstr(err.text, "larger than 4 bytes"));
    assert_int_equal(file_read("/dev/zero", 100000, &t, &err), -EFBIG); /* has no end */
    assert_int_equal(file_read(folder, 100, &t, &err), -EISDIR);
    assert_int_equal(file_read(at("none"), 100, &t, &err), -ENOENT);
    assert_non_null(strstr(err.text, at("none")));
}

static void test_write_whole(void **state)
{
    struct error err;
    struct stat st;

    (void)state;
    assert_int_equal(write_file("f", "old", &err), 0);
    assert_int_equal(write_file("f", "new", &err), 0);
    assert_holds("f", "new");
    assert_int_equal(stat(at("f"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_int_equal(write_file("empty", "", &err), 0);
    assert_holds("empty", "");
    assert_int_equal(write_file("none/f", "x", &err), -ENOENT);
}

/* Runs as a user who may not write there, because root may. */
static void test_folder_not_writable(void **state)
{
    struct error err;
    int status;
    pid_t pid;

    (void)state;
    assert_int_equal(write_file("f", "old", &err), 0);
    assert_int_equal(chmod(at("f"), 0644), 0);
    assert_int_equal(chmod(folder, 0555), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (geteuid() == 0 && setresuid(65534, 65534, 65534) < 0)
            _exit(1);
        _exit(write_file("f", "new", &err) == -EACCES && strstr(err.text, at("f")) ? 0 : 2);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(chmod(folder, 0755), 0);
    assert_holds("f", "old");
}

/* A failed write leaves the old file, and no other file beside it. */
static void test_no_room(void **state)
{
    struct error err;
    int status;
    pid_t pid;

    (void)state;
    assert_int_equal(write_file("f", "old", &err), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        const struct rlimit small = {.rlim_cur = 1000, .rlim_max = 1000};
        static char much[5000];

        /* Writing past the size limit would otherwise end the process (SIGXFSZ). */
        if (signal(SIGXFSZ, SIG_IGN) == SIG_ERR || setrlimit(RLIMIT_FSIZE, &small) < 0)
            _exit(1);
        _exit(file_write(at("f"), much, sizeof(much), 0644, &err) == -EFBIG ? 0 : 2);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_holds("f", "old");
    assert_int_equal(unlink(at("f")), 0);
    assert_int_equal(rmdir(folder), 0); /* nothing was left in it */
    assert_int_equal(mkdir(folder, 0700), 0);
}

static void test_target_is_a_folder(void **state)
{
    struct error err;

    (void)state;
    assert_int_equal(mkdir(at("d"), 0755), 0);
    assert_int_equal(write_file("d", "x", &err), -EISDIR);
    assert_int_equal(rmdir(at("d")), 0);
    assert_int_equal(rmdir(folder), 0);
    assert_int_equal(mkdir(folder, 0700), 0);
}

static void test_folders(void **state)
{
    struct error err = {0};
    struct stat st;

    (void)state;
    assert_int_equal(make_folders(at("a/b/c"), 0755, &err), 0);
    assert_int_equal(make_folders(at("a/b/c"), 0755, &err), 0);
    assert_int_equal(make_folders(at("a/b/d/"), 0755, &err), 0);
    assert_int_equal(stat(at("a/b/d"), &st), 0);
    assert_int_equal(write_file("a/file", "x", &err), 0);
    assert_int_equal(make_folders(at("a/file"), 0755, &err), -ENOTDIR);
    assert_int_equal(make_folders(at("a/file/b"), 0755, &err), -ENOTDIR);
}

static bool exists(const char *name)
{
    return access(at(name), F_OK) == 0;
}

/* Of a writer that was killed; not of one that lives, and nothing that is a user's. */
static void test_sweep(void **state)
{
    static const char *const kept[] = {"f", "notes.backup", "f.dcop-a1B2c", "f.dcop-a1B2c+", "l"};
    struct error err;
    int fd, status;
    pid_t pid;

    (void)state;
    for (size_t i = 0; i + 1 < ARRAY_SIZE(kept); i++)
        assert_int_equal(write_file(kept[i], "x", &err), 0);
    assert_int_equal(symlink("f", at("l")), 0);
    assert_int_equal(mkdir(at("d.dcop-a1B2c3"), 0700), 0);
    assert_int_equal(write_file("f.dcop-a1B2c3", "secret", &err), 0);
    assert_int_equal(write_file("f.dcop-Living", "secret", &err), 0);
    fd = open(at("f.dcop-Living"), O_RDONLY | O_CLOEXEC);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    file_sweep(folder);
    assert_false(exists("f.dcop-a1B2c3"));
    assert_true(exists("f.dcop-Living"));
    assert_true(exists("d.dcop-a1B2c3"));
    for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
        assert_true(exists(kept[i]));
    close(fd);
    file_sweep(folder);
    assert_false(exists("f.dcop-Living"));
    assert_int_equal(rmdir(at("d.dcop-a1B2c3")), 0);
    for (size_t i = 1; i < ARRAY_SIZE(kept); i++)
        assert_int_equal(unlink(at(kept[i])), 0);

    /* Killed wherever it was. */
    for (int round = 0; round < 30; round++) {
        static char much[1 << 16];

        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
            for (;;)
                (void)file_write(at("f"), much, sizeof(much), 0600, NULL);
        for (int writes = 0; writes < 2 + round * 20 && !exists("g"); writes++)
            sched_yield();
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
    }
    file_sweep(folder);
    assert_int_equal(unlink(at("f")), 0);
    assert_int_equal(rmdir(folder), 0); /* nothing else is left */
    assert_int_equal(mkdir(folder, 0700), 0);
}

static void test_write_new(void **state)
{
    struct error err = {0};

    (void)state;
    assert_int_equal(file_write_new(at("f"), "one", 3, 0600, &err), 0);
    assert_int_equal(file_write_new(at("f"), "two", 3, 0600, &err), -EEXIST);
    assert_holds("f", "one");
    assert_int_equal(unlink(at("f")), 0);
    assert_int_equal(rmdir(folder), 0);
    assert_int_equal(mkdir(folder, 0700), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_read_bound), TEST(test_write_whole),        TEST(test_folder_not_writable),
        TEST(test_no_room),    TEST(test_target_is_a_folder), TEST(test_folders),
        TEST(test_sweep),      TEST(test_write_new),
    };

    return cmocka_run_group_tests_name("file", tests, NULL, NULL);
}
