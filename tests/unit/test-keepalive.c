#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "deployer/ssh/keepalive.h"

enum { BEAT = KEEPALIVE_BEAT_MS };

static void the_limit_is_the_timeout_or_three_beats(void **unused)
{
    (void)unused;
    assert_int_equal(keepalive_limit_ms(1000), 3 * BEAT);
    assert_int_equal(keepalive_limit_ms(60000), 60000);
}

static void silence_is_asked_about_and_then_death(void **unused)
{
    struct keepalive p;
    int64_t now = 100;
    int asked = 0;

    (void)unused;
    keepalive_start(&p, 1000, now);
    assert_false(keepalive_is_to_ask(&p, now));
    /* Waking only when it says so misses nothing and takes few turns. */
    for (int turns = 0; !keepalive_is_dead(&p, now); turns++) {
        assert_true(keepalive_next(&p) > now);
        assert_in_range(turns, 0, 4);
        now = keepalive_next(&p);
        asked += keepalive_is_to_ask(&p, now);
        assert_false(keepalive_is_to_ask(&p, now));
    }
    assert_int_equal(now, 100 + 3 * BEAT);
    assert_in_range(asked, 2, 3);
}

static void what_is_heard_counts_from_when_it_came(void **unused)
{
    struct keepalive p;

    (void)unused;
    keepalive_start(&p, 1000, 0);
    keepalive_heard(&p, 4000);
    assert_false(keepalive_is_to_ask(&p, BEAT));
    assert_true(keepalive_is_to_ask(&p, 4000 + BEAT));
    assert_false(keepalive_is_dead(&p, 3 * BEAT));
    assert_true(keepalive_is_dead(&p, 4000 + 3 * BEAT));
    keepalive_heard(&p, 3000); /* old news */
    assert_int_equal(p.heard_ms, 4000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_limit_is_the_timeout_or_three_beats),
        cmocka_unit_test(silence_is_asked_about_and_then_death),
        cmocka_unit_test(what_is_heard_counts_from_when_it_came),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
