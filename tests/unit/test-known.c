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

static void met(struct state *s, const char *id, const char *address, int by_hand)
{
    char *names[] = {(char *)"a1", (char *)"a2"};
    const struct strings agents = {.items = names, .count = 2};
    const struct state_machine m = {.id = (char *)id,
                                    .host = (char *)"lab",
                                    .address = (char *)address,
                                    .port = 2222,
                                    .user = (char *)"ada",
                                    .by_hand = by_hand};

    assert_int_equal(state_machine_put(s, &m, NULL), 0);
    assert_int_equal(state_names_set(s, "default", id, &agents, NULL), 0);
}

/* A name is its machine's that was accepted with it, as long as it shows the key. */
static void test_names(void **state)
{
    const char *path = at("state.db");
    CLEANUP(known_clear) struct known k = {0};
    CLEANUP(state_free_p) struct state *s = NULL;

    (void)state;
    assert_int_equal(state_open(path, &s, NULL), 0);
    met(s, ID1, "10.9.0.5", 0);
    assert_int_equal(known_read(path, &k, NULL), 0);
    assert_false(known_holds(&k, ID1, KEY1, NULL, "a1")); /* not accepted */
    known_clear(&k);
    pin(s, ID1, KEY1);
    pin(s, ID2, KEY2);
    assert_int_equal(known_read(path, &k, NULL), 0);
    assert_true(known_holds(&k, ID1, KEY1, NULL, "a1"));
    assert_true(known_holds(&k, ID1, KEY1, "default", "a2"));
    assert_false(known_holds(&k, ID1, KEY2, NULL, "a1"));
    assert_false(known_holds(&k, ID1, NULL, NULL, "a1"));
    assert_false(known_holds(&k, ID1, KEY1, "lab", "a1"));
    assert_false(known_holds(&k, ID1, KEY1, NULL, "a3"));
    assert_false(known_holds(&k, ID2, KEY2, NULL, "a1"));
}

/* Accepted, at an address that a person gave. */
static void test_by_hand(void **state)
{
    const char *path = at("state.db");
    CLEANUP(known_clear) struct known k = {0}, next = {0}, last = {0};
    CLEANUP(state_free_p) struct state *s = NULL;
    const struct known_host *h;
    char text[ADDRESS_TEXT_MAX];

    (void)state;
    assert_int_equal(state_open(path, &s, NULL), 0);
    met(s, ID2, "10.9.0.6", 1); /* not accepted */
    met(s, ID1, "10.9.0.5", 1);
    pin(s, ID1, KEY1);
    assert_int_equal(known_read(path, &k, NULL), 0);
    assert_int_equal(k.n_hosts, 1);
    h = known_host_find(&k, ID1);
    assert_non_null(h);
    assert_string_equal(h->advert.hostkey, KEY1);
    assert_string_equal(h->host, "lab");
    assert_string_equal(h->advert.user, "ada");
    assert_int_equal(h->port, 2222);
    assert_int_equal(h->advert.agents.count, 2);
    assert_string_equal(h->advert.agents.items[1], "a2");
    address_format(&h->address, text);
    assert_string_equal(text, "10.9.0.5");

    met(s, ID1, "10.9.0.7", 0); /* it stays by hand; what was listed has changed */
    k.hosts[0].listed = true;
    assert_int_equal(known_read(path, &next, NULL), 0);
    known_inherit(&next, &k);
    assert_true(next.hosts[0].listed && next.hosts[0].changed);

    met(s, ID1, "10.9.0.7", -1); /* found on the network */
    assert_int_equal(known_read(path, &last, NULL), 0);
    assert_int_equal(last.n_hosts, 0);
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
        cmocka_unit_test(test_set),  cmocka_unit_test(test_bound), TEST(test_read),
        TEST(test_damaged),          TEST(test_by_hand),           TEST(test_names),
        cmocka_unit_test(test_path),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
