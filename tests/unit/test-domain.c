/* Which domains can be asked for.  tests/net/domain asks a DNS server. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "discovery/network/domain.h"

static void test_good(void **state)
{
    static const char *const names[] = {"example.org",    "example.org.", "lan",
                                        "xn--caf-dma.fr", "_x.lab",       "a-1.LAB.example"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        assert_int_equal(domain_check(names[i], NULL), 0);
}

static void test_bad(void **state)
{
    char label[] = "0123456789012345678901234567890123456789012345678901234567890123.org";
    char longest[200];
    const char *const names[] = {"",       ".",           "..",    ".org", "a..b",  "a b",
                                 "a\\.b",  "caf\xc3\xa9", "a\nb",  label,  longest, "local",
                                 "LOCAL.", "$ORIGIN",     "a/b.c", "@",    "org.\t"};

    (void)state;
    for (size_t i = 0; i < sizeof(longest); i++)
        longest[i] = i % 2 ? '.' : 'a';
    longest[sizeof(longest) - 1] = '\0';
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct error err = {0};
        struct domain *d = NULL;

        assert_int_equal(domain_check(names[i], &err), -EINVAL);
        assert_true(*err.text);
        assert_int_equal(domain_new(names[i], NULL, false, &d, NULL), -EINVAL);
        assert_null(d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
