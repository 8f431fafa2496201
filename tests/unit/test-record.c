#include "deployer/run/record.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "deployer/base/folder.h"

static char folder[64], ended[64];
static struct state *state;
static struct record *record;
static int64_t run;

/* A file that may not grow stands for a disk that is full. */
static void disk_is_full(bool full)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = full ? 1 : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static int setup(void **unused)
{
    char path[128];
    const struct state_run begun = {.verb = (char *)(uintptr_t) "deploy"};

    (void)unused;
    (void)signal(SIGXFSZ, SIG_IGN);
    strcpy(folder, "/tmp/dcop-test-record.XXXXXX");
    *ended = '\0';
    if (!mkdtemp(folder))
        return -1;
    (void)snprintf(path, sizeof(path), "%s/state.db", folder);
    if (state_open(path, &state, NULL) < 0 || record_new(state, &record) < 0)
        return -1;
    return state_run_begin(state, &begun, &run, NULL);
}

static int teardown(void **unused)
{
    (void)unused;
    record_free(record);
    state_free(state);
    folder_remove(folder);
    return 0;
}

static struct state_result result_of(const char *step)
{
    return (struct state_result){.machine = (char *)(uintptr_t) "00000000000000aa",
                                 .step = (char *)(uintptr_t)step,
                                 .status = (char *)(uintptr_t) "changed",
                                 .output = (char *)(uintptr_t) "said\n"};
}

static void on_ended(int64_t number, void *arg)
{
    assert_ptr_equal(arg, ended);
    (void)snprintf(ended + strlen(ended), sizeof(ended) - strlen(ended), "%" PRIi64 " ", number);
}

static void steps_are(const char *wanted)
{
    struct state_results results = {0};
    char steps[64] = "";

    assert_int_equal(state_result_list(state, run, &results, NULL), 0);
    for (size_t i = 0; i < results.count; i++) {
        assert_string_equal(results.items[i].output, "said\n");
        (void)snprintf(steps + strlen(steps), sizeof(steps) - strlen(steps), "%s ",
                       results.items[i].step);
    }
    assert_string_equal(steps, wanted);
    state_results_clear(&results);
}

static void status_is(enum run_status wanted)
{
    struct state_run seen = {0};

    assert_int_equal(state_run_get(state, run, &seen, NULL), 0);
    assert_int_equal(seen.status, wanted);
    state_run_clear(&seen);
}

/* Everything up to the run's end while nothing can be written. */
static void fill(void)
{
    const struct state_result one = result_of("one"), two = result_of("two"),
                              three = result_of("three");
    struct error err = {0};

    assert_int_equal(record_result(record, run, &one, &err), 0);
    disk_is_full(true);
    assert_true(record_result(record, run, &two, &err) < 0);
    assert_non_null(strstr(err.text, "state.db"));
    assert_int_equal(record_result(record, run, &three, &err), 0); /* kept behind it */
    assert_int_equal(record_end(record, run, RUN_FAILED, &err), 0);
    assert_true(record_catch_up(record, on_ended, ended, &err) < 0);
    assert_string_equal(ended, "");
    steps_are("one ");
    status_is(RUN_RUNNING);
    disk_is_full(false);
}

static void test_catches_up(void **unused)
{
    (void)unused;
    fill();
    assert_int_equal(record_catch_up(record, on_ended, ended, NULL), 0);
    steps_are("one two three ");
    status_is(RUN_FAILED);
    assert_int_equal(atoi(ended), run);
    *ended = '\0';
    assert_int_equal(record_catch_up(record, on_ended, ended, NULL), 0);
    assert_string_equal(ended, ""); /* once */
}

static void test_last_chance(void **unused)
{
    (void)unused;
    fill();
    record_free(TAKE_PTR(record));
    steps_are("one two three ");
    status_is(RUN_FAILED);
}

static void test_bounded(void **unused)
{
    struct state_results results = {0};
    char step[16];

    (void)unused;
    disk_is_full(true);
    for (int i = 0; i < RECORD_KEPT_MAX + 10; i++) {
        struct state_result one = result_of(step);

        (void)snprintf(step, sizeof(step), "%d", i);
        (void)record_result(record, run, &one, NULL);
    }
    disk_is_full(false);
    assert_int_equal(record_catch_up(record, NULL, NULL, NULL), 0);
    assert_int_equal(state_result_list(state, run, &results, NULL), 0);
    assert_int_equal(results.count, RECORD_KEPT_MAX);
    state_results_clear(&results);
    assert_int_equal(record_end(record, run, RUN_DONE, NULL), 0); /* nothing is before it */
    status_is(RUN_DONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_catches_up, setup, teardown),
        cmocka_unit_test_setup_teardown(test_last_chance, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bounded, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
