#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <avahi-common/error.h>
#include <cmocka.h>

#include "discovery/base/avahi-limit.h"

static void test_each_error_has_its_setting(void **state)
{
    static const struct {
        int error;
        enum avahi_limit limit;
        const char *setting;
    } cases[] = {
        {AVAHI_ERR_TOO_MANY_CLIENTS, AVAHI_LIMIT_CLIENTS, " clients-max is"},
        {AVAHI_ERR_TOO_MANY_OBJECTS, AVAHI_LIMIT_OBJECTS, " objects-per-client-max is"},
        {AVAHI_ERR_TOO_MANY_ENTRIES, AVAHI_LIMIT_ENTRIES, " entries-per-entry-group-max is"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        assert_int_equal(avahi_limit_of(cases[i].error), cases[i].limit);
        assert_non_null(strstr(avahi_limit_words(cases[i].limit), cases[i].setting));
    }
}

static void test_other_errors_have_none(void **state)
{
    (void)state;
    assert_int_equal(avahi_limit_of(AVAHI_OK), AVAHI_LIMIT_NONE);
    assert_int_equal(avahi_limit_of(AVAHI_ERR_TIMEOUT), AVAHI_LIMIT_NONE);
    assert_int_equal(avahi_limit_of(AVAHI_ERR_DISCONNECTED), AVAHI_LIMIT_NONE);
    assert_null(avahi_limit_words(AVAHI_LIMIT_NONE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_error_has_its_setting),
        cmocka_unit_test(test_other_errors_have_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
