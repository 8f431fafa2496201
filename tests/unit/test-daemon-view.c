#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "discovery/network/daemon-view.h"

enum { V4 = 0, V6 = 1, LATER = DAEMON_VIEW_SETTLE_MS };

static struct sighting_key key_of(int interface, int protocol, unsigned k)
{
    static char name[32];

    (void)snprintf(name, sizeof(name), "dcop-%u", k);
    return (struct sighting_key){interface, protocol, name, "local"};
}

static void tell(struct daemon_view *v, int interface, int protocol, unsigned k)
{
    const struct sighting_key key = key_of(interface, protocol, k);

    daemon_view_told(v, &key);
}

static void hear(struct daemon_view *v, int interface, unsigned k, uint64_t now)
{
    const struct sighting_key key = key_of(interface, SIGHTING_DIRECT, k);

    daemon_view_heard(v, &key, now);
}

static void assert_words(const struct daemon_view *v, enum daemon_lack lack, size_t refused,
                         const char *part)
{
    CLEANUP_TEXT struct text t = TEXT_INIT;

    daemon_view_explain(v, lack, LATER, refused, &t);
    if (part)
        assert_non_null(strstr(text_str(&t), part));
    else
        assert_string_equal(text_str(&t), "");
}

static void test_cache(void **state)
{
    CLEANUP(daemon_view_clear) struct daemon_view v = {0};
    struct sighting_key key;

    (void)state;
    for (unsigned k = 0; k < 20; k++)
        hear(&v, 1, k, 0);
    for (unsigned k = 0; k < 15; k++)
        tell(&v, 1, V4, k);
    assert_int_equal(daemon_view_lacks(&v, LATER), 0); /* it may tell of more */
    assert_false(daemon_view_is_settled(&v, LATER));
    v.told_all = true;
    assert_int_equal(daemon_view_lacks(&v, LATER - 1), 0); /* they may have come just now */
    assert_false(daemon_view_is_settled(&v, LATER - 1));
    assert_true(daemon_view_is_settled(&v, LATER));
    assert_int_equal(daemon_view_lacks(&v, LATER), 1U << DAEMON_LACKS_CACHE);
    assert_words(&v, DAEMON_LACKS_CACHE, 0, "(cache-entries-max): it has not told of 5 of 20");
    assert_words(&v, DAEMON_LACKS_LINK, 0, NULL);
    tell(&v, 1, V6, 15); /* over either protocol; four are no sign */
    assert_int_equal(daemon_view_lacks(&v, LATER), 0);
    key = key_of(1, V6, 15);
    daemon_view_removed(&v, &key);
    assert_int_equal(daemon_view_lacks(&v, LATER), 1U << DAEMON_LACKS_CACHE);
    key = key_of(1, SIGHTING_DIRECT, 15);
    daemon_view_silent(&v, &key);
    assert_int_equal(daemon_view_lacks(&v, LATER), 0);
}

static void test_few_of_many_are_no_sign(void **state)
{
    CLEANUP(daemon_view_clear) struct daemon_view v = {.told_all = true};

    (void)state;
    for (unsigned k = 0; k < 100; k++) {
        hear(&v, 1, k, 0);
        if (k >= 9)
            tell(&v, 1, V4, k);
    }
    assert_int_equal(daemon_view_lacks(&v, LATER), 0);
}

/* It tells of many, and of none of the few that answer: a flood has filled it. */
static void test_flooded_cache(void **state)
{
    CLEANUP(daemon_view_clear) struct daemon_view v = {.told_all = true};

    (void)state;
    hear(&v, 1, 0, 0);
    for (unsigned k = 1; k < DAEMON_VIEW_CACHE_FULL; k++)
        tell(&v, 1, V4, k);
    assert_int_equal(daemon_view_lacks(&v, LATER), 0);
    tell(&v, 1, V4, DAEMON_VIEW_CACHE_FULL);
    assert_int_equal(daemon_view_lacks(&v, LATER), 1U << DAEMON_LACKS_CACHE);
    assert_words(&v, DAEMON_LACKS_CACHE, 0, "(cache-entries-max): it has not told of 1 of 1");
}

static void test_one_protocol_is_enough(void **state)
{
    CLEANUP(daemon_view_clear) struct daemon_view v = {.told_all = true};
    const struct sighting_key v4 = key_of(1, V4, 1);

    (void)state;
    hear(&v, 1, 1, 0);
    tell(&v, 1, V4, 1);
    tell(&v, 1, V6, 1);
    daemon_view_removed(&v, &v4);
    assert_int_equal(daemon_view_lacks(&v, LATER), 0);
}

/* Machines on a second interface, of which Avahi tells nothing. */
static void test_link(void **state)
{
    CLEANUP(daemon_view_clear) struct daemon_view v = {.told_all = true};

    (void)state;
    hear(&v, 1, 1, 0);
    tell(&v, 1, V4, 1);
    hear(&v, 2, 2, 0);
    assert_int_equal(daemon_view_lacks(&v, LATER), 1U << DAEMON_LACKS_LINK);
    assert_words(&v, DAEMON_LACKS_LINK, 0, "deny-interfaces");
    assert_words(&v, DAEMON_LACKS_LINK, 0, "no machine there, and 1 answered");
    tell(&v, 2, V4, 3); /* another machine there: the interface is used */
    assert_int_equal(daemon_view_lacks(&v, LATER), 0);
    daemon_view_restart(&v);
    v.told_all = true;
    assert_int_equal(daemon_view_lacks(&v, LATER), 1U << DAEMON_LACKS_LINK);
}

static void test_interfaces(void **state)
{
    CLEANUP(daemon_view_clear) struct daemon_view v = {0};
    int interfaces[LINKS_MAX];

    (void)state;
    tell(&v, 1, V4, 1);
    assert_int_equal(daemon_view_interfaces(&v, interfaces), 0);
    for (unsigned k = 0; k < 2 * LINKS_MAX; k++) {
        hear(&v, 2, k, 0);
        assert_int_equal(daemon_view_interfaces(&v, interfaces), 1);
    }
    assert_int_equal(interfaces[0], 2);
    for (int i = 3; i < 2 * LINKS_MAX; i++)
        hear(&v, i, 1, 0);
    assert_int_equal(daemon_view_interfaces(&v, interfaces), LINKS_MAX);
}

static void test_limits(void **state)
{
    CLEANUP(daemon_view_clear) struct daemon_view v = {0};

    (void)state;
    assert_words(&v, DAEMON_LACKS_OBJECTS, 3, NULL);
    v.limits[AVAHI_LIMIT_OBJECTS] = true;
    assert_int_equal(daemon_view_lacks(&v, 0), 1U << DAEMON_LACKS_OBJECTS);
    assert_words(&v, DAEMON_LACKS_OBJECTS, 0, "objects-per-client-max");
    assert_words(&v, DAEMON_LACKS_OBJECTS, 0, "are found all the same");
    assert_words(&v, DAEMON_LACKS_OBJECTS, 1, "1 machine that only Avahi knows is missing");
    hear(&v, 1, 1, 0);
    v.limits[AVAHI_LIMIT_CLIENTS] = true;
    assert_true(daemon_view_is_settled(&v, 0)); /* it will tell nothing */
    daemon_view_restart(&v);
    assert_int_equal(daemon_view_lacks(&v, 0), 0);
}

static void test_bound(void **state)
{
    CLEANUP(daemon_view_clear) struct daemon_view v = {.told_all = true};

    (void)state;
    for (unsigned k = 0; k <= DAEMON_VIEW_MAX; k++)
        tell(&v, 1, V4, k);
    hear(&v, 2, 1, 0); /* there is no room for it */
    assert_int_equal(daemon_view_lacks(&v, LATER), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cache),         cmocka_unit_test(test_few_of_many_are_no_sign),
        cmocka_unit_test(test_flooded_cache), cmocka_unit_test(test_one_protocol_is_enough),
        cmocka_unit_test(test_link),          cmocka_unit_test(test_interfaces),
        cmocka_unit_test(test_limits),        cmocka_unit_test(test_bound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
