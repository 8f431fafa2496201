/* What is known of a machine's host key, and what follows from it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "deployer/trust/standing.h"

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

static enum standing_state stands(struct state *s, const char *hostkey, bool consent, bool doubt)
{
    CLEANUP(standing_clear) struct standing standing = {0};
    struct machine m = make(hostkey, false);
    struct error err;
    enum standing_state state;

    m.in_doubt = doubt;
    assert_int_equal(standing_find(s, &m, (struct consent){.given = consent}, &standing, &err), 0);
    state = standing.state;
    assert_int_equal(state == STANDING_ACCEPTED, standing.why == NULL);
    free(m.advert.hostkey);
    return state;
}

static void test_standing(void **unused)
{
    CLEANUP(state_free_p) struct state *s = NULL;
    struct state_pin pin = {.id = (char *)ID, .fingerprint = (char *)KEY_A, .source = PIN_TRUST};
    struct machine claim = make(KEY_A, true);
    CLEANUP(standing_clear) struct standing standing = {0};

    (void)unused;
    assert_int_equal(state_open(":memory:", &s, NULL), 0);
    assert_int_equal(stands(s, KEY_A, false, false), STANDING_NEW);
    assert_int_equal(stands(s, NULL, true, false), STANDING_NEW);
    assert_int_equal(stands(s, KEY_A, true, false), STANDING_ACCEPTED);
    assert_int_equal(stands(s, KEY_A, true, true), STANDING_DOUBTFUL);
    assert_int_equal(state_pin_put(s, &pin, NULL), 0);
    assert_int_equal(stands(s, KEY_A, false, true), STANDING_ACCEPTED);
    assert_int_equal(stands(s, KEY_B, true, false), STANDING_CHANGED);
    assert_int_equal(state_pin_retire(s, ID, NULL), 0);
    assert_int_equal(stands(s, KEY_A, true, false), STANDING_CHANGED); /* a retired key */
    assert_int_equal(stands(s, KEY_B, false, false), STANDING_NEW);
    assert_int_equal(standing_find(s, &claim, (struct consent){.given = true}, &standing, NULL), 0);
    assert_int_equal(standing.state, STANDING_UNVERIFIED);
    free(claim.advert.hostkey);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_standing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
