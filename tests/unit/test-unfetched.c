/* The failure of a step that the deployer repairs by a push of packages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "deployer/job/unfetched.h"

static bool takes(struct unfetched *u, enum stepwire_kind kind, const char *step,
                  enum step_status status, const char *detail)
{
    return unfetched_takes(
        u, &(struct stepwire_event){
               .kind = kind, .name = step, .status = status, .detail = detail, .lines = "E: x"});
}

static void test_unfetched(void **state)
{
    static const char words[] = "nothing was changed; no source provides glpk-utils: x";
    CLEANUP(unfetched_clear) struct unfetched u = {0};

    (void)state;
    /* A failure of which the machine does not say that packages would help. */
    assert_false(takes(&u, STEPWIRE_CHECK, "fetch", STEP_CHANGE, words));
    assert_false(takes(&u, STEPWIRE_RESULT, "fetch", STEP_FAILED, words));
    assert_false(takes(&u, STEPWIRE_WANT, "cache", STEP_OK, ""));
    assert_false(takes(&u, STEPWIRE_RESULT, "fetch", STEP_FAILED, words));
    assert_null(u.step);
    assert_false(takes(&u, STEPWIRE_WANT, "packages", STEP_OK, ""));
    assert_false(takes(&u, STEPWIRE_RESULT, "clock", STEP_CHANGED, words));
    assert_true(takes(&u, STEPWIRE_RESULT, "fetch", STEP_FAILED, words));
    assert_string_equal(text_str(&u.detail), words);
    assert_string_equal(text_str(&u.lines), "E: x");
    /* What follows from it. */
    assert_true(takes(&u, STEPWIRE_RESULT, "apt", STEP_SKIPPED, "after fetch"));
    assert_false(takes(&u, STEPWIRE_FACT, "os", STEP_OK, "debian"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unfetched),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
