/* Which machines are known: the set, and what is read from a state database. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "deployer/state/state.h"
#include "discovery/known/known.h"
#include "own-folder.h"

#define ID1 "0123456789abcdef"
#define ID2 "fedcba9876543210"
#define KEY1 "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define KEY2 "SHA256:BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"

static void test_set(void **state)
{
    CLEANUP(known_clear) struct known k = {0};
    const struct known_id *at = NULL;

    (void)state;
    assert_false(known_has(&k, ID1));
    assert_int_equal(known_add(&k, ID1, KEY1), 0);
    assert_int_equal(known_add(&k, ID1, KEY2), 0); /* the first counts */
    assert_int_equal(known_add(&k, ID2, NULL), 0);
    assert_int_equal(known_add(&k, KEY1, KEY1), 0); /* no id */
    assert_int_equal(known_add(&k, "", KEY1), 0);
    assert_true(known_has(&k, ID1));
    assert_true(known_has_instance(&k, "dcop-" ID1));
    assert_false(known_has_instance(&k, ID1));
    assert_false(known_has_instance(&k, "dcop-" ID1 " #2"));
    assert_true(known_has_key(&k, ID1, KEY1));
    assert_false(known_has_key(&k, ID1, KEY2));
    assert_false(known_has_key(&k, ID1, NULL));
    assert_true(known_has_key(&k, ID2, KEY2));
    assert_string_equal(known_walk(&k, &at), ID1);
    assert_string_equal(known_walk(&k, &at), ID2);
    assert_null(known_walk(&k, &at));
}

static void test_bound(void **state)
{
    CLEANUP(known_clear) struct known k = {0};
    char id[ADVERT_ID_LENGTH + 1];

    (void)state;
    for (unsigned i = 0; i < KNOWN_MAX + 1; i++) {
        (void)snprintf(id, sizeof(id), "%016x", i);
        assert_int_equal(known_add(&k, id, NULL), 0);
        assert_int_equal(known_has(&k, id), i < KNOWN_MAX);
    }
}

static void pin(struct state *s, const char *id, const char *fingerprint)
{
    const struct state_pin p = {
        .id = (char *)id, .fingerprint = (char *)fingerprint, .source = PIN_TRUST};

    assert_int_equal(state_pin_put(s, &p, NULL), 0);
}

/* Of a database that is in use: its active pins. */
static void test_read(void **state)
{
    const char *path = at("state.db");
    CLEANUP(known_clear) struct known k = {0};
    CLEANUP(state_free_p) struct state *s = NULL;
    struct error err = {0};

    (void)state;
    assert_int_equal(known_read(path, &k, &err), 0); /* not there */
    assert_int_equal(state_open(path, &s, NULL), 0);
    assert_int_equal(known_read(path, &k, &err), 0);
    pin(s, ID1, KEY1);
    pin(s, ID2, KEY2);
    pin(s, KEY2, KEY2); /* a machine without an id */
    assert_int_equal(state_pin_retire(s, ID2, NULL), 0);
    assert_int_equal(known_read(path, &k, &err), 0);
    assert_true(known_has_key(&k, ID1, KEY1));
    assert_false(known_has(&k, ID2));
}

static void test_damaged(void **state)
{
    const char *path = at("state.db");
    CLEANUP(known_clear) struct known k = {0};
    struct error err = {0};
    FILE *f = fopen(path, "w");

    (void)state;
    assert_non_null(f);
    for (int i = 0; i < 1000; i++)
        fputs("no database ", f);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(known_read(path, &k, &err), -EIO);
    assert_non_null(strstr(err.text, path));
    assert_null(k.ids);
    /* To open a FIFO is to wait for its writer. */
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    (void)alarm(10); /* ends the test, if it waits */
    assert_int_equal(known_read(path, &k, &err), -EIO);
    assert_non_null(strstr(err.text, "it is no file"));
    (void)alarm(0);
}

static void test_path(void **state)
{
    CLEANUP_FREE char *given = known_path("/somewhere"), *usual = NULL, *home = NULL;

    (void)state;
    assert_string_equal(given, "/somewhere/state.db");
    setenv("XDG_STATE_HOME", "/x", 1);
    usual = known_path(NULL);
    assert_string_equal(usual, "/x/dcop/state.db");
    setenv("XDG_STATE_HOME", "relative", 1);
    setenv("HOME", "/h", 1);
    home = known_path(NULL);
    assert_string_equal(home, "/h/.local/state/dcop/state.db");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set), cmocka_unit_test(test_bound), TEST(test_read),
        TEST(test_damaged),         cmocka_unit_test(test_path),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
