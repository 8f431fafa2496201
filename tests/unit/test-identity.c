/* The machine's identity: its sources, what is saved, the effect of a moved
 * card; and the machine's facts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent-beacon/identity.h"
#include "agent-beacon/machine.h"
#include "agent-beacon/status.h"
#include "discovery/base/digest.h"
#include "discovery/base/file.h"

struct fixture {
    char root[64], state[128];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    (void)snprintf(f->root, sizeof(f->root), "/tmp/test-identity.XXXXXX");
    assert_non_null(mkdtemp(f->root));
    (void)snprintf(f->state, sizeof(f->state), "%s/state/of/it", f->root);
    *state = f;
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(nftw(f->root, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
    free(f);
    return 0;
}

static void put_bytes(struct fixture *f, const char *path, const void *bytes, size_t size)
{
    char full[512], folder[512];

    (void)snprintf(full, sizeof(full), "%s%s", f->root, path);
    memcpy(folder, full, sizeof(folder));
    *strrchr(folder, '/') = '\0';
    assert_int_equal(make_folders(folder, 0755, NULL), 0);
    assert_int_equal(file_write(full, bytes, size, 0644, NULL), 0);
}

static void put(struct fixture *f, const char *path, const char *text)
{
    put_bytes(f, path, text, strlen(text));
}

static void drop(struct fixture *f, const char *path)
{
    char full[512];

    (void)snprintf(full, sizeof(full), "%s%s", f->root, path);
    assert_int_equal(unlink(full), 0);
}

static void put_link(struct fixture *f, const char *path, const char *target)
{
    char full[512], folder[512];

    (void)snprintf(full, sizeof(full), "%s%s", f->root, path);
    memcpy(folder, full, sizeof(folder));
    *strrchr(folder, '/') = '\0';
    assert_int_equal(make_folders(folder, 0755, NULL), 0);
    assert_int_equal(symlink(target, full), 0);
}

/* A network card of a bus, as sysfs shows it. */
static void put_card(struct fixture *f, const char *name, const char *mac, const char *assigned,
                     const char *bus)
{
    char path[128], target[128];

    (void)snprintf(path, sizeof(path), "/sys/class/net/%s/address", name);
    put(f, path, mac);
    (void)snprintf(path, sizeof(path), "/sys/class/net/%s/addr_assign_type", name);
    put(f, path, assigned);
    (void)snprintf(path, sizeof(path), "/sys/class/net/%s/type", name);
    put(f, path, "1\n");
    if (!bus)
        return;
    (void)snprintf(path, sizeof(path), "/sys/devices/%s/%s/uevent", bus, name);
    put(f, path, "");
    (void)snprintf(path, sizeof(path), "/sys/devices/%s/%s/subsystem", bus, name);
    (void)snprintf(target, sizeof(target), "../../../bus/%s", bus);
    put_link(f, path, target);
    (void)snprintf(path, sizeof(path), "/sys/class/net/%s/device", name);
    (void)snprintf(target, sizeof(target), "../../../devices/%s/%s", bus, name);
    put_link(f, path, target);
}

static struct identity read_identity(struct fixture *f, const char *trouble)
{
    struct identity i;
    struct error err;

    assert_int_equal(identity_read(f->root, f->state, true, &i, &err), 0);
    assert_true(advert_id_valid(i.id));
    if (trouble)
        assert_non_null(strstr(err.text, trouble));
    else
        assert_int_equal(err.code, 0);
    return i;
}

static void test_hash(void **state)
{
    uint8_t digest[DIGEST_SIZE];
    char text[44], id[ADVERT_ID_LENGTH + 1], base64[] = "aGVsbG8=";
    size_t size;
    uint8_t key[131];

    (void)state;
    digest_hmac("Jefe", 4, "what do ya want for nothing?", 28, digest); /* RFC 4231 §4.3 */
    assert_memory_equal(digest, "\x5b\xdc\xc1\x46\xbf\x60\x75\x4e", 8);
    memset(key, 0xaa, sizeof(key)); /* RFC 4231 §4.7: a key larger than a block */
    digest_hmac(key, sizeof(key), "Test Using Larger Than Block-Size Key - Hash Key First", 54,
                digest);
    assert_memory_equal(digest, "\x60\xe4\x31\x59\x1e\xe0\xb6\x7f", 8);
    digest_sha256("abc", 3, digest); /* FIPS 180-4's example */
    digest_base64(digest, text);
    assert_string_equal(text, "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0");
    assert_int_equal(base64_decode(base64, &size), 0);
    assert_int_equal(size, 5);
    assert_memory_equal(base64, "hello", 5);
    assert_int_equal(base64_decode((char[]){"a*b="}, &size), -EBADMSG);
    assert_int_equal(base64_decode((char[]){"aaaaa"}, &size), -EBADMSG);

    /* These values must never change: machines keep what an older beacon
     * computed. */
    identity_hash(IDENTITY_SERIAL, "10000000abcdef01", id);
    assert_string_equal(id, "3144d5fa50ea2852");
}

static void test_serial_first(void **state)
{
    struct fixture *f = *state;
    struct identity i, again;

    put_bytes(f, "/proc/device-tree/serial-number", "10000000abcdef01", 17);
    put_card(f, "eth0", "b8:27:eb:00:00:02\n", "0\n", "pci");
    put(f, "/etc/machine-id", "0123456789abcdef0123456789abcdef\n");
    i = read_identity(f, NULL);
    assert_int_equal(i.kind, IDENTITY_SERIAL);
    assert_string_equal(i.id, "3144d5fa50ea2852");

    drop(f, "/proc/device-tree/serial-number"); /* away: kept */
    again = read_identity(f, NULL);
    assert_string_equal(again.id, i.id);

    put(f, "/proc/device-tree/serial-number", "10000000abcdef02"); /* the card was moved */
    again = read_identity(f, NULL);
    assert_int_equal(again.kind, IDENTITY_SERIAL);
    assert_string_not_equal(again.id, i.id);
}

static void test_no_serial(void **state)
{
    struct fixture *f = *state;

    put_bytes(f, "/proc/device-tree/serial-number", "0000000000000000", 17);
    put(f, "/etc/machine-id", "0123456789abcdef0123456789abcdef\n");
    assert_int_equal(read_identity(f, NULL).kind, IDENTITY_MACHINE_ID);
}

static void test_lowest_onboard_card(void **state)
{
    struct fixture *f = *state;
    char id[ADVERT_ID_LENGTH + 1];
    struct identity i;

    put(f, "/etc/machine-id", "0123456789abcdef0123456789abcdef\n");
    put_card(f, "eth0", "b8:27:eb:00:00:02\n", "0\n", "pci");
    put_card(f, "eth1", "b8:27:eb:00:00:01\n", "0\n", "platform");
    put_card(f, "usb0", "00:00:00:00:00:01\n", "0\n", "usb");
    put_card(f, "veth", "00:00:00:00:00:02\n", "0\n", NULL);
    put_card(f, "rand", "00:00:00:00:00:03\n", "1\n", "pci");
    put_card(f, "none", "00:00:00:00:00:00\n", "0\n", "pci");
    i = read_identity(f, NULL);
    assert_int_equal(i.kind, IDENTITY_MAC);
    identity_hash(IDENTITY_MAC, "b8:27:eb:00:00:01", id);
    assert_string_equal(i.id, id);

    /* A card is added whose address would have been the lowest: nothing
     * changes. */
    put_card(f, "eth2", "00:27:eb:00:00:00\n", "0\n", "pci");
    assert_string_equal(read_identity(f, NULL).id, id);
    /* The card that the id came from is replaced: this counts as another
     * machine. */
    put_card(f, "eth3", "b8:27:eb:00:00:09\n", "0\n", "pci");
    drop(f, "/sys/class/net/eth1/device");
    assert_string_not_equal(read_identity(f, NULL).id, id);
}

static void test_all_cards_away(void **state)
{
    struct fixture *f = *state;
    struct identity i;

    put_card(f, "eth0", "b8:27:eb:00:00:02\n", "0\n", "pci");
    i = read_identity(f, NULL);
    drop(f, "/sys/class/net/eth0/device");
    put(f, "/etc/machine-id", "0123456789abcdef0123456789abcdef\n");
    assert_string_equal(read_identity(f, NULL).id, i.id);
}

static void test_no_source_at_all(void **state)
{
    struct fixture *f = *state;
    struct identity i;

    put(f, "/etc/machine-id", "uninitialized\n");
    i = read_identity(f, "the id is random");
    assert_int_equal(i.kind, IDENTITY_RANDOM);
    assert_string_equal(read_identity(f, "the id is random").id, i.id);
    put(f, "/etc/machine-id", "0123456789abcdef0123456789abcdef\n");
    assert_int_equal(read_identity(f, NULL).kind, IDENTITY_MACHINE_ID);
}

static void test_state_cannot_be_kept(void **state)
{
    struct fixture *f = *state;

    put(f, "/etc/machine-id", "0123456789abcdef0123456789abcdef\n");
    put(f, "/state", "a file where a folder should be");
    assert_int_equal(read_identity(f, "state").kind, IDENTITY_MACHINE_ID);
}

static void test_state_is_rubbish(void **state)
{
    struct fixture *f = *state;

    put(f, "/etc/machine-id", "0123456789abcdef0123456789abcdef\n");
    put(f, "/state/of/it/id", "0123456789abcdeX mac\n");
    assert_int_equal(read_identity(f, "did not contain a valid id").kind, IDENTITY_MACHINE_ID);
    assert_int_equal(read_identity(f, NULL).kind, IDENTITY_MACHINE_ID); /* mended */
}

static void assert_fact(char *fact, const char *wanted)
{
    if (wanted)
        assert_string_equal(fact, wanted);
    else
        assert_null(fact);
    free(fact);
}

static void test_facts(void **state)
{
    struct fixture *f = *state;
    char model[128];

    assert_fact(machine_os(f->root), NULL);
    put(f, "/etc/os-release",
        "PRETTY_NAME=\"x\"\nVERSION_ID=\"12\"\nID=raspbian\nID_LIKE=debian\n");
    assert_fact(machine_os(f->root), "raspbian-12");
    put(f, "/etc/os-release", "ID=debian\n");
    assert_fact(machine_os(f->root), "debian");
    put_link(f, "/usr/bin/python3", "/usr/bin/python3.13");
    assert_fact(machine_python(f->root), "3.13");
    put(f, "/sys/class/dmi/id/product_name", "Standard PC\n");
    assert_fact(machine_model(f->root), "Standard PC");
    put_bytes(f, "/proc/device-tree/model", "Raspberry\x1bPi 4\0\0", 16);
    assert_fact(machine_model(f->root), "Raspberry Pi 4");
    memset(model, 'm', sizeof(model));
    memcpy(model + ADVERT_MODEL_MAX - 1, "é", 2);
    put_bytes(f, "/proc/device-tree/model", model, sizeof(model));
    char *cut = machine_model(f->root);
    assert_int_equal(strlen(cut), ADVERT_MODEL_MAX - 1);
    free(cut);
}

static void test_hostkey(void **state)
{
    /* Fingerprints as ssh-keygen -l gives them. */
    static const char ed25519[] =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl x\n";
    struct fixture *f = *state;

    assert_fact(machine_hostkey(f->root), NULL);
    put(f, "/etc/ssh/ssh_host_rsa_key.pub", "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQ== x\n");
    char *rsa = machine_hostkey(f->root);
    assert_non_null(rsa);
    assert_int_equal(strlen(rsa), 50);
    put(f, "/etc/ssh/ssh_host_ed25519_key.pub", ed25519);
    assert_fact(machine_hostkey(f->root), "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU");
    put(f, "/etc/ssh/ssh_host_ed25519_key.pub", "rubbish\n"); /* being written */
    assert_fact(machine_hostkey(f->root), rsa);
    free(rsa);
}

static void test_status(void **state)
{
    struct fixture *f = *state;
    struct status s;

    status_read(f->root, &s);
    assert_int_equal(s.state, ADVERT_STATE_NEW);
    put(f, "/run/dcop/state", "running\n"); /* left over; nothing is deployed */
    status_read(f->root, &s);
    assert_int_equal(s.state, ADVERT_STATE_NEW);
    put(f, "/opt/dcop/current/version", "0.1.1\n");
    status_read(f->root, &s);
    assert_int_equal(s.state, ADVERT_STATE_RUNNING);
    assert_string_equal(s.pydcop, "0.1.1");
    status_clear(&s);
    put(f, "/run/dcop/state", "new\n");
    status_read(f->root, &s);
    assert_int_equal(s.state, ADVERT_STATE_STOPPED);
    status_clear(&s);
    put(f, "/run/dcop/state", "failed");
    drop(f, "/opt/dcop/current/version");
    status_read(f->root, &s);
    assert_int_equal(s.state, ADVERT_STATE_FAILED);
    assert_null(s.pydcop);
}

/* The agents' user writes it, and runs what comes from the network. */
static void test_agents_error(void **state)
{
    struct fixture *f = *state;
    char path[512], key[512], longer[ADVERT_ERROR_MAX + 3];
    struct status s;

    memset(longer, 'x', sizeof(longer));
    memcpy(longer + ADVERT_ERROR_MAX - 1, "\xc3\xa4", 3); /* cut in the middle */
    put(f, "/opt/dcop/current/version", "0.1.1\n");
    put(f, "/run/dcop/state", "running\n");
    put(f, "/run/dcop/agent/err", "agent \xc3\xa4: KeyError: x\nagent b");
    status_read(f->root, &s);
    assert_string_equal(s.error, "agent \xc3\xa4: KeyError: x");
    status_clear(&s);
    put(f, "/run/dcop/agent/err", "a\x1b[2J");
    status_read(f->root, &s);
    assert_string_equal(s.error, "a");
    status_clear(&s);
    put(f, "/run/dcop/agent/err", longer);
    status_read(f->root, &s);
    assert_int_equal(strlen(s.error), ADVERT_ERROR_MAX - 1);
    status_clear(&s);

    put(f, "/etc/dcop/key", "secret");
    drop(f, "/run/dcop/agent/err");
    (void)snprintf(path, sizeof(path), "%s/run/dcop/agent/err", f->root);
    (void)snprintf(key, sizeof(key), "%s/etc/dcop/key", f->root);
    assert_int_equal(symlink(key, path), 0);
    status_read(f->root, &s);
    assert_null(s.error);
    status_clear(&s);
    drop(f, "/run/dcop/agent/err");
    assert_int_equal(mkfifo(path, 0600), 0);
    status_read(f->root, &s); /* does not wait */
    assert_null(s.error);
    status_clear(&s);
    drop(f, "/run/dcop/agent/err");
    put(f, "/run/dcop/agent/err", "of a run that has ended");
    put(f, "/run/dcop/state", "stopped\n");
    status_read(f->root, &s);
    assert_null(s.error);
    status_clear(&s);
}

#define WITH_ROOT(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hash),
        WITH_ROOT(test_serial_first),
        WITH_ROOT(test_no_serial),
        WITH_ROOT(test_lowest_onboard_card),
        WITH_ROOT(test_all_cards_away),
        WITH_ROOT(test_no_source_at_all),
        WITH_ROOT(test_state_cannot_be_kept),
        WITH_ROOT(test_state_is_rubbish),
        WITH_ROOT(test_facts),
        WITH_ROOT(test_hostkey),
        WITH_ROOT(test_status),
        WITH_ROOT(test_agents_error),
    };

    return cmocka_run_group_tests_name("identity", tests, NULL, NULL);
}
