/* The tar of packages for machines: taken again only if it is whole. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "deployer/base/folder.h"
#include "deployer/cache/push.h"
#include "discovery/base/digest.h"
#include "discovery/base/file.h"

static char folder[64];

static int setup(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/dcop-test-push.XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    folder_remove(folder);
    return 0;
}

static char names[2][16] = {"b_1.deb", "a_1.deb"};
static char contents[2][9000];

static void make_files(struct apt_file files[2])
{
    for (size_t i = 0; i < 2; i++) {
        char path[128];

        memset(contents[i], (int)('x' + i), sizeof(contents[i]));
        files[i] = (struct apt_file){.name = names[i]};
        digest_bytes(contents[i], sizeof(contents[i]), files[i].sha256);
        (void)snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        assert_int_equal(file_write(path, contents[i], sizeof(contents[i]), 0600, NULL), 0);
    }
}

static void pack(struct apt_files *files, struct apt_pushed *ret)
{
    struct error err = {0};

    if (apt_pushed_pack(folder, files, folder, ret, &err) < 0)
        fail_msg("%s", err.text);
}

static void test_damaged_tar_is_packed_again(void **state)
{
    struct apt_file items[2];
    struct apt_files files = {.items = items, .count = 2};
    struct apt_pushed first = {0};
    CLEANUP_TEXT struct text whole = TEXT_INIT;
    char path[256];
    struct stat before, after;

    (void)state;
    make_files(items);
    pack(&files, &first);
    text_add(&whole, first.bytes, first.size);
    (void)snprintf(path, sizeof(path), "%s/tars/%s.tar", folder, first.digest);
    apt_pushed_clear(&first);
    assert_int_equal(stat(path, &before), 0);
    for (int damage = 0; damage < 4; damage++) {
        CLEANUP(apt_pushed_clear) struct apt_pushed again = {0};
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        char zeros[100] = {0};

        if (damage == 1) /* blocks that never came to the disk */
            assert_int_equal(pwrite(fd, zeros, sizeof(zeros), (off_t)whole.size / 2), 100);
        if (damage == 2)
            assert_int_equal(ftruncate(fd, (off_t)whole.size / 2), 0);
        if (damage == 3)
            assert_int_equal(ftruncate(fd, 0), 0);
        close(fd);
        pack(&files, &again);
        assert_int_equal(again.size, whole.size);
        assert_memory_equal(again.bytes, whole.data, whole.size);
        assert_int_equal(stat(path, &after), 0);
        if (damage == 0) /* it is whole: taken as it is */
            assert_true(before.st_ino == after.st_ino);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_damaged_tar_is_packed_again, setup, teardown),
    };

    return cmocka_run_group_tests_name("push", tests, NULL, NULL);
}
