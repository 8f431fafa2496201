/* The beacon's sequence, and the fleet key it takes from a card. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent-beacon/identity.h"
#include "agent-beacon/machine.h"
#include "agent-beacon/sequence.h"
#include "agent-beacon/take-key.h"
#include "discovery/base/cleanup.h"
#include "discovery/base/file.h"
#include "discovery/base/key.h"

static char folder[] = "/tmp/test-take-key.XXXXXX";

static const char *path_of(const char *name)
{
    static char path[2][256];
    static int turn;

    turn = !turn;
    (void)snprintf(path[turn], sizeof(path[turn]), "%s/%s", folder, name);
    return path[turn];
}

static void put(const char *name, const char *text)
{
    assert_int_equal(file_write(path_of(name), text, strlen(text), 0644, NULL), 0);
}

/* Simulates a beacon that sends `n` records and is killed.  Returns the last
 * number. */
static uint64_t live(const char *state, int n)
{
    CLEANUP(sequence_clear) struct sequence s;
    uint64_t last = 0;

    assert_int_equal(sequence_init(&s, state, true, NULL), 0);
    for (int i = 0; i < n; i++) {
        uint64_t next = sequence_next(&s);

        assert_true(next > last);
        last = next;
    }
    return last;
}

static void test_sequence_grows_over_restarts(void **state)
{
    const char *where = path_of("state");
    uint64_t start = (uint64_t)time(NULL), last = 0;

    (void)state;
    assert_int_equal(make_folders(where, 0755, NULL), 0);
    for (int lives = 0; lives < 20; lives++) {
        uint64_t first = live(where, 1), next = live(where, 3 * SEQUENCE_BLOCK + lives);

        assert_true(first > last && next > first);
        last = next;
    }
    assert_true(last > start);
    put("state/seq", "7000000000000\n"); /* the clock is behind, or wrong */
    assert_true(live(where, 1) == UINT64_C(7000000000000));
    put("state/seq", "99999999999999999999\n");
    assert_true(live(where, 1) >= start);
    put("state/seq", "garbage");
    assert_true(live(where, 1) >= start);
}

static size_t writes(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 ? (size_t)st.st_ino : 0;
}

static void test_sequence_writes_once_a_block(void **state)
{
    CLEANUP(sequence_clear) struct sequence s;
    char file[300];
    size_t first;

    (void)state;
    (void)snprintf(file, sizeof(file), "%s", path_of("state/seq"));
    assert_int_equal(sequence_init(&s, path_of("state"), true, NULL), 0);
    (void)sequence_next(&s);
    first = writes(file);
    for (int i = 1; i < SEQUENCE_BLOCK; i++) {
        (void)sequence_next(&s);
        assert_int_equal(writes(file), first);
    }
}

static void test_sequence_without_a_folder(void **state)
{
    CLEANUP(sequence_clear) struct sequence s;
    uint64_t first;

    (void)state;
    assert_int_equal(sequence_init(&s, path_of("none/such"), true, NULL), 0);
    first = sequence_next(&s);
    assert_true(first >= (uint64_t)time(NULL) - 1);
    assert_non_null(s.trouble);
    assert_non_null(strstr(s.trouble, "look old after a restart"));
    assert_true(sequence_next(&s) > first);
    assert_int_equal(make_folders(path_of("none/such"), 0755, NULL), 0);
    (void)sequence_next(&s);
    assert_null(s.trouble); /* as soon as it can */
}

#define HOSTKEY_BASE64 "AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
#define FLEET "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n"

static void test_key_is_taken(void **state)
{
    struct key fleet, expected, machine;
    struct identity identity;
    struct error err = {0};
    CLEANUP_FREE char *hostkey = NULL;
    struct stat st;

    (void)state;
    assert_int_equal(take_key(path_of("root"), path_of("root-state"), &err), 0);
    assert_int_equal(make_folders(path_of("root/boot/firmware"), 0755, NULL), 0);
    assert_int_equal(make_folders(path_of("root/etc"), 0755, NULL), 0);
    put("root/etc/machine-id", "00112233445566778899aabbccddeeff\n");
    put("root/boot/firmware/dcop-fleet.key", FLEET);
    assert_int_equal(key_load(path_of("root/boot/firmware/dcop-fleet.key"), &fleet, NULL), 0);
    /* Without a host key there is nothing to bind it to: it waits. */
    assert_int_equal(take_key(path_of("root"), path_of("root-state"), &err), -ENOENT);
    assert_int_equal(access(path_of("root/boot/firmware/dcop-fleet.key"), F_OK), 0);
    assert_int_equal(make_folders(path_of("root/etc/ssh"), 0755, NULL), 0);
    put("root/etc/ssh/ssh_host_ed25519_key.pub", "ssh-ed25519 " HOSTKEY_BASE64 " root@rpi\n");
    assert_int_equal(take_key(path_of("root"), path_of("root-state"), &err), 1);
    assert_int_equal(access(path_of("root/boot/firmware/dcop-fleet.key"), F_OK), -1);
    assert_int_equal(stat(path_of("root/etc/dcop/key"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(identity_read(path_of("root"), path_of("root-state"), false, &identity, &err),
                     0);
    hostkey = machine_hostkey(path_of("root"));
    assert_non_null(hostkey);
    key_derive(&fleet, identity.id, hostkey, &expected);
    assert_int_equal(key_read(path_of("root/etc/dcop/key"), &machine, NULL), 0);
    assert_memory_equal(machine.bytes, expected.bytes, KEY_SIZE);
}

/* Every byte of it is overwritten: a second name of the file shows that. */
static void test_key_of_another_computer(void **state)
{
    CLEANUP_TEXT struct text left = TEXT_INIT;
    struct error err = {0};

    (void)state;
    put("root/boot/firmware/dcop-fleet.key",
        "\xef\xbb\xbf  000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\r\n");
    assert_int_equal(link(path_of("root/boot/firmware/dcop-fleet.key"), path_of("second")), 0);
    assert_int_equal(take_key(path_of("root"), path_of("root-state"), &err), 1);
    assert_int_equal(access(path_of("root/boot/firmware/dcop-fleet.key"), F_OK), -1);
    assert_int_equal(file_read(path_of("second"), 1000, &left, NULL), 0);
    assert_int_equal(left.size, 71);
    for (size_t i = 0; i < left.size; i++)
        assert_int_equal(left.data[i], 0);
}

/* A fleet key that was not taken is not erased. */
static void test_key_that_is_none_stays(void **state)
{
    struct error err = {0};
    struct stat before, after;

    (void)state;
    assert_int_equal(stat(path_of("root/etc/dcop/key"), &before), 0);
    put("root/boot/firmware/dcop-fleet.key", "half a key");
    assert_int_equal(take_key(path_of("root"), path_of("root-state"), &err), -EBADMSG);
    assert_int_equal(access(path_of("root/boot/firmware/dcop-fleet.key"), F_OK), 0);
    put("root/boot/firmware/dcop-fleet.key", FLEET);
    assert_int_equal(make_folders(path_of("other/boot/firmware"), 0755, NULL), 0);
    put("other/boot/firmware/dcop-fleet.key", FLEET);
    put("other/etc", "a file where a folder should be");
    assert_true(take_key(path_of("other"), path_of("other-state"), &err) < 0);
    assert_int_equal(access(path_of("other/boot/firmware/dcop-fleet.key"), F_OK), 0);
    assert_int_equal(stat(path_of("root/etc/dcop/key"), &after), 0);
    assert_true(before.st_ino == after.st_ino);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sequence_grows_over_restarts),
        cmocka_unit_test(test_sequence_writes_once_a_block),
        cmocka_unit_test(test_sequence_without_a_folder),
        cmocka_unit_test(test_key_is_taken),
        cmocka_unit_test(test_key_of_another_computer),
        cmocka_unit_test(test_key_that_is_none_stays),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
