/* The machines that the service knows, and which of them is an impostor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "deployer/controller/members.h"

#define ID "0123456789abcdef"
#define KEY_A "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define KEY_B "SHA256:BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"

static struct machine make(const char *hostkey, bool untrusted)
{
    struct machine m = {.untrusted = untrusted, .online = true, .beacon = true};

    strcpy(m.advert.id, ID);
    m.advert.hostkey = hostkey ? strdup(hostkey) : NULL;
    return m;
}

static void test_directory(void **state)
{
    CLEANUP(members_clear) struct members d = {0};
    struct machine one = make(KEY_A, false), two = make(KEY_B, true), again = make(KEY_A, false);
    struct member *m, *found = NULL;
    bool new;

    (void)state;
    m = members_take(&d, "1", &one, &new);
    assert_true(new);
    assert_null(one.advert.hostkey); /* taken over */
    assert_int_equal(members_find(&d, ID, &found), 1);
    assert_ptr_equal(found, m);
    assert_int_equal(members_find(&d, m->ref, &found), 1);
    m->number = 5;
    assert_non_null(members_take(&d, "2", &two, &new));
    assert_int_equal(members_find(&d, ID, &found), -EEXIST); /* in doubt: a ref is wanted */
    assert_int_equal(members_find(&d, m->ref, &found), 1);
    assert_ptr_equal(found, m);
    assert_int_equal(members_find(&d, ID ".00000000", &found), 0);
    assert_ptr_equal(members_take(&d, "1", &again, &new), m);
    assert_false(new);
    assert_int_equal(m->number, 5); /* what is held of it stays */
    assert_int_equal(d.count, 2);
}

/* They have id and host key in common, and each a ref of its own. */
static void test_clones(void **state)
{
    CLEANUP(members_clear) struct members d = {0};
    struct machine one = make(KEY_A, false), two = make(KEY_A, false);
    struct member *m, *found = NULL;
    bool new;

    (void)state;
    two.clone = ROSTER_KEYS_MAX;
    assert_non_null(members_take(&d, "1", &one, &new));
    m = members_take(&d, "2", &two, &new);
    assert_int_equal(members_find(&d, m->ref, &found), 1);
    assert_ptr_equal(found, m);
    assert_int_equal(strlen(m->ref), ADVERT_ID_LENGTH + 1 + 8 + 3);
}

static void test_impostor(void **state)
{
    CLEANUP(members_clear) struct members d = {0};
    struct machine one = make(KEY_A, false), two = make(KEY_B, false), three = make(KEY_B, false);
    struct member *m, *false_one, *named;
    bool new;

    (void)state;
    strcpy(three.advert.id, "fedcba9876543210");
    false_one = members_take(&d, "2", &two, &new);
    false_one->standing.state = STANDING_CHANGED;
    assert_false(members_is_impostor(&d, false_one)); /* alone: it may be reflashed */
    named = members_take(&d, "3", &three, &new);
    named->standing.state = STANDING_ACCEPTED;
    assert_false(members_is_impostor(&d, false_one)); /* another id, another name */
    assert_int_equal(strings_add(&named->machine.advert.agents, "a1"), 0);
    assert_int_equal(strings_add(&false_one->machine.advert.agents, "a1"), 0);
    assert_true(members_is_impostor(&d, false_one));
    assert_false(members_is_impostor(&d, named));
    strings_clear(&named->machine.advert.agents);
    m = members_take(&d, "1", &one, &new);
    m->standing.state = STANDING_NEW;
    assert_false(members_is_impostor(&d, false_one));
    m->standing.state = STANDING_ACCEPTED;
    assert_true(members_is_impostor(&d, false_one)); /* of the same id */
    assert_false(members_is_impostor(&d, m));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_directory),
        cmocka_unit_test(test_clones),
        cmocka_unit_test(test_impostor),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
