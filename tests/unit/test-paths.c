/* What a program begins with: what killed ones have left is removed, in the cache folders too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "deployer/base/folder.h"
#include "deployer/base/paths.h"
#include "discovery/base/file.h"

static char state[64];

static const char *at(const char *name)
{
    static char path[512];

    (void)snprintf(path, sizeof(path), "%s/%s", state, name);
    return path;
}

static void make_file(const char *folder, const char *name)
{
    CLEANUP_FREE char *path = NULL;

    assert_int_equal(make_folders(at(folder), 0700, NULL), 0);
    path = path_join(at(folder), name);
    assert_non_null(path);
    assert_int_equal(file_write(path, "x", 1, 0600, NULL), 0);
}

static bool exists(const char *name)
{
    return access(at(name), F_OK) == 0;
}

static int setup(void **unused)
{
    (void)unused;
    strcpy(state, "/tmp/dcop-test-paths.XXXXXX");
    return mkdtemp(state) ? 0 : -1;
}

static int teardown(void **unused)
{
    (void)unused;
    folder_remove(state);
    return 0;
}

static void temporary_files_of_the_caches_go(void **unused)
{
    static const char *const folders[] = {".",         "cache/layers",    "cache/bundles/deltas",
                                          "caches",    "caches/apt/conf", "caches/apt/push/tars",
                                          "caches/pip"};
    const struct strings none = {0};
    struct paths p = {.state = state};
    CLEANUP_FREE char *temporary = NULL;
    char path[256];
    int fd;

    (void)unused;
    for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
        make_file(folders[i], "kept");
        make_file(folders[i], "kept.dcop-a1B2c3");
    }
    /* A living one has its own locked. */
    fd = file_temporary(at("cache/layers/living"), &temporary, NULL);
    assert_true(fd >= 0);
    assert_int_equal(symlink("/tmp", at("cache/link")), 0);
    assert_int_equal(paths_begin(&p, NULL, &none, NULL), 0);
    for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
        (void)snprintf(path, sizeof(path), "%s/kept", folders[i]);
        assert_true(exists(path));
        (void)snprintf(path, sizeof(path), "%s/kept.dcop-a1B2c3", folders[i]);
        if (exists(path))
            fail_msg("%s is still there", path);
    }
    assert_int_equal(access(temporary, F_OK), 0);
    (void)close(fd);
}

static void make_old(const char *name)
{
    struct timespec times[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};

    assert_int_equal(utimensat(AT_FDCWD, at(name), times, 0), 0);
}

static void folders_that_nobody_makes_go(void **unused)
{
    int fd;

    (void)unused;
    make_file("new.left", "file");
    make_file("new.young", "file");
    make_file("new.living", "file");
    make_file("other", "file");
    make_old("new.left");
    make_old("new.living");
    make_old("other");
    fd = folder_lock(at("new.living"));
    assert_true(fd >= 0);
    folder_sweep(state, "new.");
    assert_false(exists("new.left"));
    assert_true(exists("new.young/file") && exists("new.living/file") && exists("other/file"));
    (void)close(fd);
    folder_sweep(state, "new.");
    assert_false(exists("new.living"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(temporary_files_of_the_caches_go, setup, teardown),
        cmocka_unit_test_setup_teardown(folders_that_nobody_makes_go, setup, teardown),
    };

    return cmocka_run_group_tests_name("paths", tests, NULL, NULL);
}
