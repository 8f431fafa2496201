/* The queue of deploys that wait for their machines, in the database. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "deployer/base/folder.h"
#include "deployer/state/report.h"
#include "deployer/state/state.h"

#define ONE "1111111111111111"
#define TWO "2222222222222222"
#define CLEANUP_LIST CLEANUP(state_laters_clear)

static char folder[64], path[128];

static int setup(void **state)
{
    strcpy(folder, "/tmp/dcop-test-later.XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    (void)snprintf(path, sizeof(path), "%s/state.db", folder);
    return state_open(path, (struct state **)state, NULL);
}

static int teardown(void **state)
{
    state_free(*state);
    folder_remove(folder);
    return 0;
}

static void put(struct state *s, const char *const *ids, size_t n, const char *wheel)
{
    CLEANUP(state_wheel_clear) struct state_wheel w = {.digest = strdup(wheel),
                                                       .name = strdup("pydcop-1-py3-none-any.whl")};
    CLEANUP_STRINGS struct strings agents = {0}, wish = {0};
    struct state_later items[2] = {0};

    text_add(&w.bytes, "PK\0\1", 4);
    text_adds(&w.bytes, wheel);
    assert_int_equal(strings_add(&agents, "a 1"), 0);
    assert_int_equal(strings_add(&agents, "a2"), 0);
    assert_int_equal(state_wish_add(&wish, "deps", "apt"), 0);
    for (size_t i = 0; i < n; i++)
        items[i] = (struct state_later){
            .machine = (char *)(uintptr_t)ids[i],
            .host = (char *)"rpi.local",
            .agents = agents,
            .wish = wish,
            .spec = (char *)"https://u:secret@host/x.whl",
            .version = (char *)"1",
            .reason_ms = 1000,
        };
    assert_int_equal(state_later_put(s, items, n, &w, NULL), 0);
}

static void put_one(struct state *s, const char *id, const char *wheel)
{
    put(s, &id, 1, wheel);
}

static bool has_wheel(struct state *s, const char *digest)
{
    CLEANUP(state_wheel_clear) struct state_wheel w = {0};
    int r = state_later_wheel(s, digest, &w, NULL);

    assert_true(r == 0 || r == -ENOENT);
    if (r == 0) {
        assert_int_equal(w.bytes.size, 4 + strlen(digest));
        assert_memory_equal(w.bytes.data, "PK\0\1", 4);
        assert_string_equal(w.bytes.data + 4, digest);
        assert_string_equal(w.name, "pydcop-1-py3-none-any.whl");
    }
    return r == 0;
}

static void test_what_was_wished(void **state)
{
    CLEANUP_LIST struct state_laters list = {0};
    const struct state_later *l;

    put_one(*state, ONE, "w1");
    assert_int_equal(state_later_list(*state, &list, NULL), 0);
    assert_int_equal(list.count, 1);
    l = &list.items[0];
    assert_string_equal(l->machine, ONE);
    assert_string_equal(l->host, "rpi.local");
    assert_null(l->fleet);
    assert_int_equal(l->agents.count, 2);
    assert_string_equal(l->agents.items[0], "a 1");
    assert_string_equal(state_wish_get(&l->wish, "deps", 0), "apt");
    assert_string_equal(l->wheel, "w1");
    assert_null(strstr(l->spec, "secret"));
    assert_string_equal(l->reason, STATE_LATER_OFF);
    assert_int_equal(l->reason_ms, 1000);
    assert_true(l->since_ms > 1000);
    assert_int_equal(l->tries, 0);
    assert_false(l->claimed);
    assert_true(has_wheel(*state, "w1"));
}

/* One entry a machine; the wheel goes with the last that needs it. */
static void test_a_newer_wish_replaces(void **state)
{
    static const char *const both[] = {ONE, TWO};
    CLEANUP_LIST struct state_laters list = {0};
    int64_t first;

    put(*state, both, 2, "w1");
    assert_int_equal(state_later_list(*state, &list, NULL), 0);
    assert_int_equal(list.count, 2);
    first = list.items[0].entry;
    put_one(*state, ONE, "w2");
    assert_int_equal(state_later_list(*state, &list, NULL), 0);
    assert_int_equal(list.count, 2);
    assert_string_equal(list.items[0].wheel, "w2");
    assert_true(list.items[0].entry > first);
    assert_true(has_wheel(*state, "w1"));
    put_one(*state, TWO, "w2");
    assert_false(has_wheel(*state, "w1"));
    put_one(*state, TWO, "w2"); /* its own wheel again */
    assert_true(has_wheel(*state, "w2"));
    /* Whoever was at the older one has nothing to say of the newer one. */
    assert_int_equal(state_later_claim(*state, first, NULL), -ENOENT);
    assert_int_equal(state_later_done(*state, first, NULL), 0);
    assert_int_equal(state_later_failed(*state, first, "no", 5, true, NULL), 0);
    assert_int_equal(state_later_list(*state, &list, NULL), 0);
    assert_int_equal(list.count, 2);
    assert_int_equal(list.items[0].tries, 0);
}

static void test_its_end(void **state)
{
    CLEANUP_LIST struct state_laters list = {0};
    int64_t entry;

    put_one(*state, ONE, "w1");
    assert_int_equal(state_later_list(*state, &list, NULL), 0);
    entry = list.items[0].entry;
    assert_int_equal(state_later_claim(*state, entry, NULL), 0);
    assert_int_equal(state_later_failed(*state, entry, "no sudo", 7000, true, NULL), 0);
    assert_int_equal(state_later_list(*state, &list, NULL), 0);
    assert_string_equal(list.items[0].reason, "no sudo");
    assert_int_equal(list.items[0].next_ms, 7000);
    assert_int_equal(list.items[0].tries, 1);
    assert_false(list.items[0].claimed);
    /* Away again: tried as soon as it is back. */
    assert_int_equal(state_later_tell(*state, entry, STATE_LATER_OFF, 8000, NULL), 0);
    assert_int_equal(state_later_list(*state, &list, NULL), 0);
    assert_int_equal(list.items[0].next_ms, 0);
    assert_int_equal(list.items[0].reason_ms, 8000);
    assert_int_equal(state_later_failed(*state, entry, "busy", 9000, false, NULL), 0);
    assert_int_equal(state_later_tell(*state, entry, "its key changed", 9500, NULL), 0);
    assert_int_equal(state_later_list(*state, &list, NULL), 0);
    assert_int_equal(list.items[0].tries, 1);
    assert_int_equal(list.items[0].next_ms, 9000);
    assert_int_equal(state_later_retry(*state, entry, NULL), 0);
    assert_int_equal(state_later_list(*state, &list, NULL), 0);
    assert_int_equal(list.items[0].next_ms, 0);
    assert_int_equal(state_later_done(*state, entry, NULL), 0);
    assert_int_equal(state_later_list(*state, &list, NULL), 0);
    assert_int_equal(list.count, 0);
    assert_false(has_wheel(*state, "w1"));
    assert_int_equal(state_later_drop(*state, ONE, NULL), -ENOENT);
    put_one(*state, ONE, "w1");
    assert_int_equal(state_later_drop(*state, ONE, NULL), 0);
    assert_false(has_wheel(*state, "w1"));
}

/* A child opens the file and claims the entry; it says how that ended, and lives until told. */
static pid_t claim_in_child(int64_t entry, int ret_to[2], int *ret_r)
{
    int from[2];
    pid_t pid;

    assert_int_equal(pipe(ret_to), 0);
    assert_int_equal(pipe(from), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct state *s = NULL;
        char c;
        int r = state_open(path, &s, NULL);

        (void)close(ret_to[1]);
        if (r == 0)
            r = state_later_claim(s, entry, NULL);
        (void)!write(from[1], &r, sizeof(r));
        (void)!read(ret_to[0], &c, 1);
        _exit(0); /* as a kill would: nothing is given back */
    }
    (void)close(ret_to[0]);
    (void)close(from[1]);
    assert_int_equal(read(from[0], ret_r, sizeof(*ret_r)), sizeof(*ret_r));
    (void)close(from[0]);
    return pid;
}

static void end_child(pid_t pid, const int to[2])
{
    (void)close(to[1]);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* One process at a time; what a dead one had can be taken. */
static void test_claims(void **state)
{
    CLEANUP_LIST struct state_laters list = {0};
    int64_t entry;
    int to[2], r;
    pid_t pid;

    put_one(*state, ONE, "w1");
    assert_int_equal(state_later_list(*state, &list, NULL), 0);
    entry = list.items[0].entry;
    pid = claim_in_child(entry, to, &r);
    assert_int_equal(r, 0);
    assert_int_equal(state_later_claim(*state, entry, NULL), -EBUSY);
    assert_int_equal(state_later_list(*state, &list, NULL), 0);
    assert_true(list.items[0].claimed);
    end_child(pid, to);
    assert_int_equal(state_later_list(*state, &list, NULL), 0);
    assert_false(list.items[0].claimed);
    assert_int_equal(state_later_claim(*state, entry, NULL), 0);
    assert_int_equal(state_later_claim(*state, entry, NULL), -EBUSY); /* its own */
    pid = claim_in_child(entry, to, &r);
    assert_int_equal(r, -EBUSY);
    end_child(pid, to);
    /* A newer wish is nobody's. */
    put_one(*state, ONE, "w2");
    assert_int_equal(state_later_list(*state, &list, NULL), 0);
    assert_false(list.items[0].claimed);
}

static void test_forgotten_with_its_machine(void **state)
{
    CLEANUP_LIST struct state_laters list = {0};
    CLEANUP(state_forgotten_clear) struct state_forgotten f = {0};
    struct state_pin pin = {
        .id = (char *)ONE, .fingerprint = (char *)"SHA256:a", .source = PIN_TRUST};

    assert_int_equal(state_pin_put(*state, &pin, NULL), 0);
    put_one(*state, ONE, "w1");
    assert_int_equal(state_forget(*state, ONE, &f, NULL), 0);
    assert_int_equal(state_later_list(*state, &list, NULL), 0);
    assert_int_equal(list.count, 0);
    assert_false(has_wheel(*state, "w1"));
}

static void test_report(void **state)
{
    const struct terminal_style style = {0};
    CLEANUP_TEXT struct text text = TEXT_INIT, json = TEXT_INIT;
    CLEANUP_LIST struct state_laters list = {0};

    assert_int_equal(state_report_later_text(*state, &style, &text, NULL), 0);
    assert_int_equal(text.size, 0);
    put_one(*state, ONE, "w1");
    assert_int_equal(state_later_list(*state, &list, NULL), 0);
    assert_int_equal(state_report_later_text(*state, &style, &text, NULL), 0);
    assert_non_null(strstr(text_str(&text), "rpi.local"));
    assert_non_null(strstr(text_str(&text), "off since 19"));
    assert_null(strstr(text_str(&text), "secret"));
    assert_int_equal(
        state_later_failed(*state, list.items[0].entry, "bad \033[2J", 5000, true, NULL), 0);
    text_reset(&text);
    assert_int_equal(state_report_later_text(*state, &style, &text, NULL), 0);
    assert_non_null(strstr(text_str(&text), "bad \\x1b[2J; tried again at 19"));
    assert_int_equal(state_report_later_json(*state, &json, NULL), 0);
    assert_non_null(strstr(text_str(&json), "\"tries\": 1"));
    assert_non_null(strstr(text_str(&json), "\"next\": \"1970-01-01T00:00:05.000Z\""));
    assert_non_null(strstr(text_str(&json), "\"at_work\": false"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_what_was_wished), TEST(test_a_newer_wish_replaces),
        TEST(test_its_end),         TEST(test_claims),
        TEST(test_report),          TEST(test_forgotten_with_its_machine),
    };

    (void)setenv("TZ", "UTC", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
