#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "deployer/trust.h"

#define ONE "SHA256:1111111111111111111111111111111111111111111"
#define TWO "SHA256:2222222222222222222222222222222222222222222"

static int check(struct trust t, const char *shown, struct error *err)
{
    t.id = "0123456789abcdef";
    t.host = "rpi-1";
    return trust_check(&t, shown, err);
}

static void a_pin_is_the_only_key(void **unused)
{
    struct error err = {0};

    (void)unused;
    assert_int_equal(check((struct trust){.pin = ONE}, ONE, &err), 0);
    /* Neither what the network says nor --accept-new moves a pin. */
    assert_int_equal(
        check((struct trust){.pin = ONE, .expected = TWO, .accept_new = true}, TWO, &err),
        -EKEYREJECTED);
    assert_non_null(strstr(err.text, ONE));
    assert_non_null(strstr(err.text, "dcop-deploy trust 0123456789abcdef " TWO));
    /* The pinned key is right though another is advertised: a forged record. */
    assert_int_equal(check((struct trust){.pin = ONE, .expected = TWO}, ONE, &err), 0);
}

static void a_new_machine_needs_a_yes_and_the_advertised_key(void **unused)
{
    struct error err = {0};

    (void)unused;
    assert_int_equal(check((struct trust){.expected = ONE, .accept_new = true}, ONE, &err), 0);
    assert_int_equal(check((struct trust){.expected = ONE}, ONE, &err), -EKEYREJECTED);
    assert_non_null(strstr(err.text, "--accept-new"));
    assert_int_equal(check((struct trust){.expected = ONE, .accept_new = true}, TWO, &err),
                     -EKEYREJECTED);
    assert_non_null(strstr(err.text, ONE));
    assert_non_null(strstr(err.text, TWO));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pin_is_the_only_key),
        cmocka_unit_test(a_new_machine_needs_a_yes_and_the_advertised_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
