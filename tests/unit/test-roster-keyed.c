/* With a fleet key: claims and replayed records displace nothing. */
#include "roster-see.h"

static void try_claim(const struct see *claim, bool first)
{
    struct log log = {0};
    CLEANUP(roster_free_p) struct roster *r = new_keyed_roster(&log);
    const struct sighting_key key = {2, 0, claim->instance ? claim->instance : "dcop-" ID, "local"};
    const struct machine *const *machines;
    size_t n;

    if (first)
        see_at(r, claim, 1);
    see_at(r, &real, 2);
    see_at(r, &real6, 2);
    see_at(r, claim, 3);
    expect_untouched(r);
    assert_int_equal(find(r, KEY1)->n_addresses, 2);
    machines = roster_machines(r, &n);
    assert_int_equal(n, 2);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(machines[i]->untrusted, !machines[i]->verified);
        if (machines[i]->untrusted && strcmp(machines[i]->advert.id, ID) == 0)
            assert_true(machines[i]->in_doubt);
    }
    roster_lose_record(r, &key, false, (struct timespec){4, 0});
    expect_untouched(r);
    (void)roster_machines(r, &n);
    assert_int_equal(n, 1); /* a claim is forgotten with its record */
    /* A goodbye with its name: another tuple is still known. */
    roster_lose(r, &key, (struct timespec){5, 0});
    assert_true(find(r, KEY1)->online);
}

static void test_claim_displaces_nothing(void **state)
{
    const struct see claims[] = {
        {.key = KEY1, .agent = "evil", .host = "evil.local", .address = "10.0.0.9", .seq = 99},
        {.key = KEY2, .agent = "evil", .host = "evil.local", .address = "10.0.0.9"},
        {.agent = "evil", .host = "evil.local", .address = "10.0.0.9"},
        {.key = KEY1, .agent = "evil", .instance = "dcop-x", .address = "10.0.0.9"},
        {.id = "00000000000000aa", .key = KEY1, .agent = "a1", .address = "10.0.0.9"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(claims); i++) {
        try_claim(&claims[i], false);
        try_claim(&claims[i], true);
    }
}

static void test_enrolled(void **state)
{
    struct log log = {0};
    CLEANUP(roster_free_p) struct roster *r = new_keyed_roster(&log);
    size_t n;

    (void)state;
    see_at(r, &v4, 1);
    assert_true(find(r, KEY1)->untrusted);
    see_at(r, &real, 2);
    expect_untouched(r);
    (void)roster_machines(r, &n);
    assert_int_equal(n, 1);
}

static void test_replay(void **state)
{
    struct log log = {0};
    CLEANUP(roster_free_p) struct roster *r = new_keyed_roster(&log);
    const struct see old = {
        .key = KEY1, .agent = "old", .address = "10.0.0.9", .verified = true, .seq = 4};
    const struct see twin = {
        .key = KEY1, .agent = "twin", .address = "10.0.0.9", .verified = true, .seq = 5};
    const struct see newer = {.key = KEY1, .agent = "new", .verified = true, .seq = 6};

    (void)state;
    see_at(r, &real, 1);
    see_at(r, &old, 2);
    see_at(r, &twin, 2);
    expect(&log, "a");
    expect_untouched(r);
    assert_int_equal(find(r, KEY1)->n_addresses, 1);
    see_at(r, &newer, 3);
    see_at(r, &real, 4);
    expect(&log, "c");
    assert_string_equal(find(r, KEY1)->advert.agents.items[0], "new");
    assert_true(find(r, KEY1)->advert.seq == 6);
}

/* The newest record itself, from any address and any number of times. */
static void try_replay_elsewhere(bool first)
{
    struct log log = {0};
    CLEANUP(roster_free_p) struct roster *r = new_keyed_roster(&log);
    const struct see high = {
        .key = KEY1, .agent = "a1", .verified = true, .seq = 5, .address = "10.0.9.1"};

    roster_listen(r, NULL, NULL);
    if (first)
        see_at(r, &high, 0);
    for (int i = 0; i < 2 * ROSTER_SIGHTINGS_MAX; i++) {
        char instance[40], address[20];
        const struct see s = {.key = KEY1,
                              .agent = "a1",
                              .instance = instance,
                              .address = address,
                              .verified = true,
                              .seq = 5};

        (void)snprintf(instance, sizeof(instance), "dcop-" ID " #%d", i + 2);
        (void)snprintf(address, sizeof(address), "10.0.0.%d", i);
        (void)see_at(r, &s, i);
    }
    if (!first)
        assert_int_equal(see_at(r, &high, 1000), 0); /* the machine itself */
    assert_int_equal(find(r, KEY1)->n_addresses, ROSTER_ADDRESSES_MAX);
    assert_true(has_address(find(r, KEY1), "10.0.9.1"));
}

static void test_replay_elsewhere_keeps_the_address(void **state)
{
    (void)state;
    try_replay_elsewhere(false);
    try_replay_elsewhere(true);
}

/* Nobody but a machine sends its signed record under its name, or what Avahi makes of that:
 * under another one it is nothing, also when the machine is off. */
static void test_replay_under_another_name_is_ignored(void **state)
{
    struct log log = {0};
    CLEANUP(roster_free_p) struct roster *r = new_keyed_roster(&log);
    const struct see replay = {.key = KEY1,
                               .agent = "a1",
                               .instance = "x",
                               .address = "10.0.0.9",
                               .verified = true,
                               .seq = 5};

    (void)state;
    see_at(r, &real, 1);
    see_at(r, &replay, 2);
    assert_false(has_address(find(r, KEY1), "10.0.0.9"));
    lose(r, 0);
    assert_false(find(r, KEY1)->online);
    see_at(r, &replay, 3);
    assert_false(find(r, KEY1)->online);
    assert_false(has_address(find(r, KEY1), "10.0.0.9"));
}

/* Replays by others, until the machine itself sends a newer record. */
static void test_replay_elsewhere_ends_with_news(void **state)
{
    struct log log = {0};
    CLEANUP(roster_free_p) struct roster *r = new_keyed_roster(&log);
    const struct see replay = {.key = KEY1,
                               .agent = "a1",
                               .instance = SECOND,
                               .address = "10.0.0.9",
                               .verified = true,
                               .seq = 5};
    const struct see other = {.key = KEY1,
                              .agent = "a1",
                              .address = "fd00::1",
                              .protocol = 1,
                              .verified = true,
                              .seq = 5};
    const struct see newer = {.key = KEY1, .agent = "a1", .verified = true, .seq = 6};

    (void)state;
    see_at(r, &real, 1);
    see_at(r, &other, 1);
    see_at(r, &replay, 2);
    assert_true(has_address(find(r, KEY1), "10.0.0.9"));
    see_at(r, &newer, 3);
    assert_false(has_address(find(r, KEY1), "10.0.0.9"));
    assert_true(has_address(find(r, KEY1), "10.0.0.1"));
    assert_true(has_address(find(r, KEY1), "fd00::1"));
    see_at(r, &replay, 4);
    assert_false(has_address(find(r, KEY1), "10.0.0.9"));
}

/* By another host under another name: one machine, which keeps its own. */
static void test_replay_by_another_host(void **state)
{
    struct log log = {0};
    CLEANUP(roster_free_p) struct roster *r = new_keyed_roster(&log);
    struct see replay = clone;
    size_t n;

    (void)state;
    replay.agent = "a1";
    replay.verified = true;
    replay.seq = 5;
    see_at(r, &real, 1);
    see_at(r, &replay, 2);
    expect_untouched(r);
    assert_null(find(r, KEY1)->instance);
    (void)roster_machines(r, &n);
    assert_int_equal(n, 1);
    see_at(r, &clone, 3); /* unsigned */
    expect_untouched(r);
}

/* Under the machine's own tuple: both addresses are tried. */
static void test_replay_under_its_name(void **state)
{
    struct log log = {0};
    CLEANUP(roster_free_p) struct roster *r = new_keyed_roster(&log);
    const struct see replay = {
        .key = KEY1, .agent = "a1", .verified = true, .seq = 5, .address = "10.0.0.9"};

    (void)state;
    see_at(r, &real, 1);
    see_at(r, &replay, 2);
    expect_untouched(r);
    assert_true(has_address(find(r, KEY1), "10.0.0.9"));
}

static void test_claims_are_bounded(void **state)
{
    struct log log = {0};
    CLEANUP(roster_free_p) struct roster *r = new_keyed_roster(&log);
    char instance[20];
    size_t n;

    (void)state;
    roster_listen(r, NULL, NULL);
    for (int i = 0; i < 2 * ROSTER_UNTRUSTED_MAX; i++) {
        char id[ADVERT_ID_LENGTH + 1];
        const struct see s = {.id = id, .agent = "a1", .instance = instance};

        (void)snprintf(id, sizeof(id), "%016x", (unsigned)i);
        (void)snprintf(instance, sizeof(instance), "x%d", i);
        assert_int_equal(see_at(r, &s, 1), i < ROSTER_UNTRUSTED_MAX ? 0 : -ENOSPC);
    }
    assert_int_equal(see_at(r, &real, 2), 0);
    expect_untouched(r);
    (void)roster_machines(r, &n);
    assert_int_equal(n, ROSTER_UNTRUSTED_MAX + 1);
    for (int i = 0; i < ROSTER_UNTRUSTED_MAX; i++) { /* their records end */
        const struct sighting_key key = {2, 0, instance, "local"};

        (void)snprintf(instance, sizeof(instance), "x%d", i);
        roster_lose(r, &key, (struct timespec){3, 0});
    }
    (void)roster_machines(r, &n);
    assert_int_equal(n, 1);
}

/* Other host keys that claim the machine's id do not displace it. */
static void test_claimed_keys_are_bounded(void **state)
{
    struct log log = {0};
    CLEANUP(roster_free_p) struct roster *r = new_keyed_roster(&log);

    (void)state;
    roster_listen(r, NULL, NULL);
    for (int i = 0; i < 2 * ROSTER_KEYS_MAX; i++) {
        char key[] = KEY2, instance[20];
        const struct see s = {.key = key, .agent = "a1", .instance = instance};

        key[10] = (char)('A' + i % 26);
        key[11] = (char)('A' + i / 26);
        (void)snprintf(instance, sizeof(instance), "y%d", i);
        assert_int_equal(see_at(r, &s, 1), i < ROSTER_KEYS_MAX ? 0 : -ENOSPC);
    }
    assert_int_equal(see_at(r, &real, 2), 0);
    expect_untouched(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_claim_displaces_nothing),
        cmocka_unit_test(test_enrolled),
        cmocka_unit_test(test_replay),
        cmocka_unit_test(test_replay_elsewhere_keeps_the_address),
        cmocka_unit_test(test_replay_under_another_name_is_ignored),
        cmocka_unit_test(test_replay_elsewhere_ends_with_news),
        cmocka_unit_test(test_replay_by_another_host),
        cmocka_unit_test(test_replay_under_its_name),
        cmocka_unit_test(test_claims_are_bounded),
        cmocka_unit_test(test_claimed_keys_are_bounded),
    };

    return cmocka_run_group_tests_name("roster, with a fleet key", tests, NULL, NULL);
}
