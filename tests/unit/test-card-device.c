/* Cards as devices: which partition it is; and the large letters. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <unistd.h>

#include "deployer/base/folder.h"
#include "deployer/card/banner.h"
#include "deployer/card/device.h"
#include "deployer/card/label.h"
#include "deployer/card/watch.h"
#include "discovery/base/file.h"

static char root[64], sys[80], dev[80];

static void put(const char *folder, const char *name, const void *data, size_t size)
{
    CLEANUP_FREE char *path = path_join(folder, name);
    CLEANUP_FREE char *parent = strdup(path);

    *strrchr(parent, '/') = '\0';
    assert_int_equal(make_folders(parent, 0755, NULL), 0);
    assert_int_equal(file_write(path, data, size, 0644, NULL), 0);
}

static void put_node(const char *name, const char *type, size_t at)
{
    char sector[512] = {0};

    sector[510] = 0x55;
    sector[511] = (char)0xaa;
    memcpy(sector + at, type, strlen(type));
    put(dev, name, sector, sizeof(sector));
}

static void put_partition(const char *disk, const char *name, const char *number)
{
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/%s/partition", disk, name);
    put(sys, path, number, strlen(number));
}

static int make_root(void **state)
{
    (void)state;
    (void)snprintf(root, sizeof(root), "/tmp/test-card.XXXXXX");
    if (!mkdtemp(root))
        return -1;
    (void)snprintf(sys, sizeof(sys), "%s/sys", root);
    (void)snprintf(dev, sizeof(dev), "%s/dev", root);
    return 0;
}

static int remove_root(void **state)
{
    (void)state;
    folder_remove(root);
    return 0;
}

static void expect(const char *name, const char *wanted)
{
    CLEANUP_FREE char *node = NULL;
    struct error err = {0};
    int r = card_device_find(sys, dev, name, &node, &err);

    if (!wanted) {
        assert_int_equal(r, -ENOENT);
        assert_non_null(strstr(err.text, "no boot partition"));
        return;
    }
    assert_int_equal(r, 0);
    assert_string_equal(strrchr(node, '/') + 1, wanted);
}

static void the_first_fat_partition_counts(void **state)
{
    (void)state;
    put_node("sdb", "", 0);
    put_node("sdb1", "ext4", 54);
    put_node("sdb2", "FAT32   ", 82);
    put_node("sdb10", "FAT16   ", 54);
    put_node("sdb3", "FAT16   ", 54);
    put_partition("sdb", "sdb10", "10\n");
    put_partition("sdb", "sdb1", "1\n");
    put_partition("sdb", "sdb3", "3\n");
    put_partition("sdb", "sdb2", "2\n");
    expect("sdb", "sdb2");
    expect("sdb3", "sdb3");
    expect("sdb1", NULL);
    expect("sdc", NULL);
}

static void a_disk_may_be_one_file_system(void **state)
{
    (void)state;
    put_node("loop0", "FAT12   ", 54);
    expect("loop0", "loop0");
}

static void names_are_large(void **state)
{
    CLEANUP_TEXT struct text t = TEXT_INIT;

    (void)state;
    card_banner("a1", 0, &t);
    assert_string_equal(text_str(&t), " ###    #   \n#   #  ##   \n#####   #   \n#   #   #   \n"
                                      "#   #  ###  \n");
    text_reset(&t);
    card_banner("a1", 11, &t); /* does not fit */
    card_banner("ä", 0, &t);
    card_banner("", 0, &t);
    assert_string_equal(text_str(&t), "");
}

static void labels_are_a_page(void **state)
{
    CLEANUP_TEXT struct text t = TEXT_INIT;
    const char *end;

    (void)state;
    card_label("a<1&", "a-1", "lab-2", &t);
    card_label("a2", NULL, NULL, &t);
    end = strstr(text_str(&t), "</style>\n");
    assert_non_null(end);
    assert_string_equal(end, "</style>\n<div><b>a&lt;1&amp;</b>a-1.local, lab-2</div>\n"
                             "<div><b>a2</b></div>\n");
}

/* A folder cannot be read as a device can: any error of a partition. */
static void what_cannot_be_read_is_no_missing_partition(void **state)
{
    CLEANUP_FREE char *node = NULL, *folder = path_join(dev, "sdb1");
    struct error err = {0};

    (void)state;
    put_partition("sdb", "sdb1", "1\n");
    assert_int_equal(make_folders(folder, 0755, NULL), 0);
    assert_int_equal(card_device_find(sys, dev, "sdb", &node, &err), -EISDIR);
    assert_non_null(strstr(err.text, "cannot read"));
    put_partition("sdb", "sdb2", "2\n");
    put_node("sdb2", "FAT32", 82);
    expect("sdb", "sdb2");
}

static void put_disk(const char *name, const char *place, const char *removable)
{
    CLEANUP_FREE char *link = path_join(sys, name);
    char path[160];

    (void)snprintf(path, sizeof(path), "%s/%s/removable", root, place);
    assert_int_equal(make_folders(sys, 0755, NULL), 0);
    put(root, path + strlen(root) + 1, removable, strlen(removable));
    *strrchr(path, '/') = '\0';
    assert_int_equal(symlink(path, link), 0);
}

static void only_disks_of_readers_are_cards(void **state)
{
    (void)state;
    put_disk("sda", "devices/pci0/ata1/block/sda", "0\n");
    put_disk("sdb", "devices/pci0/ata2/block/sdb", "1\n");
    put_disk("sdc", "devices/pci0/usb1/1-2/block/sdc", "0\n");
    put_disk("mmcblk0", "devices/platform/mmc_host/mmc0/block/mmcblk0", "0\n");
    put_disk("nbd0", "devices/virtual/block/nbd0", "0\n");
    put_disk("loop0", "devices/virtual/block/loop0", "0\n");
    put(root, "devices/virtual/block/loop0/loop/backing_file", "/tmp/x/cards/one\n", 17);
    put_disk("sdb1", "devices/pci0/ata2/block/sdb/sdb1", "1\n");
    put(root, "devices/pci0/ata2/block/sdb/sdb1/partition", "1\n", 2);
    assert_false(card_watch_takes(sys, "sda"));
    assert_true(card_watch_takes(sys, "sdb"));
    assert_true(card_watch_takes(sys, "sdc"));
    assert_true(card_watch_takes(sys, "mmcblk0"));
    assert_false(card_watch_takes(sys, "nbd0"));
    assert_false(card_watch_takes(sys, "sdb1"));
    assert_false(card_watch_takes(sys, "loop0"));
    assert_int_equal(setenv("DCOP_TEST_CARDS", "/tmp/x/card", 1), 0);
    assert_false(card_watch_takes(sys, "loop0"));
    assert_int_equal(setenv("DCOP_TEST_CARDS", "/tmp/x/cards", 1), 0);
    assert_true(card_watch_takes(sys, "loop0"));
    assert_int_equal(unsetenv("DCOP_TEST_CARDS"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_first_fat_partition_counts, make_root, remove_root),
        cmocka_unit_test_setup_teardown(a_disk_may_be_one_file_system, make_root, remove_root),
        cmocka_unit_test_setup_teardown(what_cannot_be_read_is_no_missing_partition, make_root,
                                        remove_root),
        cmocka_unit_test_setup_teardown(only_disks_of_readers_are_cards, make_root, remove_root),
        cmocka_unit_test(names_are_large),
        cmocka_unit_test(labels_are_a_page),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
