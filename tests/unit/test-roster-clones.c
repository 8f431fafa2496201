/* Clones: machines with one id and one host key. */
#include "roster-see.h"

static const struct machine *find_clone(const struct roster *r)
{
    return roster_find(r, &(struct machine_key){ID, KEY1, 1});
}

static void lose_second(struct roster *r)
{
    const struct sighting_key key = {2, 0, SECOND, "local"};

    roster_lose(r, &key, (struct timespec){100, 0});
}

static void expect_clones(const struct roster *r)
{
    const struct machine *one = find(r, KEY1), *two = find_clone(r);

    assert_non_null(one);
    assert_non_null(two);
    assert_true(one->in_doubt && one->cloned && two->in_doubt && two->cloned);
    assert_string_equal(one->host, "m1.local");
    assert_string_equal(two->host, "m2.local");
    assert_int_equal(one->n_addresses, 1);
    assert_int_equal(two->n_addresses, 1);
    assert_non_null(strstr(machine_doubt(two), "clones of one image"));
}

static void test_clones(void **state)
{
    const struct machine_key second = {ID, KEY1, 1};
    struct log log = {0};
    CLEANUP(roster_free_p) struct roster *r = new_roster(&log);

    (void)state;
    see_at(r, &v4, 1);
    see_at(r, &clone, 2);
    expect_clones(r);
    expect(&log, "aacc");
    assert_null(find(r, KEY1)->instance);
    assert_string_equal(find_clone(r)->instance, SECOND);
    /* Each stays what it is, and only while both are there. */
    see_at(r, &clone, 3);
    see_at(r, &v4, 3);
    expect_clones(r);
    expect(&log, "");
    roster_set_online(r, &second, false, NULL, (struct timespec){4, 0});
    assert_false(find_clone(r)->online);
    assert_null(machine_doubt(find_clone(r)));
    assert_null(machine_doubt(find(r, KEY1)));
    assert_true(find(r, KEY1)->online);
    expect(&log, "co");
    roster_set_online(r, &second, true, NULL, (struct timespec){5, 0});
    expect_clones(r);
    lose_second(r);
    assert_false(find(r, KEY1)->in_doubt);
}

/* The one with the name goes, the other one takes it; then the first comes back. */
static void test_clones_swap_names(void **state)
{
    struct log log = {0};
    CLEANUP(roster_free_p) struct roster *r = new_roster(&log);
    const struct see first_again = {.key = KEY1, .agent = "a1", .instance = SECOND};
    const struct see second_with_name = {
        .key = KEY1, .agent = "a3", .host = "m2.local", .address = "10.0.0.2"};
    size_t n;

    (void)state;
    see_at(r, &v4, 1);
    see_at(r, &clone, 2);
    see_at(r, &second_with_name, 3);
    assert_false(find(r, KEY1)->online);
    assert_null(find_clone(r)->instance);
    lose_second(r);
    assert_true(find_clone(r)->online);
    see_at(r, &first_again, 4);
    expect_clones(r);
    (void)roster_machines(r, &n);
    assert_int_equal(n, 2);
}

/* On two links they do not disturb each other's names. */
static void test_clones_on_two_links(void **state)
{
    struct log log = {0};
    CLEANUP(roster_free_p) struct roster *r = new_roster(&log);
    const struct see other_link = {
        .key = KEY1, .agent = "a3", .host = "m2.local", .address = "10.0.0.2", .interface = 3};

    (void)state;
    see_at(r, &v4, 1);
    see_at(r, &other_link, 2);
    expect_clones(r);
}

static void expect_one(struct roster *r, const char *host)
{
    size_t n;
    const struct machine *m = roster_machines(r, &n)[0];

    assert_int_equal(n, 1);
    assert_true(m->online);
    assert_false(m->in_doubt);
    assert_string_equal(m->host, host);
}

/* One machine under a new name, and on several interfaces, is no clone. */
static void test_a_new_name_is_no_clone(void **state)
{
    struct log log = {0};
    CLEANUP(roster_free_p) struct roster *r = new_roster(&log);
    struct see s = v4, s6 = v6;

    (void)state;
    s.host = "m\xc3\xbc.local";
    see_at(r, &s, 1);
    s6.host = "M\xc3\xbc.local"; /* RFC 6762 §16: ASCII letters only */
    s6.interface = 3;
    see_at(r, &s6, 1);
    expect_one(r, s6.host);
    /* Renamed: each record in its turn. */
    s.host = s6.host = "new.local";
    see_at(r, &s, 2);
    expect_one(r, "new.local");
    see_at(r, &s6, 2);
    expect_one(r, "new.local");
    /* Gone, and back with another host and instance. */
    lose(r, 0);
    roster_lose(r, &(struct sighting_key){3, 1, "dcop-" ID, "local"}, (struct timespec){3, 0});
    see_at(r, &clone, 4);
    expect_one(r, "m2.local");
}

/* No beacon has such a name: the machine's host key decides at which address it is. */
static void try_other_name(bool first, const char *instance)
{
    struct log log = {0};
    CLEANUP(roster_free_p) struct roster *r = new_roster(&log);
    struct see other = clone;

    other.instance = instance;
    if (first)
        see_at(r, &other, 1);
    see_at(r, &v4, 2);
    see_at(r, &other, 3);
    expect_one(r, "m1.local");
    assert_int_equal(find(r, KEY1)->n_addresses, 2);
}

/* What somebody wrote into a domain is the same machine, and older than its own words. */
static void test_domain(void **state)
{
    static const struct see link = {.key = KEY1, .agent = "a1", .address = "10.0.0.1"};
    static const struct see domain = {.key = KEY1,
                                      .agent = "old",
                                      .host = "m1.lab.test",
                                      .address = "10.0.0.1",
                                      .protocol = SIGHTING_DOMAIN,
                                      .interface = -1,
                                      .domain = "lab.test"};
    const struct see *const orders[][2] = {{&link, &domain}, {&domain, &link}};
    static const char *const changes[] = {"a", "ac"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(orders); i++) {
        CLEANUP(roster_free_p) struct roster *r = roster_new();
        struct log log = {.changes = ""};
        size_t n;

        roster_listen(r, record, &log);
        assert_int_equal(see_at(r, orders[i][0], 1), 0);
        assert_int_equal(see_at(r, orders[i][1], 2), 0);
        expect(&log, changes[i]);
        (void)roster_machines(r, &n);
        assert_int_equal(n, 1);
        assert_string_equal(find(r, KEY1)->host, "m1.local");
        assert_string_equal(find(r, KEY1)->advert.agents.items[0], "a1");
        /* It is known from elsewhere when the link has lost it, or Avahi is gone. */
        roster_forget_sightings(r);
        lose(r, 0);
        expect(&log, "");
        assert_true(find(r, KEY1)->online);
        assert_int_equal(see_at(r, &domain, 3), 0);
        assert_string_equal(find(r, KEY1)->host, "m1.lab.test");
    }
}

static void test_other_names_are_no_clones(void **state)
{
    static const char *const names[] = {"x",
                                        "dcop-" ID "-2",
                                        "dcop-" ID " #",
                                        "dcop-" ID "2",
                                        "dcop-" ID " #1234",
                                        "dcop-" ID " #2 "};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        try_other_name(false, names[i]);
        try_other_name(true, names[i]);
    }
}

static void test_clones_are_bounded(void **state)
{
    CLEANUP(roster_free_p) struct roster *r = roster_new();
    char name[40];
    int n = 0;

    (void)state;
    for (int i = 0; i < ROSTER_KEYS_MAX + 4; i++) {
        const struct see s = {.key = KEY1, .instance = name, .host = name};

        (void)snprintf(name, sizeof(name), "dcop-" ID " #%d", i + 2);
        n += see_at(r, &s, 1) == -ENOSPC;
    }
    assert_int_equal(n, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clones),
        cmocka_unit_test(test_clones_swap_names),
        cmocka_unit_test(test_clones_on_two_links),
        cmocka_unit_test(test_a_new_name_is_no_clone),
        cmocka_unit_test(test_domain),
        cmocka_unit_test(test_other_names_are_no_clones),
        cmocka_unit_test(test_clones_are_bounded),
    };

    return cmocka_run_group_tests_name("roster, clones", tests, NULL, NULL);
}
