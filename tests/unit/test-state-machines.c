#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "deployer/state/report.h"
#include "deployer/state/state.h"

#define S(literal) ((char *)(uintptr_t)(literal))
#define ONE "0123456789abcdef"
#define TWO "fedcba9876543210"

static int setup(void **state)
{
    struct state *s = NULL;
    int r = state_open(":memory:", &s, NULL);

    *state = s;
    return r;
}

static int teardown(void **state)
{
    state_free(*state);
    return 0;
}

static void put_machine(struct state *s, const char *id, const char *host)
{
    struct state_machine m = {.id = S(id), .host = S(host), .fingerprint = S("SHA256:a")};

    assert_int_equal(state_machine_put(s, &m, NULL), 0);
}

static void hold(struct state *s, const char *fleet, const char *id, const char *first,
                 const char *second)
{
    CLEANUP_STRINGS struct strings names = {0};

    if (first)
        assert_int_equal(strings_add(&names, first), 0);
    if (second)
        assert_int_equal(strings_add(&names, second), 0);
    assert_int_equal(state_names_set(s, fleet, id, &names, NULL), 0);
}

static void pin(struct state *s, const char *id, const char *fingerprint)
{
    struct state_pin p = {.id = S(id), .fingerprint = S(fingerprint), .source = PIN_TRUST};

    assert_int_equal(state_pin_replace(s, &p, NULL), 0);
}

static void assert_ids(struct state *s, const char *word, const char *first, const char *second)
{
    CLEANUP_STRINGS struct strings ids = {0};

    assert_int_equal(state_find_ids(s, word, &ids, NULL), 0);
    assert_int_equal(ids.count, (first != NULL) + (second != NULL));
    if (first)
        assert_string_equal(ids.items[0], first);
    if (second)
        assert_string_equal(ids.items[1], second);
}

static void test_a_contact_updates_what_it_knows(void **state)
{
    struct state *s = *state;
    CLEANUP(state_machine_clear) struct state_machine first = {0}, second = {0}, none = {0};
    struct state_machine m = {
        .id = S(ONE),
        .fingerprint = S("SHA256:a"),
        .host = S("rpi-1.local"),
        .fleet = S("lab"),
        .address = S("10.0.0.1"),
        .port = 22,
        .user = S("pi"),
        .arch = S("arm64"),
        .os = S("debian-13"),
        .version = S("0.1.2"),
        .digest = S("abc"),
    };

    assert_int_equal(state_machine_get(s, ONE, &none, NULL), -ENOENT);
    assert_int_equal(state_machine_put(s, &m, NULL), 0);
    assert_int_equal(state_machine_get(s, ONE, &first, NULL), 0);
    assert_true(first.first_seen_ms > 0);
    hold(s, "lab", ONE, "a2", "a1");
    m = (struct state_machine){.id = S(ONE), .address = S("10.0.0.2"), .port = 2222};
    assert_int_equal(state_machine_put(s, &m, NULL), 0);
    assert_int_equal(state_machine_get(s, ONE, &second, NULL), 0);
    assert_true(second.first_seen_ms == first.first_seen_ms);
    assert_true(second.last_seen_ms >= first.last_seen_ms);
    assert_string_equal(second.fingerprint, "SHA256:a");
    assert_string_equal(second.host, "rpi-1.local");
    assert_string_equal(second.fleet, "lab");
    assert_string_equal(second.address, "10.0.0.2");
    assert_int_equal(second.port, 2222);
    assert_string_equal(second.user, "pi");
    assert_string_equal(second.arch, "arm64");
    assert_string_equal(second.os, "debian-13");
    assert_string_equal(second.version, "0.1.2");
    assert_string_equal(second.digest, "abc");
    assert_int_equal(second.agents.count, 2);
    assert_string_equal(second.agents.items[0], "a2");
}

static void test_found_by_id_agent_and_host(void **state)
{
    struct state *s = *state;

    put_machine(s, ONE, "rpi-1.local");
    put_machine(s, TWO, "RPI-1.lan");
    pin(s, "aaaaaaaaaaaaaaaa", "SHA256:c");
    hold(s, "default", ONE, "a1", NULL);
    hold(s, "default", TWO, "a2", NULL);
    hold(s, "default", TWO, NULL, NULL);
    assert_ids(s, ONE, ONE, NULL);
    assert_ids(s, "aaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaa", NULL);
    assert_ids(s, "a1", ONE, NULL);
    assert_ids(s, "a2", NULL, NULL); /* given up */
    assert_ids(s, "rpi-1.local", ONE, NULL);
    assert_ids(s, "rpi-1", TWO, ONE); /* by host, capitals first */
    assert_ids(s, "rpi", NULL, NULL);
    put_machine(s, "dddddddddddddddd", "rpi-4");
    assert_ids(s, "rpi-4.local", "dddddddddddddddd", NULL);
    assert_ids(s, "rpi-4.lan", NULL, NULL);
    /* One that holds a name and was never met. */
    hold(s, "default", "cccccccccccccccc", "a9", NULL);
    assert_ids(s, "cccccccccccccccc", "cccccccccccccccc", NULL);
    /* A host that is called as another's agent does not take its place. */
    put_machine(s, "bbbbbbbbbbbbbbbb", "a1");
    assert_ids(s, "a1", ONE, NULL);
}

static void test_forgotten(void **state)
{
    struct state *s = *state;
    CLEANUP(state_forgotten_clear) struct state_forgotten f = {0};
    CLEANUP(state_pins_clear) struct state_pins pins = {0};
    CLEANUP(state_machine_clear) struct state_machine m = {0};
    CLEANUP(state_names_clear) struct state_names names = {0};
    CLEANUP(state_run_clear) struct state_run kept = {0};
    struct state_target target = {.machine = S(ONE)};
    struct state_run run = {.verb = S("deploy"), .targets = {&target, 1}};
    int64_t number;

    assert_int_equal(state_forget(s, ONE, &f, NULL), -ENOENT);
    put_machine(s, ONE, "rpi-1");
    put_machine(s, TWO, "rpi-2");
    pin(s, ONE, "SHA256:a");
    pin(s, ONE, "SHA256:b");
    pin(s, TWO, "SHA256:c");
    hold(s, "default", ONE, "a1", "a2");
    hold(s, "default", ONE, "a1", NULL);
    hold(s, "default", TWO, "a3", NULL);
    assert_int_equal(state_seq_put(s, ONE, "SHA256:a", 5, NULL), 0);
    assert_int_equal(state_run_begin(s, &run, &number, NULL), 0);
    assert_int_equal(state_forget(s, ONE, &f, NULL), 0);
    assert_int_equal(f.machines, 1);
    assert_int_equal(f.pins, 2);
    assert_int_equal(f.seqs, 1);
    assert_int_equal(f.names.count, 2);
    assert_int_equal(state_machine_get(s, ONE, &m, NULL), -ENOENT);
    assert_int_equal(state_pin_list(s, NULL, &pins, NULL), 0);
    assert_int_equal(pins.count, 1);
    assert_int_equal(state_name_list(s, "default", &names, NULL), 0);
    assert_int_equal(names.count, 1);
    assert_string_equal(names.items[0].agent, "a3");
    assert_int_equal(state_seq_check(s, ONE, "SHA256:a", 1, NULL), 0);
    assert_int_equal(state_run_get(s, number, &kept, NULL), 0);
    assert_int_equal(kept.targets.count, 1);
}

static void test_seq_only_grows(void **state)
{
    struct state *s = *state;

    assert_int_equal(state_seq_check(s, ONE, "SHA256:a", 0, NULL), 0);
    assert_int_equal(state_seq_put(s, ONE, "SHA256:a", 10, NULL), 0);
    assert_int_equal(state_seq_put(s, ONE, "SHA256:a", 7, NULL), 0);
    assert_int_equal(state_seq_check(s, ONE, "SHA256:a", 9, NULL), -ESTALE);
    assert_int_equal(state_seq_check(s, ONE, "SHA256:a", 10, NULL), 0);
    /* Per id and host key: a reflashed machine begins anew. */
    assert_int_equal(state_seq_check(s, ONE, "SHA256:b", 1, NULL), 0);
    assert_int_equal(state_seq_check(s, TWO, "SHA256:a", 1, NULL), 0);
    assert_int_equal(state_seq_put(s, ONE, "SHA256:b", (uint64_t)INT64_MAX + 1, NULL), -ERANGE);
    assert_int_equal(state_seq_put(s, ONE, "SHA256:b", INT64_MAX, NULL), 0);
    assert_int_equal(state_seq_check(s, ONE, "SHA256:b", INT64_MAX - 1, NULL), -ESTALE);
}

static void test_names_are_released_and_listed(void **state)
{
    struct state *s = *state;
    CLEANUP(state_names_clear) struct state_names names = {0};
    CLEANUP_FREE char *id = NULL;
    bool now = true;

    hold(s, "default", ONE, "b", "a");
    hold(s, "lab", TWO, "a", NULL);
    assert_int_equal(state_name_release(s, "default", "a", NULL), 0);
    assert_int_equal(state_name_release(s, "default", "a", NULL), -ENOENT);
    assert_int_equal(state_name_release(s, "default", "x", NULL), -ENOENT);
    assert_int_equal(state_name_list(s, "default", &names, NULL), 0);
    assert_int_equal(names.count, 2);
    assert_string_equal(names.items[0].agent, "a");
    assert_string_equal(names.items[0].id, ONE);
    assert_false(names.items[0].now);
    assert_true(names.items[0].changed_ms > 0);
    assert_string_equal(names.items[1].agent, "b");
    assert_true(names.items[1].now);
    /* The same machine the same name ever after. */
    assert_int_equal(state_name_holder(s, "default", "a", &id, &now, NULL), 0);
    assert_string_equal(id, ONE);
    assert_false(now);
}

static void test_ids_of_a_key(void **state)
{
    struct state *s = *state;
    CLEANUP_STRINGS struct strings ids = {0};

    assert_int_equal(state_pin_by_fingerprint(s, "SHA256:a", &ids, NULL), 0);
    assert_int_equal(ids.count, 0);
    pin(s, TWO, "SHA256:a");
    pin(s, ONE, "SHA256:a");
    assert_int_equal(state_pin_by_fingerprint(s, "SHA256:a", &ids, NULL), 0);
    assert_int_equal(ids.count, 2);
    assert_string_equal(ids.items[0], ONE);
    pin(s, ONE, "SHA256:b");
    assert_int_equal(state_pin_by_fingerprint(s, "SHA256:a", &ids, NULL), 0);
    assert_int_equal(ids.count, 1);
}

static void test_a_revoked_key_needs_a_word(void **state)
{
    struct state *s = *state;
    struct state_pin p = {.id = S(ONE), .fingerprint = S("SHA256:a"), .source = PIN_SIGNATURE};
    struct error err = {0};

    pin(s, ONE, "SHA256:a");
    assert_int_equal(state_pin_revoke(s, ONE, "SHA256:a", NULL), 0);
    assert_int_equal(state_pin_revoke(s, ONE, "SHA256:a", NULL), 0);
    assert_int_equal(state_pin_put(s, &p, &err), -EKEYREVOKED);
    assert_non_null(strstr(err.text, "dcop-deploy trust " ONE " SHA256:a"));
    /* One that was never seen, too. */
    assert_int_equal(state_pin_revoke(s, TWO, "SHA256:z", NULL), 0);
    assert_int_equal(state_pin_was_retired(s, TWO, "SHA256:z", NULL), 0);
    pin(s, ONE, "SHA256:a");
    assert_int_equal(state_pin_was_retired(s, ONE, "SHA256:a", NULL), -ENOENT);
}

/* --- what a run is for, and what of it is left ------------------------------------ */

static void result(struct state *s, int64_t run, const char *machine, const char *status)
{
    struct state_result r = {.machine = S(machine), .step = S(""), .status = S(status)};

    assert_int_equal(state_run_result(s, run, &r, NULL), 0);
}

static void test_a_run_can_be_resumed(void **state)
{
    struct state *s = *state;
    CLEANUP(state_run_clear) struct state_run got = {0}, none = {0};
    CLEANUP(state_targets_clear) struct state_targets left = {0};
    struct state_target targets[] = {
        {.machine = S("m1"), .host = S("rpi-1"), .agents = S("a1 a2")},
        {.machine = S("m2")},
        {.machine = S("m3")},
        {.machine = S("m4")},
        {.machine = S("m5")},
        {.machine = S("m6")},
        {.machine = S("m7")},
        {.machine = S("m1"), .host = S("twice")},
    };
    struct state_run run = {.verb = S("deploy"), .targets = {targets, ARRAY_SIZE(targets)}};
    struct state_counts counts;
    int64_t first, second, third;

    assert_int_equal(state_run_last(s, NULL, &none, NULL), -ENOENT);
    assert_int_equal(state_wish_add(&run.wish, "file", "/a=b\n.yaml"), 0);
    assert_int_equal(state_wish_add(&run.wish, "fileserver", "no"), 0);
    assert_int_equal(state_wish_add(&run.wish, "file", "/c.yaml"), 0);
    assert_int_equal(state_run_begin(s, &run, &first, NULL), 0);
    strings_clear(&run.wish);
    run.verb = S("stop");
    run.targets.count = 1;
    assert_int_equal(state_run_begin(s, &run, &second, NULL), 0);
    result(s, first, "m1", "ok");
    result(s, first, "m2", "failed");
    result(s, first, "m2", "changed"); /* the last word counts */
    result(s, first, "m3", "failed");
    result(s, first, "m4", "refused");
    result(s, first, "m5", "unreachable");
    result(s, first, "m6", "cancelled");
    assert_int_equal(state_run_unfinished(s, first, &left, NULL), 0);
    assert_int_equal(left.count, 5);
    for (size_t i = 0; i < left.count; i++)
        assert_string_equal(left.items[i].machine, targets[i + 2].machine);
    assert_string_equal(left.items[3].status, "cancelled");
    assert_null(left.items[4].status);
    assert_int_equal(state_run_counts(s, first, &counts, NULL), 0);
    assert_int_equal(counts.ok, 1);
    assert_int_equal(counts.changed, 1);
    assert_int_equal(counts.failed, 1);
    assert_int_equal(counts.refused, 1);
    assert_int_equal(counts.unreachable, 1);
    assert_int_equal(counts.left, 2);
    assert_int_equal(state_run_last(s, "deploy", &got, NULL), 0);
    assert_true(got.number == first);
    assert_string_equal(state_wish_get(&got.wish, "file", 0), "/a=b\n.yaml");
    assert_string_equal(state_wish_get(&got.wish, "file", 1), "/c.yaml");
    assert_null(state_wish_get(&got.wish, "file", 2));
    assert_null(state_wish_get(&got.wish, "fil", 0));
    assert_int_equal(got.targets.count, 7);
    assert_string_equal(got.targets.items[0].host, "rpi-1");
    assert_string_equal(got.targets.items[0].agents, "a1 a2");
    state_run_clear(&got);
    assert_int_equal(state_run_last(s, NULL, &got, NULL), 0);
    assert_true(got.number == second);
    assert_string_equal(got.verb, "stop");
    assert_int_equal(state_run_get(s, second + 1, &none, NULL), -ENOENT);
    /* What the queue has done is resumed by the queue. */
    assert_int_equal(state_wish_add(&run.wish, STATE_WISH_QUEUED, "yes"), 0);
    assert_int_equal(state_run_begin(s, &run, &third, NULL), 0);
    strings_clear(&run.wish);
    state_run_clear(&got);
    assert_int_equal(state_run_last_asked(s, &got, NULL), 0);
    assert_true(got.number == second);
}

static void test_last_seen(void **state)
{
    struct state *s = *state;
    struct state_machine m = {
        .id = S("00000000000000ff"), .host = S("rpi-3.local"), .address = S("10.77.0.13")};
    CLEANUP_TEXT struct text t = TEXT_INIT, when = TEXT_INIT;
    CLEANUP(state_machine_clear) struct state_machine is = {0};

    assert_int_equal(state_machine_put(s, &m, NULL), 0);
    hold(s, "", m.id, "a3", NULL);
    pin(s, "00000000000000fe", "SHA256:b"); /* was never contacted */
    assert_int_equal(state_machine_get(s, m.id, &is, NULL), 0);
    state_report_add_time(&when, is.last_seen_ms);
    assert_int_equal(state_report_last_seen(s, "nobody", &t, NULL), 0);
    assert_int_equal(state_report_last_seen(s, "00000000000000fe", &t, NULL), 0);
    assert_int_equal(t.size, 0);
    assert_int_equal(state_report_last_seen(s, "a3", &t, NULL), 0);
    assert_non_null(strstr(text_str(&t), "a3: 00000000000000ff (rpi-3.local, a3) was last seen "));
    assert_non_null(strstr(text_str(&t), text_str(&when)));
    assert_non_null(strstr(text_str(&t), " at 10.77.0.13\n"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_a_contact_updates_what_it_knows),
        TEST(test_found_by_id_agent_and_host),
        TEST(test_forgotten),
        TEST(test_seq_only_grows),
        TEST(test_names_are_released_and_listed),
        TEST(test_ids_of_a_key),
        TEST(test_a_revoked_key_needs_a_word),
        TEST(test_a_run_can_be_resumed),
        TEST(test_last_seen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
