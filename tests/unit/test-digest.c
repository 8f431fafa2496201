/* SHA-256 as hex, in one call and in parts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "discovery/base/digest.h"

static void test_hex(void **state)
{
    char hex[DIGEST_LENGTH + 1], again[DIGEST_LENGTH + 1];
    struct digest d;

    (void)state;
    digest_bytes("abc", 3, hex); /* FIPS 180-4's example */
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    digest_init(&d);
    digest_add(&d, "a", 1);
    digest_add(&d, "bc", 2);
    digest_end(&d, again);
    assert_string_equal(again, hex);
}

static void test_strings_apart(void **state)
{
    static const char *const cuts[][2] = {{"ab", "c"}, {"a", "bc"}};
    char hex[2][DIGEST_LENGTH + 1];

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct digest d;

        digest_init(&d);
        digest_adds(&d, cuts[i][0]);
        digest_adds(&d, cuts[i][1]);
        digest_end(&d, hex[i]);
    }
    assert_string_not_equal(hex[0], hex[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hex),
        cmocka_unit_test(test_strings_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
