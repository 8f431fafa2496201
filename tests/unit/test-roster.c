/* The roster: machines, their records, their addresses in order. */
#include "roster-see.h"

static void test_one_machine_two_protocols(void **state)
{
    struct log log = {0};
    CLEANUP(roster_free_p) struct roster *r = new_roster(&log);
    const struct see link = {
        .key = KEY1, .agent = "a1", .address = "fe80::1%1", .protocol = 1, .instance = "other"};
    char text[ADDRESS_TEXT_MAX];
    size_t n;

    (void)state;
    see_at(r, &link, 1);
    see_at(r, &v6, 1);
    see_at(r, &v4, 2);
    expect(&log, "acc");
    see_at(r, &v4, 3);
    see_at(r, &v6, 3);
    expect(&log, "");
    roster_machines(r, &n);
    assert_int_equal(n, 1);
    assert_int_equal(log.last.n_addresses, 3);
    address_format(&log.last.addresses[0], text);
    assert_string_equal(text, "10.0.0.1");
    address_format(&log.last.addresses[1], text);
    assert_string_equal(text, "fd00::1");
    address_format(&log.last.addresses[2], text);
    assert_string_equal(text, "fe80::1%lo");
}

static void test_change_and_goodbye(void **state)
{
    struct log log = {0};
    CLEANUP(roster_free_p) struct roster *r = new_roster(&log);
    const struct see renamed = {.key = KEY1, .agent = "b1"};
    const struct machine *m;

    (void)state;
    see_at(r, &v4, 1);
    see_at(r, &v6, 1);
    see_at(r, &renamed, 2);
    expect(&log, "acc");
    lose(r, 1);
    expect(&log, "c");
    lose(r, 0);
    lose(r, 0);
    expect(&log, "o");
    m = find(r, KEY1);
    assert_non_null(m);
    assert_false(m->online);
    assert_false(roster_is_sighted(m));
    set_online(r, KEY1, true, NULL, (struct timespec){5, 0}); /* it said goodbye */
    expect(&log, "");
    see_at(r, &v4, 9);
    expect(&log, "a");
    assert_int_equal(m->first_seen.tv_sec, 1);
    assert_int_equal(m->last_seen.tv_sec, 9);
}

static void test_another_host_key_is_another_machine(void **state)
{
    struct log log = {0};
    CLEANUP(roster_free_p) struct roster *r = new_roster(&log);
    const struct see impostor = {
        .key = KEY2, .agent = "a1", .instance = "dcop-x", .address = "10.0.0.9"};

    (void)state;
    see_at(r, &v4, 1);
    assert_false(find(r, KEY1)->in_doubt);
    see_at(r, &impostor, 2);
    assert_true(find(r, KEY1)->in_doubt);
    assert_true(find(r, KEY2)->in_doubt);
    assert_int_equal(find(r, KEY1)->n_addresses, 1);
    assert_int_equal(find(r, KEY1)->addresses[0].bytes[3], 1);
}

/* The same tuple with another key: the first machine loses it. */
static void test_tuple_changes_hands(void **state)
{
    struct log log = {0};
    CLEANUP(roster_free_p) struct roster *r = new_roster(&log);
    const struct see reflashed = {.key = KEY2, .agent = "a1"};

    (void)state;
    see_at(r, &v4, 1);
    see_at(r, &reflashed, 2);
    assert_false(find(r, KEY1)->online);
    assert_true(find(r, KEY2)->online);
}

static void test_key_told_later(void **state)
{
    struct log log = {0};
    CLEANUP(roster_free_p) struct roster *r = new_roster(&log);
    const struct see keyless = {.agent = "a1"};
    size_t n;

    (void)state;
    see_at(r, &keyless, 1);
    see_at(r, &v4, 2);
    expect(&log, "ac");
    roster_machines(r, &n);
    assert_int_equal(n, 1);
    assert_null(find(r, NULL));
    assert_false(find(r, KEY1)->in_doubt);
}

static void test_liveness(void **state)
{
    struct log log = {0};
    CLEANUP(roster_free_p) struct roster *r = new_roster(&log);
    const struct timespec later = {50, 0};

    (void)state;
    see_at(r, &v4, 1);
    set_online(r, KEY1, true, NULL, later);
    expect(&log, "ac"); /* heard */
    assert_int_equal(find(r, KEY1)->last_seen.tv_sec, 50);
    set_online(r, KEY1, false, NULL, later);
    set_online(r, KEY1, false, NULL, later);
    expect(&log, "o");
    set_online(r, KEY1, true, NULL, later);
    expect(&log, "a");
    set_online(r, KEY2, true, NULL, later);
    expect(&log, "");
}

/* A machine that does not answer, of which others go on telling. */
static void test_absent(void **state)
{
    struct log log = {0};
    CLEANUP(roster_free_p) struct roster *r = new_roster(&log);
    const struct see renamed = {.key = KEY1, .agent = "a2"};
    const struct see itself = {.key = KEY1, .agent = "a2", .heard = true};

    (void)state;
    see_at(r, &v4, 1);
    set_online(r, KEY1, true, NULL, (struct timespec){2, 0});
    set_online(r, KEY1, false, NULL, (struct timespec){3, 0});
    expect(&log, "aco");
    see_at(r, &v4, 4);
    expect(&log, "");
    see_at(r, &renamed, 5);
    lose(r, 0); /* their record runs out, and is told again */
    see_at(r, &renamed, 6);
    expect(&log, "c");
    assert_false(find(r, KEY1)->online);
    assert_int_equal(find(r, KEY1)->last_seen.tv_sec, 2);
    set_online(r, KEY1, true, NULL, (struct timespec){7, 0});
    expect(&log, "a");
    assert_string_equal(find(r, KEY1)->advert.agents.items[0], "a2");
    set_online(r, KEY1, false, NULL, (struct timespec){8, 0});
    see_at(r, &itself, 9);
    expect(&log, "oa");
    assert_true(find(r, KEY1)->online && !find(r, KEY1)->unheard);
}

static void test_daemon_restart(void **state)
{
    struct log log = {0};
    CLEANUP(roster_free_p) struct roster *r = new_roster(&log);

    (void)state;
    see_at(r, &v4, 1);
    see_at(r, &v6, 1);
    roster_forget_sightings(r);
    assert_true(find(r, KEY1)->online);
    see_at(r, &v4, 2);
    expect(&log, "ac"); /* seeing it again is not a change */
    assert_int_equal(find(r, KEY1)->n_addresses, 2);
    lose(r, 0); /* the other one was never confirmed */
    expect(&log, "o");
}

static void test_order(void **state)
{
    static const char *const agents[] = {"a10", NULL, "a2", "b", "a02", "a1"};
    static const char *const sorted[] = {"a1", "a02", "a2", "a10", "b", NULL};
    struct log log = {0};
    CLEANUP(roster_free_p) struct roster *r = new_roster(&log);
    const struct machine *const *machines;
    size_t n;

    (void)state;
    for (size_t i = 0; i < 6; i++) {
        char id[ADVERT_ID_LENGTH + 1];
        struct see s = {.id = id, .key = KEY1, .agent = agents[i], .instance = id};

        snprintf(id, sizeof(id), "%016zx", i);
        assert_int_equal(see_at(r, &s, 1), 0);
    }
    machines = roster_machines(r, &n);
    assert_int_equal(n, 6);
    for (size_t i = 0; i < n; i++) {
        const struct strings *names = &machines[i]->advert.agents;

        assert_true(string_equal(names->count ? names->items[0] : NULL, sorted[i]));
    }
}

static void test_bounds(void **state)
{
    struct log log = {0};
    CLEANUP(roster_free_p) struct roster *r = roster_new();
    char key[] = KEY1, name[16];
    int n = 0;

    (void)state, (void)log;
    for (int i = 0; i < ROSTER_KEYS_MAX + 4; i++) {
        struct see s = {.key = key, .instance = name};

        key[10] = (char)('a' + i);
        snprintf(name, sizeof(name), "i%d", i);
        n += see_at(r, &s, 1) == -ENOSPC;
    }
    assert_int_equal(n, 4);
    n = 0;
    for (int i = 0; i < ROSTER_SIGHTINGS_MAX + 3; i++) {
        struct see s = {.id = "ffffffffffffffff", .instance = name};

        snprintf(name, sizeof(name), "j%d", i);
        n += see_at(r, &s, 1) == -ENOSPC;
    }
    assert_int_equal(n, 3);
}

static void see_direct(struct roster *r, const struct address *addresses, size_t n,
                       const struct address *answered)
{
    const struct advert a = {.id = ID, .hostkey = (char *)KEY1};
    const struct sighting s = {.key = {2, SIGHTING_DIRECT, "dcop-" ID, "local"},
                               .addresses = addresses,
                               .n_addresses = n,
                               .heard = answered != NULL,
                               .answered = answered,
                               .port = 22,
                               .advert = &a};

    assert_int_equal(roster_see(r, &s, (struct timespec){1, 0}), 0);
}

static void test_addresses_in_order(void **state)
{
    struct log log = {0};
    CLEANUP(roster_free_p) struct roster *r = new_roster(&log);
    struct network here = {.prefix = 16};
    struct address a[3];

    (void)state;
    assert_int_equal(address_parse("10.1.0.1", &here.address), 0);
    assert_int_equal(address_parse("172.17.0.1", &a[0]), 0);
    assert_int_equal(address_parse("fd00::1", &a[1]), 0);
    assert_int_equal(address_parse("10.1.0.9", &a[2]), 0);
    roster_set_networks(r, &here, 1);
    /* Avahi gives one, which the machine's own answer replaces. */
    see_at(r, &(struct see){.key = KEY1, .address = "10.1.0.5"}, 1);
    assert_true(find(r, KEY1)->unheard);
    see_direct(r, a, 3, NULL);
    expect_addresses(r, "10.1.0.9 172.17.0.1 fd00::1");
    assert_true(find(r, KEY1)->unheard);
    see_direct(r, a, 3, &a[1]); /* heard, but not asked each: IPv4 stays first */
    expect_addresses(r, "10.1.0.9 172.17.0.1 fd00::1");
    assert_false(find(r, KEY1)->unheard);
    set_online(r, KEY1, true, &a[1], (struct timespec){20, 0}); /* a probe */
    expect_addresses(r, "fd00::1 10.1.0.9 172.17.0.1");
    /* The daemon's restart does not end what the machine says itself. */
    roster_forget_sightings(r);
    see_direct(r, a, 1, &a[0]);
    expect_addresses(r, "172.17.0.1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_machine_two_protocols),
        cmocka_unit_test(test_change_and_goodbye),
        cmocka_unit_test(test_another_host_key_is_another_machine),
        cmocka_unit_test(test_tuple_changes_hands),
        cmocka_unit_test(test_key_told_later),
        cmocka_unit_test(test_liveness),
        cmocka_unit_test(test_absent),
        cmocka_unit_test(test_daemon_restart),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_addresses_in_order),
    };

    return cmocka_run_group_tests_name("roster", tests, NULL, NULL);
}
