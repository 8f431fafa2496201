#include "deployer/state/report.h"
#include "deployer/state/state.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "deployer/base/folder.h"

#define CLEANUP_STATE CLEANUP(state_free_p)

static char folder[64], path[128];

static int setup(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/dcop-test-state.XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    (void)snprintf(path, sizeof(path), "%s/a/b/state.db", folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    folder_remove(folder);
    return 0;
}

static struct state *open_it(void)
{
    struct state *s = NULL;
    struct error err = {0};

    if (state_open(path, &s, &err) < 0)
        fail_msg("%s", err.text);
    return s;
}

static struct state_pin pin_of(const char *id, const char *fingerprint, enum pin_source source)
{
    return (struct state_pin){.id = (char *)(uintptr_t)id,
                              .fingerprint = (char *)(uintptr_t)fingerprint,
                              .source = source};
}

static int put(struct state *s, const char *id, const char *fingerprint, enum pin_source source)
{
    struct state_pin pin = pin_of(id, fingerprint, source);

    return state_pin_put(s, &pin, NULL);
}

static int replace(struct state *s, const char *id, const char *fingerprint, enum pin_source source)
{
    struct state_pin pin = pin_of(id, fingerprint, source);

    return state_pin_replace(s, &pin, NULL);
}

static void assert_pin(struct state *s, const char *id, const char *fingerprint,
                       enum pin_source source)
{
    CLEANUP(state_pin_clear) struct state_pin pin = {0};

    assert_int_equal(state_pin_get(s, id, &pin, NULL), 0);
    assert_string_equal(pin.fingerprint, fingerprint);
    assert_int_equal(pin.source, source);
    assert_true(pin.created_ms > 0);
    assert_true(pin.retired_ms == 0);
}

static void test_open(void **state)
{
    CLEANUP_STATE struct state *s = open_it(), *again = open_it();
    struct stat st;
    char *value = NULL;

    (void)state;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(state_setting_get(s, "spec", &value, NULL), -ENOENT);
    assert_int_equal(state_setting_set(s, "spec", "pydcop", NULL), 0);
    assert_int_equal(state_setting_set(s, "spec", "/src/pydcop", NULL), 0);
    assert_int_equal(state_setting_get(again, "spec", &value, NULL), 0);
    assert_string_equal(value, "/src/pydcop");
    free(value);
}

static void test_refuses_what_it_does_not_know(void **state)
{
    struct state *s = NULL;
    struct error err = {0};
    sqlite3 *db;
    FILE *f;

    (void)state;
    state_free(open_it());
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA user_version=99", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_int_equal(state_open(path, &s, &err), -ENOTSUP);
    assert_non_null(strstr(err.text, "newer"));
    assert_int_equal(unlink(path), 0);
    f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, "%0999d", 7);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(state_open(path, &s, &err), -EBADMSG);
    assert_int_equal(state_open("/proc/dcop/state.db", &s, &err), -ENOENT);
    assert_null(s);
}

static void test_pins(void **state)
{
    CLEANUP_STATE struct state *s = open_it();
    CLEANUP(state_pins_clear) struct state_pins pins = {0};
    CLEANUP(state_pin_clear) struct state_pin none = {0};
    struct state_pin known = pin_of("id1", "SHA256:a", PIN_ACCEPT);

    (void)state;
    assert_int_equal(state_pin_get(s, "id1", &none, NULL), -ENOENT);
    assert_int_equal(put(s, "id1", "SHA256:a", PIN_ACCEPT), 0);
    assert_pin(s, "id1", "SHA256:a", PIN_ACCEPT);
    /* Another key is never an update. */
    assert_int_equal(put(s, "id1", "SHA256:b", PIN_TRUST), -EEXIST);
    /* The source can only say more. */
    assert_int_equal(put(s, "id1", "SHA256:a", PIN_QUESTION), 0);
    known.key_type = (char *)(uintptr_t) "ssh-ed25519";
    known.key_base64 = (char *)(uintptr_t) "AAAA";
    assert_int_equal(state_pin_put(s, &known, NULL), 0);
    assert_int_equal(put(s, "id1", "SHA256:a", PIN_ACCEPT), 0);
    assert_pin(s, "id1", "SHA256:a", PIN_QUESTION);
    assert_int_equal(state_pin_list(s, "id1", &pins, NULL), 0);
    assert_int_equal(pins.count, 1);
    assert_string_equal(pins.items[0].key_base64, "AAAA");
}

static void test_retired_pins(void **state)
{
    CLEANUP_STATE struct state *s = open_it();
    CLEANUP(state_pins_clear) struct state_pins pins = {0};

    (void)state;
    assert_int_equal(state_pin_retire(s, "id1", NULL), -ENOENT);
    assert_int_equal(put(s, "id1", "SHA256:a", PIN_ACCEPT), 0);
    assert_int_equal(replace(s, "id1", "SHA256:b", PIN_SIGNATURE), -EPERM);
    assert_int_equal(replace(s, "id1", "SHA256:b", PIN_QUESTION), 0);
    assert_pin(s, "id1", "SHA256:b", PIN_QUESTION);
    assert_int_equal(state_pin_was_retired(s, "id1", "SHA256:a", NULL), 0);
    assert_int_equal(state_pin_was_retired(s, "id1", "SHA256:b", NULL), -ENOENT);
    assert_int_equal(state_pin_retire(s, "id1", NULL), 0);
    /* Only a person brings a retired key back. */
    assert_int_equal(put(s, "id1", "SHA256:a", PIN_SIGNATURE), -EKEYREVOKED);
    assert_int_equal(put(s, "id1", "SHA256:a", PIN_ACCEPT), -EKEYREVOKED);
    assert_int_equal(put(s, "id1", "SHA256:a", PIN_TRUST), 0);
    assert_pin(s, "id1", "SHA256:a", PIN_TRUST);
    assert_int_equal(state_pin_list(s, NULL, &pins, NULL), 0);
    assert_int_equal(pins.count, 2);
    assert_string_equal(pins.items[0].fingerprint, "SHA256:a");
    assert_true(pins.items[1].retired_ms > 0);
}

static void test_names(void **state)
{
    CLEANUP_STATE struct state *s = open_it();
    CLEANUP_STRINGS struct strings names = {0}, got = {0};
    char *id = NULL;
    bool now;

    (void)state;
    assert_int_equal(state_name_holder(s, "default", "a1", &id, &now, NULL), -ENOENT);
    assert_int_equal(strings_add(&names, "a2"), 0);
    assert_int_equal(strings_add(&names, "a1"), 0);
    assert_int_equal(state_names_set(s, "default", "id1", &names, NULL), 0);
    assert_int_equal(state_names_get(s, "default", "id1", &got, NULL), 0);
    assert_true(strings_equal(&names, &got));
    assert_int_equal(state_names_set(s, "default", "id2", &names, NULL), 0);
    assert_int_equal(state_names_get(s, "default", "id1", &got, NULL), 0);
    assert_int_equal(got.count, 0);
    strings_clear(&names);
    assert_int_equal(state_names_set(s, "default", "id2", &names, NULL), 0);
    /* Given up, not forgotten. */
    assert_int_equal(state_name_holder(s, "default", "a1", &id, &now, NULL), 0);
    assert_string_equal(id, "id2");
    assert_false(now);
    free(id);
    assert_int_equal(state_name_holder(s, "lab", "a1", &id, NULL, NULL), -ENOENT);
}

#define S(literal) ((char *)(uintptr_t)(literal))

static void test_runs(void **state)
{
    CLEANUP_STATE struct state *s = open_it();
    CLEANUP(state_runs_clear) struct state_runs runs = {0};
    CLEANUP(state_results_clear) struct state_results results = {0};
    struct state_run run = {.verb = S("deploy"), .spec = S("pydcop")};
    struct state_result result = {
        .machine = S("id1"), .agent = S("a1"), .step = S("apt"), .status = S("failed")};
    int64_t first, second;

    (void)state;
    assert_int_equal(strings_add(&run.files, "a.yaml"), 0);
    assert_int_equal(strings_add(&run.files, "b.yaml"), 0);
    assert_int_equal(state_run_begin(s, &run, &first, NULL), 0);
    assert_int_equal(state_run_begin(s, &run, &second, NULL), 0);
    assert_true(second > first);
    result.output = malloc(2 * STATE_OUTPUT_MAX + 1);
    memset(result.output, 'x', 2 * STATE_OUTPUT_MAX);
    strcpy(result.output + 2 * STATE_OUTPUT_MAX - 3, "end");
    assert_int_equal(state_run_result(s, first, &result, NULL), 0);
    free(result.output);
    result.output = S("all");
    result.step = S("unit");
    assert_int_equal(state_run_result(s, first, &result, NULL), 0);
    result.status = S("ok");
    assert_int_equal(state_run_result(s, first, &result, NULL), 0);
    assert_int_equal(state_run_end(s, first, RUN_FAILED, NULL), 0);
    assert_int_equal(state_run_list(s, 10, &runs, NULL), 0);
    assert_int_equal(runs.count, 2);
    assert_true(runs.items[0].number == second);
    assert_int_equal(runs.items[0].status, RUN_RUNNING);
    assert_true(runs.items[0].alive);
    assert_int_equal(runs.items[1].status, RUN_FAILED);
    assert_true(runs.items[1].ended_ms >= runs.items[1].started_ms);
    assert_int_equal(runs.items[1].files.count, 2);
    assert_string_equal(runs.items[1].files.items[1], "b.yaml");
    assert_int_equal(state_result_list(s, first, &results, NULL), 0);
    assert_int_equal(results.count, 2);
    assert_int_equal(strlen(results.items[0].output), STATE_OUTPUT_MAX);
    assert_non_null(strstr(results.items[0].output, "xend"));
    assert_string_equal(results.items[1].status, "ok");
    assert_null(results.items[1].host);
    strings_clear(&run.files);
}

/* Of what -s named: the database is no place for it. */
static void test_no_password_of_a_url(void **state)
{
    static const char given[] = "git+https://me:secret@git.example/x.git";
    static const char kept[] = "git+https://git.example/x.git";
    CLEANUP_STATE struct state *s = NULL;
    CLEANUP(state_run_clear) struct state_run back = {0};
    struct state_run run = {.verb = S("deploy"), .spec = S(given)};
    CLEANUP_FREE char *setting = NULL;
    int64_t number;

    (void)state;
    assert_int_equal(state_open(":memory:", &s, NULL), 0);
    assert_int_equal(state_wish_add(&run.wish, "pydcop", given), 0);
    assert_int_equal(state_run_begin(s, &run, &number, NULL), 0);
    assert_int_equal(state_run_get(s, number, &back, NULL), 0);
    assert_string_equal(back.spec, kept);
    assert_string_equal(state_wish_get(&back.wish, "pydcop", 0), kept);
    assert_int_equal(state_setting_set(s, STATE_SETTING_SPEC, given, NULL), 0);
    assert_int_equal(state_setting_get(s, STATE_SETTING_SPEC, &setting, NULL), 0);
    assert_string_equal(setting, kept);
    strings_clear(&run.wish);
}

/* A run of many machines, one of which said much, is read in pages of a bounded size. */
static void test_run_in_pages(void **state)
{
    enum { MACHINES = 40, STEPS = 5 };
    CLEANUP_STATE struct state *s = NULL;
    struct state_target targets[MACHINES] = {0};
    struct state_run run = {.verb = S("deploy"), .targets = {targets, MACHINES}};
    struct state_report_page page = {.bounded = true};
    char ids[MACHINES][17], *much = malloc(STATE_OUTPUT_MAX);
    size_t machines = 0, pages = 0;
    int64_t number;

    (void)state;
    memset(much, 'x', STATE_OUTPUT_MAX);
    much[STATE_OUTPUT_MAX - 1] = '\0';
    assert_int_equal(state_open(":memory:", &s, NULL), 0);
    for (int i = 0; i < MACHINES; i++) {
        (void)snprintf(ids[i], sizeof(ids[i]), "%016d", i);
        targets[i].machine = ids[i];
    }
    assert_int_equal(state_run_begin(s, &run, &number, NULL), 0);
    for (int i = 0; i < MACHINES; i++)
        for (char step[] = "a"; *step < 'a' + STEPS; ++*step) {
            struct state_result result = {
                .machine = ids[i], .step = step, .status = S("ok"), .output = much};

            assert_int_equal(state_run_result(s, number, &result, NULL), 0);
        }
    for (bool more = true; more; pages++) {
        CLEANUP_TEXT struct text json = TEXT_INIT;
        const char *at, *next;

        assert_int_equal(state_report_run_json(s, number, &page, &json, NULL), 0);
        assert_true(json.size < 2 * STATE_REPORT_PAGE_BYTES);
        for (at = text_str(&json); (at = strstr(at, "\"machine\":")); at++)
            machines++;
        next = strstr(text_str(&json), "\"next\": ");
        more = next != NULL;
        if (more)
            page.from = strtoul(next + strlen("\"next\": "), NULL, 10);
    }
    assert_int_equal(machines, MACHINES);
    assert_true(pages > 5);
    for (int i = 0; i < 2; i++) {
        CLEANUP_TEXT struct text json = TEXT_INIT;

        page = (struct state_report_page){.machine = i ? "nobody" : ids[MACHINES - 1],
                                          .bounded = true};
        assert_int_equal(state_report_run_json(s, number, &page, &json, NULL), 0);
        assert_int_equal(strstr(text_str(&json), ids[MACHINES - 1]) != NULL, i == 0);
        assert_null(strstr(text_str(&json), ids[0]));
        assert_null(strstr(text_str(&json), "\"next\""));
        assert_int_equal(strstr(text_str(&json), "\"output\"") != NULL, i == 0);
        text_reset(&json);
        page.quiet = true;
        assert_int_equal(state_report_run_json(s, number, &page, &json, NULL), 0);
        assert_null(strstr(text_str(&json), "\"output\""));
    }
    free(much);
}

static void test_old_runs_go(void **state)
{
    CLEANUP_STATE struct state *s = NULL;
    CLEANUP(state_runs_clear) struct state_runs runs = {0};
    CLEANUP(state_results_clear) struct state_results results = {0};
    struct state_run run = {.verb = S("deploy")};
    struct state_result result = {.machine = S("id1"), .status = S("ok")};
    int64_t first, last = 0;

    (void)state;
    assert_int_equal(state_open(":memory:", &s, NULL), 0);
    assert_int_equal(state_run_begin(s, &run, &first, NULL), 0);
    assert_int_equal(state_run_result(s, first, &result, NULL), 0);
    for (int i = 0; i < STATE_RUNS_KEPT + 5; i++)
        assert_int_equal(state_run_begin(s, &run, &last, NULL), 0);
    assert_int_equal(state_run_list(s, SIZE_MAX, &runs, NULL), 0);
    assert_int_equal(runs.count, STATE_RUNS_KEPT);
    assert_true(runs.items[0].number == last);
    assert_int_equal(state_result_list(s, first, &results, NULL), 0);
    assert_int_equal(results.count, 0);
}

/* Processes that open, make and fill one new file at once; some are killed in
 * the middle.  What is there in the end is whole. */
static void writer(int number)
{
    struct state *s = NULL;
    struct state_run run = {.verb = S("deploy")};
    int64_t n;

    if (state_open(path, &s, NULL) < 0)
        _exit(1);
    /* Fewer than STATE_RUNS_KEPT all together: a forgotten run takes no result. */
    for (int i = 0; i < (number % 2 ? 60 : 20); i++) {
        char machine[16];
        struct state_result result = {.machine = machine, .step = S("apt"), .status = S("ok")};

        if (state_run_begin(s, &run, &n, NULL) < 0)
            _exit(2);
        for (int j = 0; j < 5; j++) {
            (void)snprintf(machine, sizeof(machine), "id%d", j);
            if (state_run_result(s, n, &result, NULL) < 0)
                _exit(3);
        }
    }
    while (number % 2) /* it is to be killed, here or on the way here */
        (void)pause();
    state_free(s);
    _exit(0);
}

static void test_many_at_once_and_killed(void **state)
{
    CLEANUP_STATE struct state *s = NULL;
    CLEANUP(state_runs_clear) struct state_runs runs = {0};
    pid_t pids[6];

    (void)state;
    for (int i = 0; i < 6; i++) {
        pids[i] = fork();
        if (pids[i] == 0)
            writer(i);
    }
    for (int i = 0; i < 6; i += 2) {
        int status;

        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
    for (int i = 1; i < 6; i += 2) {
        assert_int_equal(kill(pids[i], SIGKILL), 0);
        assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);
    }
    s = open_it();
    assert_int_equal(state_run_list(s, 10, &runs, NULL), 0);
    assert_true(runs.count == 10);
    for (size_t i = 0; i < runs.count; i++) {
        assert_int_equal(runs.items[i].status, RUN_RUNNING);
        assert_false(runs.items[i].alive);
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_open),         TEST(test_refuses_what_it_does_not_know),
        TEST(test_pins),         TEST(test_retired_pins),
        TEST(test_names),        TEST(test_runs),
        TEST(test_run_in_pages), TEST(test_no_password_of_a_url),
        TEST(test_old_runs_go),  TEST(test_many_at_once_and_killed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
