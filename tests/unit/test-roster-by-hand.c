/* Machines whose address a person gave. */
#include "roster-see.h"

static const struct see state_has = {.key = KEY1,
                                     .agent = "a0",
                                     .host = "10.9.0.5",
                                     .address = "10.9.0.5",
                                     .protocol = SIGHTING_BY_HAND,
                                     .interface = -1};

static void lose_by_hand(struct roster *r)
{
    const struct sighting_key key = {-1, SIGHTING_BY_HAND, "dcop-" ID, "local"};

    roster_lose(r, &key, (struct timespec){100, 0});
}

static void forget_by_hand(struct roster *r)
{
    const struct sighting_key key = {-1, SIGHTING_BY_HAND, "dcop-" ID, "local"};

    roster_forget(r, &key, false);
}

static void test_by_hand_alone(void **state)
{
    struct log log = {0};
    CLEANUP(roster_free_p) struct roster *r = new_roster(&log);
    size_t n;

    (void)state;
    see_at(r, &state_has, 1);
    expect(&log, "a");
    assert_true(find(r, KEY1)->by_hand);
    assert_true(find(r, KEY1)->unheard); /* until it was probed */
    set_online(r, KEY1, false, NULL, (struct timespec){2, 0});
    expect(&log, "o");
    assert_true(find(r, KEY1)->by_hand);
    roster_forget_sightings(r); /* by a restart of Avahi it is as it was */
    set_online(r, KEY1, true, NULL, (struct timespec){3, 0});
    expect(&log, "a");
    set_online(r, KEY1, false, NULL, (struct timespec){4, 0});
    forget_by_hand(r);
    expect(&log, "oo");
    assert_true(log.last.forgotten);
    (void)roster_machines(r, &n);
    assert_int_equal(n, 0);
}

/* It is near again (the service's card was out): it is not forgotten until it tells of itself. */
static void test_by_hand_lost(void **state)
{
    struct log log = {0};
    CLEANUP(roster_free_p) struct roster *r = new_roster(&log);

    (void)state;
    see_at(r, &state_has, 1);
    lose_by_hand(r);
    expect(&log, "ao");
    assert_non_null(find(r, KEY1));
    assert_false(log.last.forgotten);
    assert_false(find(r, KEY1)->online);
    see_at(r, &v4, 2);
    expect(&log, "a");
    assert_false(find(r, KEY1)->by_hand);
    forget_by_hand(r); /* no record of the state is left */
    assert_true(find(r, KEY1)->online);
    /* The state has another host key for it. */
    lose(r, 0);
    see_at(r, &state_has, 3);
    log.count = 0;
    see_at(r,
           &(struct see){
               .key = KEY2, .address = "10.9.0.5", .protocol = SIGHTING_BY_HAND, .interface = -1},
           4);
    assert_null(find(r, KEY1));
    assert_true(find(r, KEY2)->online);
}

/* The machine's own word counts more, in whatever order they come. */
static void test_by_hand_and_seen(void **state)
{
    struct log log = {0};
    CLEANUP(roster_free_p) struct roster *r = new_roster(&log);
    size_t n;

    (void)state;
    for (int first = 0; first < 2; first++) {
        see_at(r, first ? &v4 : &state_has, 1);
        see_at(r, first ? &state_has : &v4, 2);
        see_at(r, &state_has, 3);
        (void)roster_machines(r, &n);
        assert_int_equal(n, 1);
        assert_false(find(r, KEY1)->by_hand);
        assert_string_equal(find(r, KEY1)->advert.agents.items[0], "a1");
        assert_string_equal(find(r, KEY1)->host, "m1.local");
        lose(r, 0);
        assert_true(find(r, KEY1)->by_hand && find(r, KEY1)->online);
        forget_by_hand(r);
        assert_null(find(r, KEY1));
    }
}

/* With a fleet key, what the state has is as good as signed; others' claims are not. */
static void test_by_hand_and_claims(void **state)
{
    CLEANUP(roster_free_p) struct roster *r = roster_new();
    struct see known = state_has, signed_now = v4, claim = v4;

    (void)state;
    assert_non_null(r);
    roster_expect_signatures(r);
    known.verified = signed_now.verified = true;
    signed_now.seq = 5;
    claim.agent = "evil";
    see_at(r, &known, 1);
    see_at(r, &claim, 2);
    assert_false(find(r, KEY1)->untrusted);
    assert_string_equal(find(r, KEY1)->advert.agents.items[0], "a0");
    see_at(r, &signed_now, 3);
    assert_false(find(r, KEY1)->by_hand);
    assert_string_equal(find(r, KEY1)->advert.agents.items[0], "a1");
}

/* With a fleet key, too, the state's word may change, and comes after a record of the machine; an
 * old record is no newer for that. */
static void test_by_hand_changes(void **state)
{
    CLEANUP(roster_free_p) struct roster *r = roster_new();
    struct see known = state_has, heard = v4;

    (void)state;
    assert_non_null(r);
    roster_expect_signatures(r);
    known.verified = heard.verified = true;
    see_at(r, &known, 1);
    known.agent = "a2";
    known.address = "10.9.0.6";
    see_at(r, &known, 2);
    assert_string_equal(find(r, KEY1)->advert.agents.items[0], "a2");
    expect_addresses(r, "10.9.0.6");

    heard.seq = 9;
    see_at(r, &heard, 3);
    assert_string_equal(find(r, KEY1)->advert.agents.items[0], "a1");
    lose(r, 0);
    assert_true(find(r, KEY1)->by_hand && find(r, KEY1)->online);
    known.agent = "a3";
    see_at(r, &known, 4);
    assert_string_equal(find(r, KEY1)->advert.agents.items[0], "a3");
    heard.seq = 8;
    see_at(r, &heard, 5);
    assert_string_equal(find(r, KEY1)->advert.agents.items[0], "a3");
    heard.seq = 9; /* back on the link */
    see_at(r, &heard, 6);
    assert_string_equal(find(r, KEY1)->advert.agents.items[0], "a1");
    assert_false(find(r, KEY1)->by_hand);

    /* Away from the link before the state tells of it. */
    lose_by_hand(r);
    lose(r, 0);
    assert_false(find(r, KEY1)->online);
    see_at(r, &known, 7);
    assert_true(find(r, KEY1)->by_hand && find(r, KEY1)->online);
    assert_string_equal(find(r, KEY1)->advert.agents.items[0], "a3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_hand_alone),    cmocka_unit_test(test_by_hand_lost),
        cmocka_unit_test(test_by_hand_and_seen), cmocka_unit_test(test_by_hand_and_claims),
        cmocka_unit_test(test_by_hand_changes),
    };

    return cmocka_run_group_tests_name("roster, by hand", tests, NULL, NULL);
}
