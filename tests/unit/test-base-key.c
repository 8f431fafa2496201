#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "discovery/base/cleanup.h"
#include "discovery/base/file.h"
#include "discovery/base/key.h"

/* HMAC-SHA256 by Python's hmac, key 00 01 … 1f over "0123456789abcdef". */
#define DERIVED "d8c388fbf6d872ae1736dc4bdb1c5cef5d8ed06d4af44f146cdaad7a6d1c8835"

static char folder[] = "/tmp/test-base-key.XXXXXX";

static const char *path_of(const char *name)
{
    static char path[256];

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static void write_text(const char *name, const char *text, mode_t mode)
{
    assert_int_equal(file_write(path_of(name), text, strlen(text), mode, NULL), 0);
}

static void test_derived_key(void **state)
{
    struct key fleet, machine, read;

    (void)state;
    for (size_t i = 0; i < sizeof(fleet.bytes); i++)
        fleet.bytes[i] = (uint8_t)i;
    key_derive(&fleet, "0123456789abcdef", "SHA256:abc", &machine);
    write_text("derived", DERIVED "\n", 0600);
    assert_int_equal(key_read(path_of("derived"), &read, NULL), 0);
    assert_memory_equal(machine.bytes, read.bytes, KEY_SIZE);
}

static void test_made_and_read_back(void **state)
{
    CLEANUP_TEXT struct text text = TEXT_INIT;
    struct key made, read, again;
    struct stat st;

    (void)state;
    assert_int_equal(key_make(path_of("a/b/fleet.key"), &made, NULL), 0);
    assert_int_equal(stat(path_of("a/b/fleet.key"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(st.st_size, KEY_HEX_LENGTH + 1);
    assert_int_equal(stat(path_of("a/b"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_int_equal(key_read(path_of("a/b/fleet.key"), &read, NULL), 0);
    assert_memory_equal(made.bytes, read.bytes, KEY_SIZE);
    /* A second call does not replace the existing key. */
    assert_int_equal(key_make(path_of("a/b/fleet.key"), &again, NULL), -EEXIST);
    assert_int_equal(key_read_fleet(path_of("a/b"), &again, NULL), 1);
    assert_memory_equal(made.bytes, again.bytes, KEY_SIZE);
    assert_int_equal(file_read(path_of("a/b/fleet.key"), 100, &text, NULL), 0);
    assert_int_equal(text_str(&text)[KEY_HEX_LENGTH], '\n');
}

static void test_others_may_not_read_it(void **state)
{
    static const mode_t modes[] = {0640, 0604, 0660, 0602};
    struct error err;
    struct key k;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
        write_text("open", DERIVED "\n", modes[i]);
        assert_int_equal(key_read(path_of("open"), &k, &err), -EPERM);
        assert_non_null(strstr(err.text, "chmod 600"));
        assert_int_equal(key_load(path_of("open"), &k, &err), 0);
    }
    if (geteuid() == 0) {
        write_text("stranger", DERIVED "\n", 0600);
        assert_int_equal(chown(path_of("stranger"), 12345, 12345), 0);
        assert_int_equal(key_read(path_of("stranger"), &k, &err), -EPERM);
    }
}

static void test_what_is_no_key(void **state)
{
    static const struct {
        const char *text;
        int code;
    } files[] = {
        {"", -ENODATA},
        {"\n", -ENODATA},
        {"0123", -EBADMSG},
        {DERIVED "0", -EBADMSG},
        {"\xef\xbb\xbf\r\n", -ENODATA},
        {DERIVED "\n" DERIVED "\n", -EBADMSG},
        {"\xef\xbb\xbf" DERIVED "\r\n", 0}, /* as saved on another computer */
        {" \t" DERIVED " \r\n\r\n", 0},
        {DERIVED "\n\n", 0},
        {DERIVED, 0},
    };
    struct error err;
    struct key k;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        write_text("bad", files[i].text, 0600);
        assert_int_equal(key_read(path_of("bad"), &k, &err), files[i].code);
        assert_int_equal(key_load(path_of("bad"), &k, &err), files[i].code);
    }
    write_text("bad", DERIVED, 0600);
    assert_int_equal(truncate(path_of("bad"), 1 << 20), 0);
    assert_int_equal(key_read(path_of("bad"), &k, &err), -EBADMSG);
    assert_int_equal(key_read(folder, &k, &err), -EBADMSG);
    assert_int_equal(key_read(path_of("none"), &k, &err), -ENOENT);
    err = (struct error){0};
    assert_int_equal(make_folders(path_of("empty"), 0700, NULL), 0);
    assert_int_equal(key_read_fleet(path_of("empty"), &k, &err), 0);
    assert_int_equal(err.code, 0);
}

static void test_folder(void **state)
{
    static const struct {
        const char *config, *xdg, *home, *folder;
    } rows[] = {
        {"/etc/dcop", "/x", "/home/a", "/etc/dcop"},
        {NULL, "/x", "/home/a", "/x/dcop"},
        {NULL, "relative", "/home/a", "/home/a/.config/dcop"},
        {NULL, "", "/home/a", "/home/a/.config/dcop"},
        {NULL, "", "", NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP_FREE char *got = NULL;

        assert_int_equal(setenv("XDG_CONFIG_HOME", rows[i].xdg, 1), 0);
        assert_int_equal(setenv("HOME", rows[i].home, 1), 0);
        got = key_folder(rows[i].config);
        if (rows[i].folder)
            assert_string_equal(got, rows[i].folder);
        else
            assert_null(got);
    }
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    char command[300];

    (void)state;
    (void)snprintf(command, sizeof(command), "rm -r %s", folder);
    return system(command);
}

/* A folder that a person has named must be there: no key would mean that all machines count. */
static void test_folder_that_is_not_there(void **state)
{
    struct error err = {0};
    struct key key;

    (void)state;
    assert_int_equal(key_read_fleet(path_of("none"), &key, &err), -ENOENT);
    assert_non_null(strstr(err.text, path_of("none")));
    write_text("file", "", 0600);
    assert_int_equal(key_read_fleet(path_of("file"), &key, NULL), -ENOTDIR);
    assert_int_equal(key_check_folder(NULL, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_derived_key),
        cmocka_unit_test(test_made_and_read_back),
        cmocka_unit_test(test_others_may_not_read_it),
        cmocka_unit_test(test_what_is_no_key),
        cmocka_unit_test(test_folder),
        cmocka_unit_test(test_folder_that_is_not_there),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
