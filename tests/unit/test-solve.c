/* A run as it is told: what is kept of it, its result and whether that is one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "deployer/base/folder.h"
#include "deployer/solve/experiment.h"
#include "deployer/solve/solve.h"
#include "discovery/base/cleanup.h"
#include "discovery/base/file.h"

static void hear(struct solve *s, const char *text)
{
    json_t *event = json_loads(text, 0, NULL);

    assert_non_null(event);
    solve_hear(s, event, NULL);
    json_decref(event);
}

static const char *string_of(const json_t *o, const char *key)
{
    const char *value = json_string_value(json_object_get(o, key));

    return value ? value : "";
}

#define RESULT                                                                                     \
    "{\"event\":\"result\",\"status\":\"%s\",\"assignment\":{\"v1\":\"R\",\"v2\":2},"              \
    "\"missing\":[%s],\"cost\":0.1,\"violations\":0,\"cycles\":3,\"messages\":7,\"time\":4.121}"

static void check_result(const char *status, const char *missing, bool good)
{
    struct solve s;
    char text[512];
    json_t *result;

    assert_int_equal(solve_init(&s), 0);
    (void)snprintf(text, sizeof(text), RESULT, status, missing);
    hear(&s, text);
    solve_hear(&s, NULL, "the orchestrator ended with status 0");
    result = solve_result(&s);
    assert_string_equal(string_of(result, "status"), status);
    assert_int_equal(solve_result_is_good(result), good);
    json_decref(result);
    solve_clear(&s);
}

static void test_good(void **state)
{
    (void)state;
    check_result("finished", "", true);
    check_result("timeout", "", true);
    check_result("stopped", "", false);
    check_result("failed", "", false);
    check_result("finished", "\"v3\"", false);
}

static void test_death_keeps_what_there_was(void **state)
{
    struct solve s;
    json_t *result;

    (void)state;
    assert_int_equal(solve_init(&s), 0);
    hear(&s, "{\"event\":\"values\",\"values\":{\"v1\":\"R\",\"v2\":\"G\"}}");
    hear(&s, "{\"event\":\"values\",\"values\":{\"v1\":\"B\"}}");
    hear(&s, "{\"event\":\"metrics\",\"time\":1.5,\"cycle\":4,\"cost\":12,\"messages\":9}");
    hear(&s, "{\"event\":\"gone\",\"agent\":\"a2\",\"reason\":\"its program has ended\"}");
    solve_hear(&s, NULL, "the orchestrator was ended by signal 9 (Killed)");
    result = solve_result(&s);
    assert_string_equal(string_of(result, "status"), "failed");
    assert_string_equal(string_of(result, "reason"), s.death);
    assert_string_equal(string_of(json_object_get(result, "assignment"), "v1"), "B");
    assert_string_equal(string_of(json_object_get(result, "assignment"), "v2"), "G");
    assert_int_equal(json_integer_value(json_object_get(result, "cost")), 12);
    assert_int_equal(json_integer_value(json_object_get(result, "cycles")), 4);
    assert_false(solve_result_is_good(result));
    assert_int_equal(s.gone.count, 1);
    assert_string_equal(text_str(&s.metrics),
                        "time,cycle,cost,violations,messages,bytes\n1.5,4,12,,9,\n");
    json_decref(result);
    solve_clear(&s);
}

static void check_refusal(const char *event, int code)
{
    struct solve s;

    assert_int_equal(solve_init(&s), 0);
    hear(&s, event);
    assert_non_null(s.refusal);
    assert_int_equal(s.code, code);
    solve_clear(&s);
}

static void test_refusal(void **state)
{
    (void)state;
    check_refusal("{\"event\":\"refused\",\"reason\":\"x\",\"code\":2}", 2);
    check_refusal("{\"event\":\"refused\",\"reason\":\"x\",\"code\":0}", 1);
    check_refusal("{\"event\":\"refused\",\"reason\":\"x\"}", 1);
}

static void test_stopped(void **state)
{
    struct solve s;
    json_t *result;

    (void)state;
    assert_int_equal(solve_init(&s), 0);
    s.stopped = true;
    assert_false(solve_has_run(&s));
    solve_hear(&s, NULL, "the orchestrator ended with status 1");
    result = solve_result(&s);
    assert_string_equal(string_of(result, "status"), "stopped");
    assert_string_equal(string_of(result, "reason"), "stopped by the user");
    json_decref(result);
    s.begun = true;
    assert_true(solve_has_run(&s));
    solve_clear(&s);
}

/* Once the agents were asked to run, what goes wrong is a failure of the run, which is kept. */
static void test_refusal_too_late(void **state)
{
    struct solve s;
    json_t *result;

    (void)state;
    assert_int_equal(solve_init(&s), 0);
    assert_true(solve_has_run(&s));
    hear(&s, "{\"event\":\"values\",\"values\":{\"v1\":\"R\"}}");
    hear(&s, "{\"event\":\"refused\",\"reason\":\"x\"}");
    assert_false(solve_has_run(&s));
    s.begun = true;
    assert_true(solve_has_run(&s));
    result = solve_result(&s);
    assert_string_equal(string_of(result, "status"), "failed");
    assert_string_equal(string_of(result, "reason"), "x");
    assert_string_equal(string_of(json_object_get(result, "assignment"), "v1"), "R");
    json_decref(result);
    solve_clear(&s);
}

/* An event is what a process says that the network can reach. */
static void test_hostile_events(void **state)
{
    static const char *const events[] = {
        "{\"event\":\"values\",\"values\":[1]}",   "{\"event\":\"values\"}",
        "{\"event\":\"metrics\",\"time\":\"x\"}",  "{\"event\":\"result\"}",
        "{\"event\":\"gone\",\"agent\":{}}",       "{\"event\":\"refused\",\"reason\":7}",
        "{\"event\":\"prepared\",\"notes\":true}", "{\"event\":\"unheard-of\"}",
    };
    static char bytes[1024 * 1024];
    struct text text = TEXT_INIT;
    struct solve s;
    json_t *result, *huge;
    char name[64];

    (void)state;
    assert_int_equal(solve_init(&s), 0);
    for (size_t i = 0; i < sizeof(events) / sizeof(*events); i++)
        hear(&s, events[i]);
    for (size_t i = 0; i < SOLVE_EVENTS_MAX + 10; i++)
        hear(&s, "{\"event\":\"registered\",\"agent\":\"a1\"}");
    assert_int_equal(json_array_size(s.events), SOLVE_EVENTS_MAX);
    solve_clear(&s);

    assert_int_equal(solve_init(&s), 0);
    s.agents_max = 2;
    for (size_t i = 0; i < 10; i++) {
        (void)snprintf(name, sizeof(name), "{\"event\":\"gone\",\"agent\":\"a%zu\"}", i / 3);
        hear(&s, name);
        (void)snprintf(name, sizeof(name), "{\"event\":\"unregistered\",\"agent\":\"a%zu\"}",
                       i / 3);
        hear(&s, name);
    }
    assert_int_equal(s.gone.count, 2);
    assert_int_equal(s.missing.count, 2);
    memset(bytes, 'x', sizeof(bytes));
    huge = json_pack("{s:s, s:o}", "event", "started", "x", json_stringn(bytes, sizeof(bytes)));
    for (size_t i = 0; i < SOLVE_EVENTS_SIZE / sizeof(bytes) + 10; i++)
        solve_hear(&s, huge, NULL);
    json_decref(huge);
    assert_true(s.events_size <= SOLVE_EVENTS_SIZE);
    assert_true(json_array_size(s.events) <= 20 + SOLVE_EVENTS_SIZE / sizeof(bytes));
    result = solve_result(&s);
    assert_false(solve_result_is_good(result));
    assert_int_equal(solve_result_text(result, &text), 0);
    text_clear(&text);
    json_decref(result);
    solve_clear(&s);
}

static void test_text(void **state)
{
    struct text text = TEXT_INIT;
    char line[512];
    json_t *result;

    (void)state;
    (void)snprintf(line, sizeof(line), RESULT, "timeout", "");
    result = json_loads(line, 0, NULL);
    (void)json_object_set_new(json_object_get(result, "assignment"), "v2", json_string("\033[2J"));
    assert_int_equal(solve_result_text(result, &text), 0);
    assert_string_equal(
        text_str(&text),
        "  v1 = R\n  v2 = \\x1b[2J\ncost 0.1, violated constraints 0; timeout after "
        "4.121 s, cycles 3, messages 7\n");
    text_clear(&text);
    json_decref(result);
}

static void test_repairs(void **state)
{
    struct text text = TEXT_INIT;
    struct solve s;
    json_t *result;

    (void)state;
    assert_int_equal(solve_init(&s), 0);
    hear(&s, "{\"event\":\"repaired\"}");
    hear(&s,
         "{\"event\":\"result\",\"status\":\"timeout\",\"assignment\":{\"v1\":1},\"missing\":[],"
         "\"repairs\":[{\"agents\":[{\"agent\":\"a1\",\"reason\":\"it has\\nended\"},"
         "{\"agent\":\"a2\",\"reason\":\"no "
         "plug\"}],\"moved\":[{\"computation\":\"v1\",\"from\":\"a1\","
         "\"to\":\"a3\"},{\"computation\":\"c1\",\"from\":\"a1\",\"to\":\"a4\"}]},7]}");
    result = solve_result(&s);
    assert_true(solve_result_is_good(result));
    assert_int_equal(solve_result_text(result, &text), 0);
    assert_string_equal(text_str(&text),
                        "  v1 = 1\ntimeout\n"
                        "lost a1 (it has\\x0aended): v1 went to a3, c1 went to a4\n"
                        "lost a2 (no plug)\n");
    json_decref(result);
    text_clear(&text);
    solve_clear(&s);
}

static void check_log(const struct experiment *e, const char *name, const char *expected)
{
    CLEANUP_FREE char *path = path_join(e->folder, name);
    struct text text = TEXT_INIT;

    assert_int_equal(file_read(path, 100, &text, NULL), 0);
    assert_string_equal(text_str(&text), expected);
    text_clear(&text);
}

static void test_logs_of_one_name(void **state)
{
    char top[] = "/tmp/test-solve.XXXXXX";
    const struct experiment e = {.folder = top};
    struct text log = TEXT_INIT;

    (void)state;
    assert_non_null(mkdtemp(top));
    text_addc(&log, '1');
    assert_int_equal(experiment_write_log(&e, "pi 1", &log, NULL), 0);
    text_addc(&log, '2');
    assert_int_equal(experiment_write_log(&e, "pi/1", &log, NULL), 0);
    text_addc(&log, '3');
    assert_int_equal(experiment_write_log(&e, "pi_1", &log, NULL), 0);
    check_log(&e, "logs/pi_1.log", "1");
    check_log(&e, "logs/pi_1-2.log", "12");
    check_log(&e, "logs/pi_1-3.log", "123");
    text_clear(&log);
    folder_remove(top);
}

/* One that was kept elsewhere is found beside the others. */
static void test_link(void **state)
{
    char top[] = "/tmp/test-solve.XXXXXX", path[128];
    const struct paths paths = {.state = top};
    const struct experiment e = {.folder = top};
    struct stat st;

    (void)state;
    assert_non_null(mkdtemp(top));
    experiment_link(&e, &paths, "a/b", 0);
    experiment_link(&e, &paths, "a/b", 0);
    (void)snprintf(path, sizeof(path), "%s/experiments/1970-01-01T00:00:00Z-a_b", top);
    assert_int_equal(lstat(path, &st), 0);
    (void)snprintf(path, sizeof(path), "%s/experiments/1970-01-01T00:00:00Z-a_b-2/experiments",
                   top);
    assert_int_equal(stat(path, &st), 0);
    folder_remove(top);
}

static void check_name(const char *name, const char *expected)
{
    struct text text = TEXT_INIT;

    experiment_add_name(name, &text);
    assert_string_equal(text_str(&text), expected);
    text_clear(&text);
}

static void test_names(void **state)
{
    (void)state;
    check_name("rpi-1.local", "rpi-1.local");
    check_name("../../etc/passwd", "_._.._etc_passwd");
    check_name("", "_");
    check_name("a b\n", "a_b_");
}

static void test_command(void **state)
{
    struct strings words = {0};
    struct text text = TEXT_INIT;

    (void)state;
    assert_int_equal(strings_add(&words, "dcop-deploy"), 0);
    assert_int_equal(strings_add(&words, "it's here.yaml"), 0);
    assert_int_equal(strings_add(&words, ""), 0);
    assert_int_equal(strings_add(&words, "git+https://me:secret@host/x.git"), 0);
    experiment_add_command(&words, &text);
    assert_string_equal(text_str(&text),
                        "dcop-deploy 'it'\\''s here.yaml' '' 'git+https://***@host/x.git'");
    text_clear(&text);
    strings_clear(&words);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),           cmocka_unit_test(test_death_keeps_what_there_was),
        cmocka_unit_test(test_hostile_events), cmocka_unit_test(test_logs_of_one_name),
        cmocka_unit_test(test_link),           cmocka_unit_test(test_stopped),
        cmocka_unit_test(test_refusal),        cmocka_unit_test(test_refusal_too_late),
        cmocka_unit_test(test_text),           cmocka_unit_test(test_repairs),
        cmocka_unit_test(test_names),          cmocka_unit_test(test_command),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
