/* Who is known has room, whatever is told beside it, and who has left makes room. */
#include "roster-see.h"

/* Invented host keys of an id do not keep out the one that is known. */
static void test_known_key_has_room(void **state)
{
    CLEANUP(known_clear) struct known known = {0};
    CLEANUP(roster_free_p) struct roster *r = roster_new();
    char key[] = KEY2, name[16];
    const struct see own = {.key = KEY1, .agent = "a1"};

    (void)state;
    assert_int_equal(known_add(&known, ID, KEY1), 0);
    roster_know(r, &known);
    for (int i = 0; i < ROSTER_KEYS_MAX + 4; i++) {
        const struct see s = {.key = key, .instance = name};

        key[10] = (char)('a' + i);
        (void)snprintf(name, sizeof(name), "i%d", i);
        assert_int_equal(see_at(r, &s, 1), i < ROSTER_KEYS_MAX ? 0 : -ENOSPC);
    }
    assert_int_equal(see_at(r, &own, 1), 0);
    assert_non_null(find(r, KEY1));
}

/* A full roster takes in a machine that is known, and does not forget one that has left. */
static void test_known_has_room(void **state)
{
    CLEANUP(known_clear) struct known known = {0};
    CLEANUP(roster_free_p) struct roster *r = roster_new();
    char id[ADVERT_ID_LENGTH + 1], instance[32];
    const struct see s = {.id = id, .instance = instance}, own = {.key = KEY1, .agent = "a1"};

    (void)state;
    assert_int_equal(known_add(&known, ID, KEY1), 0);
    assert_int_equal(known_add(&known, "0000000000000005", NULL), 0);
    roster_know(r, &known);
    for (unsigned i = 0; i < ROSTER_MACHINES_MAX; i++) {
        (void)snprintf(id, sizeof(id), "%016x", i);
        (void)snprintf(instance, sizeof(instance), "dcop-%s", id);
        assert_int_equal(see_at(r, &s, 1), 0);
    }
    assert_int_equal(see_at(r, &own, 1), 0);
    assert_non_null(find(r, KEY1));
    (void)snprintf(instance, sizeof(instance), "dcop-%016x", 5);
    roster_lose(r, &(struct sighting_key){2, 0, instance, "local"}, (struct timespec){2, 0});
    (void)snprintf(id, sizeof(id), "%016x", ROSTER_MACHINES_MAX);
    (void)snprintf(instance, sizeof(instance), "dcop-%s", id);
    assert_int_equal(see_at(r, &s, 3), -ENOSPC);
    assert_non_null(roster_find(r, &(struct machine_key){"0000000000000005", NULL, 0}));
}

/* A full roster forgets who left longest ago, and nobody who is there. */
static void test_departed_make_room(void **state)
{
    CLEANUP(roster_free_p) struct roster *r = roster_new();
    char id[ADVERT_ID_LENGTH + 1], instance[32];
    const struct see s = {.id = id, .agent = "a1", .instance = instance};
    size_t n;

    (void)state;
    for (unsigned i = 0; i < ROSTER_MACHINES_MAX + 1; i++) {
        (void)snprintf(id, sizeof(id), "%016x", i);
        (void)snprintf(instance, sizeof(instance), "dcop-%s", id);
        assert_int_equal(see_at(r, &s, 1 + i), i < ROSTER_MACHINES_MAX ? 0 : -ENOSPC);
    }
    for (unsigned i = 0; i < 3; i++) {
        const struct sighting_key key = {2, 0, instance, "local"};

        (void)snprintf(instance, sizeof(instance), "dcop-%016x", 100 - i);
        roster_lose(r, &key, (struct timespec){ROSTER_MACHINES_MAX + 1, 0});
    }
    (void)snprintf(id, sizeof(id), "%016x", ROSTER_MACHINES_MAX);
    (void)snprintf(instance, sizeof(instance), "dcop-%s", id);
    assert_int_equal(see_at(r, &s, ROSTER_MACHINES_MAX + 2), 0);
    (void)roster_machines(r, &n);
    assert_int_equal(n, ROSTER_MACHINES_MAX - 2);
    assert_null(roster_find(r, &(struct machine_key){"0000000000000063", NULL, 0})); /* number 99 */
    assert_non_null(roster_find(r, &(struct machine_key){"0000000000000001", NULL, 0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_key_has_room),
        cmocka_unit_test(test_known_has_room),
        cmocka_unit_test(test_departed_make_room),
    };

    return cmocka_run_group_tests_name("roster, room", tests, NULL, NULL);
}
