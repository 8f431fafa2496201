/* What machines say of themselves, as numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "deployer/cli/facts.h"

static void hear(struct facts *f, const char *value)
{
    const struct stepwire_event fact = {.kind = STEPWIRE_FACT, .name = "n", .detail = value};

    facts_hear(0, &(struct run_event){.kind = RUN_STEP, .step = &fact}, f);
}

static void numbers(void **state)
{
    static const struct {
        const char *text;
        long long number;
    } right[] = {
        {"0", 0}, {"93784", 93784}, {"-3", -3}, {"999999999999999999", 999999999999999999}};
    static const char *const wrong[] = {
        "", "-", "--1", "1.5", " 1", "1x", "+1", "nan", "9999999999999999999"};
    struct machine_facts m = {0};
    struct facts f = {.machines = &m, .count = 1};
    long long n = 7;

    (void)state;
    assert_false(facts_get_number(&m, "n", &n));
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        hear(&f, wrong[i]);
        assert_false(facts_get_number(&m, "n", &n));
    }
    assert_int_equal(n, 7);
    for (size_t i = 0; i < ARRAY_SIZE(right); i++) {
        hear(&f, right[i].text);
        assert_true(facts_get_number(&m, "n", &n));
        assert_true(n == right[i].number);
    }
    strings_clear(&m.keys);
    strings_clear(&m.values);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
