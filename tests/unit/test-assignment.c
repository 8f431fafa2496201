/* Who gets which name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "deployer/target/assignment.h"

enum { MOST = 8 };

/* A match of so many names that are missing and machines without one. */
struct scene {
    struct machine machines[MOST];
    const struct machine *unassigned[MOST];
    const char *missing[MOST];
    struct state_name records[MOST];
    struct match match;
    struct state_names names;
};

static void progress_add_machine(struct scene *s, const char *id, const char *host)
{
    struct machine *m = &s->machines[s->match.n_unassigned];

    (void)snprintf(m->advert.id, sizeof(m->advert.id), "%s", id);
    m->host = (char *)host;
    s->unassigned[s->match.n_unassigned++] = m;
    s->match.unassigned = s->unassigned;
}

static void add_missing(struct scene *s, const char *agent)
{
    s->missing[s->match.n_missing++] = agent;
    s->match.missing = s->missing;
}

static void add_record(struct scene *s, const char *agent, const char *id, bool now)
{
    s->records[s->names.count++] =
        (struct state_name){.agent = (char *)agent, .id = (char *)id, .now = now};
    s->names.items = s->records;
}

/* "a1=rpi-1/held …; reserved …; left …; idle …" */
static void expect(const struct scene *s, const char *expected)
{
    static const char *const reasons[] = {"held", "host", "next"};
    CLEANUP(assignments_clear) struct assignments a = {0};
    CLEANUP_TEXT struct text seen = TEXT_INIT;

    assert_int_equal(assignments_plan(&s->match, &s->names, &a), 0);
    for (size_t i = 0; i < a.count; i++)
        text_addf(&seen, "%s=%s/%s ", a.items[i].agent, a.items[i].machine->host,
                  reasons[a.items[i].reason]);
    text_adds(&seen, "| ");
    for (size_t i = 0; i < a.n_reserved; i++)
        text_addf(&seen, "%s ", a.reserved[i]->agent);
    text_adds(&seen, "| ");
    for (size_t i = 0; i < a.n_left; i++)
        text_addf(&seen, "%s ", a.left[i]);
    text_adds(&seen, "| ");
    for (size_t i = 0; i < a.n_idle; i++)
        text_addf(&seen, "%s ", a.idle[i]->host);
    assert_string_equal(text_str(&seen), expected);
}

static void goes_in_order_of_numbers(void **unused)
{
    struct scene s = {0};

    (void)unused;
    progress_add_machine(&s, "0000000000000001", "rpi-10.local");
    progress_add_machine(&s, "0000000000000002", "rpi-2.local");
    add_missing(&s, "a1");
    add_missing(&s, "a2");
    expect(&s, "a1=rpi-2.local/next a2=rpi-10.local/next | | | ");
}

static void host_names_go_before_the_order(void **unused)
{
    struct scene s = {0};

    (void)unused;
    progress_add_machine(&s, "0000000000000001", "a2.local");
    progress_add_machine(&s, "0000000000000002", "a");
    progress_add_machine(&s, "0000000000000003", NULL);
    add_missing(&s, "a1");
    add_missing(&s, "a2");
    add_missing(&s, "a3");
    expect(&s, "a2=a2.local/host a1=(null)/next a3=a/next | | | ");
}

static void a_machine_gets_its_own_name_back(void **unused)
{
    struct scene s = {0};

    (void)unused;
    progress_add_machine(&s, "0000000000000001", "a2");
    progress_add_machine(&s, "0000000000000002", "rpi-2");
    add_missing(&s, "a1");
    add_missing(&s, "a2");
    add_record(&s, "a2", "0000000000000002", false);
    expect(&s, "a2=rpi-2/held a1=a2/next | | | ");
}

static void a_name_is_kept_for_a_machine_that_is_off(void **unused)
{
    struct scene s = {0};

    (void)unused;
    progress_add_machine(&s, "0000000000000001", "rpi-1");
    progress_add_machine(&s, "0000000000000002", "rpi-2");
    add_missing(&s, "a1");
    add_missing(&s, "a2");
    add_record(&s, "a1", "00000000000000ff", true);
    add_record(&s, "a2", "00000000000000fe", false); /* given up: free */
    expect(&s, "a2=rpi-1/next | a1 | | rpi-2 ");
}

static void names_or_machines_may_be_too_few(void **unused)
{
    struct scene s = {0};

    (void)unused;
    expect(&s, "| | | ");
    add_missing(&s, "a1");
    add_missing(&s, "a2");
    expect(&s, "| | a1 a2 | ");
    progress_add_machine(&s, "0000000000000001", "rpi-1");
    expect(&s, "a1=rpi-1/next | | a2 | ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goes_in_order_of_numbers),
        cmocka_unit_test(host_names_go_before_the_order),
        cmocka_unit_test(a_machine_gets_its_own_name_back),
        cmocka_unit_test(a_name_is_kept_for_a_machine_that_is_off),
        cmocka_unit_test(names_or_machines_may_be_too_few),
    };

    return cmocka_run_group_tests_name("assignment", tests, NULL, NULL);
}
