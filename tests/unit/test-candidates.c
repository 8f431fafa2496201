/* Hosts without a beacon: each once, bounded, and none that has one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "discovery/base/text.h"
#include "discovery/roster/candidates.h"

static struct address address(const char *text)
{
    struct address a;

    assert_int_equal(address_parse(text, &a), 0);
    return a;
}

/* From the address itself. */
static bool see(struct candidates *c, const char *host, enum candidate_service service,
                const char *at, int interface)
{
    const struct address a = address(at);
    const struct candidate_record record = {
        .interface = interface,
        .from = a,
        .service = service,
        .host = host,
        .addresses = &a,
        .n_addresses = 1,
        .port = service == CANDIDATE_SSH ? 2222 : 0,
        .mac = service == CANDIDATE_WORKSTATION ? "b8:27:eb:00:00:01" : NULL,
    };

    return candidates_see(c, &record);
}

static void list(const struct candidates *c, struct candidate_list *ret)
{
    assert_int_equal(candidates_list(c, NULL, 0, ret), 0);
}

static void test_once(void **state)
{
    CLEANUP(candidates_free_p) struct candidates *c = candidates_new();
    CLEANUP(candidate_list_clear) struct candidate_list l = CANDIDATE_LIST_INIT;
    const struct machine *m;

    (void)state;
    assert_true(see(c, "raspberrypi-10.local", CANDIDATE_SFTP, "10.0.0.10", 2));
    assert_true(see(c, "raspberrypi-2.local", CANDIDATE_WORKSTATION, "10.0.0.2", 2));
    assert_true(see(c, "raspberrypi-2.local", CANDIDATE_SSH, "10.0.0.2", 2));
    assert_false(see(c, "RaspberryPi-2.local", CANDIDATE_SSH, "10.0.0.2", 2));
    assert_true(see(c, "raspberrypi-2.local", CANDIDATE_SSH, "fe80::2", 2));  /* another address */
    assert_true(see(c, "raspberrypi-2.local", CANDIDATE_SSH, "10.0.0.2", 3)); /* on two links */
    assert_true(see(c, "raspberrypi-2.local", CANDIDATE_SSH, "10.1.0.2", 4)); /* another one */
    list(c, &l);
    assert_int_equal(l.count, 3);
    m = l.pointers[0];
    assert_string_equal(m->host, "raspberrypi-2.local");
    assert_int_equal(m->n_addresses, 2);
    assert_int_equal(m->addresses[0].family, AF_INET);
    assert_int_equal(m->port, 2222);
    assert_true(m->online && !m->beacon);
    assert_string_equal(l.items[0].mac, "b8:27:eb:00:00:01");
    assert_int_equal(l.items[0].services, 1U << CANDIDATE_SSH | 1U << CANDIDATE_WORKSTATION);
    assert_int_equal(l.pointers[1]->addresses[0].bytes[1], 1);
    assert_string_equal(l.pointers[2]->host, "raspberrypi-10.local"); /* 10 comes after 2 */
    assert_int_equal(l.pointers[2]->port, SSH_PORT);
}

static void test_beacon(void **state)
{
    CLEANUP(candidates_free_p) struct candidates *c = candidates_new();
    CLEANUP(candidate_list_clear) struct candidate_list l = CANDIDATE_LIST_INIT;
    struct address at = address("10.0.0.3");
    struct machine named = {.host = (char *)"RPI-2.local", .beacon = true, .online = true},
                   placed = {.addresses = &at, .n_addresses = 1, .beacon = true, .online = true};
    const struct machine *const machines[] = {&named, &placed};

    (void)state;
    (void)see(c, "rpi-1.local", CANDIDATE_SSH, "10.0.0.1", 2);
    (void)see(c, "rpi-1.local", CANDIDATE_BEACON, "10.0.0.1", 2);
    (void)see(c, "rpi-2.local", CANDIDATE_SSH, "10.0.0.2", 2);
    (void)see(c, "rpi-3.local", CANDIDATE_SSH, "10.0.0.3", 2);
    (void)see(c, "rpi-4.local", CANDIDATE_SSH, "10.0.0.4", 2);
    assert_int_equal(candidates_list(c, machines, 2, &l), 0);
    assert_int_equal(l.count, 1);
    assert_string_equal(l.pointers[0]->host, "rpi-4.local");
    candidate_list_clear(&l);
    /* Those that are off have left name and address to others. */
    named.online = placed.online = false;
    assert_int_equal(candidates_list(c, machines, 2, &l), 0);
    assert_int_equal(l.count, 3);
}

/* As people count: "raspberrypi" before "raspberrypi-2", and that before "raspberrypi-10". */
static void test_order(void **state)
{
    static const char *const hosts[] = {"raspberrypi.local", "raspberrypi-2.local",
                                        "raspberrypi-10.local"};
    CLEANUP(candidates_free_p) struct candidates *c = candidates_new();
    CLEANUP(candidate_list_clear) struct candidate_list l = CANDIDATE_LIST_INIT;

    (void)state;
    for (size_t i = ARRAY_SIZE(hosts); i > 0; i--)
        (void)see(c, hosts[i - 1], CANDIDATE_SSH, "10.0.0.1", (int)i);
    list(c, &l);
    assert_int_equal(l.count, ARRAY_SIZE(hosts));
    for (size_t i = 0; i < l.count; i++)
        assert_string_equal(l.pointers[i]->host, hosts[i]);
}

/* One sender who invents hosts keeps nobody else out; all of them have a bound. */
static void test_bounds(void **state)
{
    CLEANUP(candidates_free_p) struct candidates *c = candidates_new();
    CLEANUP(candidate_list_clear) struct candidate_list l = CANDIDATE_LIST_INIT;
    char host[32], at[32];

    (void)state;
    for (unsigned i = 0; i < CANDIDATES_PER_SOURCE_MAX; i++) {
        (void)snprintf(host, sizeof(host), "x%u.local", i);
        assert_true(see(c, host, CANDIDATE_SSH, "10.0.0.66", 2));
    }
    assert_false(candidates_too_many(c));
    assert_false(see(c, "more.local", CANDIDATE_SSH, "10.0.0.66", 2));
    assert_true(candidates_too_many(c));
    assert_true(see(c, "rpi-1.local", CANDIDATE_SSH, "10.0.0.1", 2));
    for (unsigned i = 0; i < CANDIDATES_MAX + 10; i++) {
        (void)snprintf(host, sizeof(host), "y%u.local", i);
        (void)snprintf(at, sizeof(at), "10.1.%u.%u", i / 250, 1 + i % 250);
        (void)see(c, host, CANDIDATE_SSH, at, 2);
    }
    list(c, &l);
    assert_int_equal(l.count, CANDIDATES_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_once),
        cmocka_unit_test(test_beacon),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
