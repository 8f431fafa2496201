/* Parcels: what is packed is unpacked; sections that are cut, twice there, of a wrong size or
 * unknown are refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "deployer/move/parcel.h"
#include "discovery/base/text.h"

static const char ssh_key[] = "-----BEGIN OPENSSH PRIVATE KEY-----\n";

/* Of the size that the text has, or another one that is said. */
static void add_section(struct text *t, char kind, size_t said, const void *bytes, size_t size)
{
    text_addc(t, kind);
    for (int i = 3; i >= 0; i--)
        text_addc(t, (char)(said >> (8 * i)));
    text_add(t, bytes, size);
}

static int unpack(const struct text *t, const char *words)
{
    /* Of its own size, so that a sanitizer sees what is read behind it. */
    CLEANUP_FREE unsigned char *bytes = malloc(t->size ? t->size : 1);
    struct parcel p = {0};
    struct error err = {0};
    int r;

    assert_non_null(bytes);
    memcpy(bytes, text_str(t), t->size);
    r = parcel_unpack(bytes, t->size, &p, &err);
    if (r < 0 && !strstr(err.text, words))
        fail_msg("'%s' does not say '%s'", err.text, words);
    if (r < 0)
        assert_null(p.state);
    return r;
}

static void test_there_and_back(void **state)
{
    struct parcel p = {.state = "{}",
                       .state_size = 2,
                       .has_fleet_key = true,
                       .ssh_key = ssh_key,
                       .ssh_key_size = sizeof(ssh_key) - 1},
                  got = {0};
    unsigned char *bytes;
    size_t size;

    (void)state;
    memset(p.fleet_key.bytes, 7, KEY_SIZE);
    assert_int_equal(parcel_pack(&p, &bytes, &size, NULL), 0);
    assert_int_equal(parcel_unpack(bytes, size, &got, NULL), 0);
    assert_int_equal(got.state_size, 2);
    assert_memory_equal(got.state, "{}", 2);
    assert_true(got.has_fleet_key);
    assert_memory_equal(got.fleet_key.bytes, p.fleet_key.bytes, KEY_SIZE);
    assert_int_equal(got.ssh_key_size, p.ssh_key_size);
    assert_memory_equal(got.ssh_key, ssh_key, p.ssh_key_size);
    for (size_t cut = 0; cut < size; cut++) { /* in the middle of a section, or the state alone */
        CLEANUP_TEXT struct text part = TEXT_INIT;

        text_add(&part, bytes, cut);
        if (cut == 7 || cut == 7 + 37)
            assert_int_equal(unpack(&part, ""), 0);
        else
            assert_int_equal(unpack(&part, cut ? "cut" : "no state"), -EBADMSG);
    }
    sodium_free(bytes);
}

static void test_refused(void **state)
{
    static const struct {
        char kind;
        size_t said;
        const char *bytes;
        const char *words;
    } rows[] = {
        {'S', 2, "{}", "its section S"},                     /* it is there already */
        {'K', 31, "0123456789012345678901234567890", "K"},   /* too short */
        {'K', 33, "012345678901234567890123456789012", "K"}, /* too long */
        {'P', 12, "-----BEGIN x", "its section P"},
        {'P', 4, "none", "its section P"},
        {'Q', 1, "x", "a newer one has written it"},
        {'K', 0xffffffff, "0123", "cut"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP_TEXT struct text t = TEXT_INIT;

        add_section(&t, 'S', 2, "{}", 2);
        assert_int_equal(unpack(&t, ""), 0);
        add_section(&t, rows[i].kind, rows[i].said, rows[i].bytes, strlen(rows[i].bytes));
        assert_int_equal(unpack(&t, rows[i].words), -EBADMSG);
    }
}

static void test_ssh_keys(void **state)
{
    CLEANUP_FREE char *large = calloc(1, PARCEL_SSH_KEY_MAX + 1);

    (void)state;
    assert_non_null(large);
    memset(large, 'x', PARCEL_SSH_KEY_MAX + 1);
    memcpy(large, ssh_key, sizeof(ssh_key) - 1);
    assert_true(parcel_is_ssh_key(ssh_key, sizeof(ssh_key) - 1));
    assert_true(parcel_is_ssh_key(large, PARCEL_SSH_KEY_MAX));
    assert_false(parcel_is_ssh_key(large, PARCEL_SSH_KEY_MAX + 1));
    assert_false(parcel_is_ssh_key(ssh_key, sizeof(ssh_key))); /* a NUL */
    assert_false(parcel_is_ssh_key("ssh-ed25519 AAAA", 16));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_ssh_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
