/* Which machines take part in a job of a batch, and as whom. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "deployer/batch/machines.h"
#include "discovery/base/cleanup.h"

enum { COUNT = 4 };

static void add(struct strings *s, const char *words)
{
    CLEANUP_FREE char *copy = strdup(words);
    char *rest = NULL;

    for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
        assert_int_equal(strings_add(s, word), 0);
}

static void make(struct batch_machine m[static COUNT], const char *const names[static COUNT])
{
    for (size_t i = 0; i < COUNT; i++) {
        m[i] = (struct batch_machine){0};
        add(&m[i].names, names[i]);
    }
}

/* "name=agent" of all, in the order of the machines. */
static void assert_cast(struct batch_machine *m, const char *agents, int answer, const char *wanted)
{
    CLEANUP_STRINGS struct strings all = {0};
    CLEANUP_TEXT struct text got = TEXT_INIT;

    add(&all, agents);
    assert_int_equal(batch_machines_cast(m, COUNT, &all), answer);
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(m[i].players.count, m[i].roles.count);
        for (size_t k = 0; k < m[i].roles.count; k++)
            text_addf(&got, "%s%s=%s", got.size > 0 ? " " : "", m[i].players.items[k],
                      m[i].roles.items[k]);
    }
    assert_string_equal(text_str(&got), wanted);
}

static void test_groups(void **state)
{
    static const char *const names[COUNT] = {"a1 a2", "a3", "b1", "b2 b3"};
    struct batch_machine m[COUNT];

    (void)state;
    make(m, names);
    assert_cast(m, "a1 a2 a3", 1, "a1=a1 a2=a2 a3=a3");
    m[0].busy = m[1].busy = true;
    assert_cast(m, "a1 a2 a3", 1, "b1=a1 b2=a2 b3=a3");
    m[2].busy = true;
    assert_cast(m, "a1 a2 a3", 0, "");
    assert_cast(m, "a1", 1, "b2=a1");
    assert_cast(m, "b3 x", 1, "b3=b3 b2=x");
    assert_cast(m, "", 1, "");
    batch_machines_clear(m, COUNT);
}

/* One of them is busy: a machine of another name stands in. */
static void test_mixed(void **state)
{
    static const char *const names[COUNT] = {"a1", "a2", "c", ""};
    struct batch_machine m[COUNT];

    (void)state;
    make(m, names);
    m[0].busy = true;
    assert_cast(m, "a1 a2", 1, "a2=a2 c=a1");
    batch_machines_clear(m, COUNT);
}

static void test_name_twice(void **state)
{
    static const char *const names[COUNT] = {"a1", "a1", "b", "b"};
    struct batch_machine m[COUNT];

    (void)state;
    make(m, names);
    assert_cast(m, "a1 a2", 1, "a1=a1 b=a2");
    assert_cast(m, "a1 a2 a3", 0, "");
    batch_machines_clear(m, COUNT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_mixed),
        cmocka_unit_test(test_name_twice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
