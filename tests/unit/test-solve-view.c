/* What the service shows of a run, from the run's events, hostile ones too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "deployer/controller/solve-view.h"
#include "discovery/base/cleanup.h"
#include "discovery/base/process.h"
#include "discovery/base/text.h"

static struct solve_view view;

static int setup(void **state)
{
    json_t *asked = json_pack("{s:s, s:i, s:i}", "algorithm", "mgm", "seed", 7, "heal", 1);
    int r = solve_view_init(&view, asked, 1000);

    (void)state;
    json_decref(asked);
    solve_view_add_agent(&view, "a1", "rpi-1");
    solve_view_add_agent(&view, "a2", NULL);
    return r;
}

static int teardown(void **state)
{
    (void)state;
    solve_view_clear(&view);
    return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static void hear(const char *line)
{
    json_t *event = json_loads(line, 0, NULL);

    assert_non_null(event);
    solve_view_hear(&view, event);
    json_decref(event);
}

/* What it shows, without `notes`, with sorted keys. */
static void check(const char *expected)
{
    json_t *now = solve_view_json(&view), *want = json_loads(expected, 0, NULL), *value;
    const char *key;

    assert_non_null(now);
    assert_non_null(want);
    json_object_foreach(want, key, value)
    {
        CLEANUP_FREE char *is =
            json_dumps(json_object_get(now, key), JSON_ENCODE_ANY | JSON_COMPACT);
        CLEANUP_FREE char *should = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);

        if (!string_equal(is, should))
            print_message("%s\n", key);
        assert_string_equal(is ? is : "none", should);
    }
    json_decref(now);
    json_decref(want);
}

static void test_a_run(void **state)
{
    (void)state;
    check("{\"id\": null, \"state\": \"starting\", \"algorithm\": \"mgm\", \"distribution\": null,"
          "\"seed\": 7, \"time_limit\": null, \"heal\": 1, \"started\": 1000, \"ended\": null,"
          "\"registered\": 0, \"time\": 0, \"cost\": null, \"values\": {}, \"notes\": [],"
          "\"status\": null, \"reason\": null, \"left_out\": false,"
          "\"agents\": [{\"name\": \"a1\", \"host\": \"rpi-1\", \"state\": \"waiting\","
          "\"variables\": []}, {\"name\": \"a2\", \"host\": null, \"state\": \"waiting\","
          "\"variables\": []}]}");
    hear("{\"event\": \"prepared\", \"algorithm\": \"mgm\", \"distribution\": \"adhoc\","
         "\"computations\": 2, \"variables\": 2, \"hosts\": {\"v1\": \"a1\", \"v2\": \"a2\"},"
         "\"notes\": [\"distribution adhoc\"]}");
    hear("{\"event\": \"registered\", \"agent\": \"a2\", \"host\": \"rpi-2\", \"count\": 1}");
    hear("{\"event\": \"registered\", \"agent\": \"a1\", \"host\": \"rpi-1\", \"count\": 2}");
    hear("{\"event\": \"started\", \"computations\": 2, \"agents\": 2}");
    hear("{\"event\": \"value\", \"variable\": \"v1\", \"value\": \"R\", \"at\": 1}");
    hear("{\"event\": \"value\", \"variable\": \"v1\", \"value\": \"G\", \"at\": 2}");
    hear("{\"event\": \"metrics\", \"time\": 1.5, \"cycle\": 3, \"cost\": null, \"violations\": 0,"
         "\"messages\": 12, \"bytes\": 100}");
    check("{\"state\": \"running\", \"distribution\": \"adhoc\", \"registered\": 2, \"time\": 1.5,"
          "\"cost\": null, \"cycle\": 3, \"messages\": 12, \"values\": {\"v1\": \"G\"},"
          "\"notes\": [\"distribution adhoc\"], \"agents\": ["
          "{\"name\": \"a1\", \"host\": \"rpi-1\", \"state\": \"registered\", \"variables\":"
          "[\"v1\"]}, {\"name\": \"a2\", \"host\": \"rpi-2\", \"state\": \"registered\","
          "\"variables\": [\"v2\"]}]}");
    hear(
        "{\"event\": \"gone\", \"agent\": \"a1\", \"host\": \"rpi-1\", \"reason\": \"it is off\"}");
    hear("{\"event\": \"repaired\", \"agents\": [], \"took\": 1, \"moved\": [{\"computation\": "
         "\"v1\", \"from\": \"a1\", \"to\": \"a2\"}]}");
    check("{\"registered\": 1, \"notes\": [\"distribution adhoc\", \"a1 on rpi-1 has gone: it is "
          "off\", \"repaired: v1 is now on a2 (rpi-2)\"], \"agents\": ["
          "{\"name\": \"a1\", \"host\": \"rpi-1\", \"state\": \"gone\", \"variables\": []},"
          "{\"name\": \"a2\", \"host\": \"rpi-2\", \"state\": \"registered\", \"variables\":"
          "[\"v2\", \"v1\"]}]}");
    hear("{\"event\": \"result\", \"status\": \"timeout\", \"reason\": null, \"cost\": 2.5,"
         "\"violations\": 0, \"cycles\": 9, \"messages\": 20, \"time\": 60.25,"
         "\"assignment\": {\"v1\": \"B\", \"v2\": \"R\"}, \"folder\": \"/s/experiments/id-1\"}");
    assert_string_equal(solve_view_id(&view), "id-1");
    check("{\"state\": \"ending\"}");
    solve_view_end(&view, 0, 0, 2000);
    check("{\"id\": \"id-1\", \"state\": \"ended\", \"status\": \"timeout\", \"reason\": null,"
          "\"ended\": 2000, \"cost\": 2.5, \"cycle\": 9, \"time\": 60.25,"
          "\"values\": {\"v1\": \"B\", \"v2\": \"R\"}}");
}

/* In a factor graph constraints are computations, too. */
static void test_variables_alone(void **state)
{
    (void)state;
    hear("{\"event\": \"prepared\", \"computations\": 2, \"variables\": 1,"
         "\"hosts\": {\"v1\": \"a1\", \"c1\": \"a1\"}}");
    hear("{\"event\": \"value\", \"variable\": \"v1\", \"value\": 1}");
    check("{\"agents\": [{\"name\": \"a1\", \"host\": \"rpi-1\", \"state\": \"waiting\","
          "\"variables\": [\"v1\"]}, {\"name\": \"a2\", \"host\": null, \"state\": \"waiting\","
          "\"variables\": []}]}");
}

static void test_ends_without_a_result(void **state)
{
    (void)state;
    solve_view_note(&view, "a1 on rpi-1: nothing is deployed there");
    solve_view_note(&view, "dcop-deploy: cannot ask http://me:secret@index/");
    solve_view_end(&view, 2, 3, 2000);
    check("{\"state\": \"ended\", \"status\": \"failed\","
          "\"reason\": \"cannot ask http://***@index/\","
          "\"notes\": [\"a1 on rpi-1: nothing is deployed there\","
          "\"dcop-deploy: cannot ask http://***@index/\","
          "\"3 events of the run were too long or no events, and are left out\"]}");
}

/* Its result has not arrived here, and is kept. */
static void test_result_is_too_long(void **state)
{
    (void)state;
    solve_view_note(&view, "Warning: the clock of a1 is 3 s behind.");
    solve_view_end(&view, 0, 1, 2000);
    check("{\"state\": \"ended\", \"status\": \"finished\", \"reason\":"
          "\"the result is too large to be shown here; it is among the experiments\"}");
}

static void test_stopped_with_a_result_that_is_too_long(void **state)
{
    (void)state;
    solve_view_stop(&view);
    solve_view_end(&view, 0, 1, 2000);
    check("{\"state\": \"ended\", \"status\": \"stopped\", \"reason\": \"stopped by the user\"}");
}

static void test_is_killed(void **state)
{
    (void)state;
    solve_view_end(&view, PROCESS_SIGNALLED + SIGKILL, 0, 2000);
    check("{\"status\": \"failed\", \"reason\": \"dcop-deploy was ended by signal 9 (Killed)\"}");
}

static void test_is_stopped(void **state)
{
    (void)state;
    solve_view_stop(&view);
    check("{\"state\": \"ending\", \"status\": null}");
    hear("{\"event\": \"started\"}"); /* on its way when it was stopped */
    check("{\"state\": \"ending\"}");
    solve_view_end(&view, PROCESS_SIGNALLED + SIGINT, 0, 2000);
    check("{\"state\": \"ended\", \"status\": \"stopped\", \"reason\": \"stopped by the user\"}");
    hear("{\"event\": \"started\"}");
    check("{\"state\": \"ended\"}");
}

static void test_wrong_types(void **state)
{
    static const char *const events[] = {
        "{\"event\": \"prepared\", \"algorithm\": 1, \"notes\": 2, \"hosts\": [1]}",
        "{\"event\": \"prepared\", \"notes\": [3, {}], \"hosts\": {\"v1\": 4, \"v2\": \"nobody\"}}",
        "{\"event\": \"registered\", \"agent\": null}",
        "{\"event\": \"registered\"}",
        "{\"event\": \"gone\", \"agent\": []}",
        "{\"event\": \"value\", \"variable\": 5, \"value\": 1}",
        "{\"event\": \"value\", \"variable\": \"v9\"}",
        "{\"event\": \"metrics\", \"time\": \"x\", \"cost\": {}, \"cycle\": []}",
        "{\"event\": \"repaired\", \"moved\": [1, {\"computation\": \"v1\"}], \"agents\": 3}",
        "{\"event\": \"lost\", \"reason\": 3}",
        "{\"event\": \"something new\"}",
        "{\"event\": 7}",
        "{}",
        "[]",
        "{\"event\": \"result\", \"status\": {}, \"assignment\": 3, \"folder\": 4, \"reason\": 1}",
        "{\"event\": \"result\", \"folder\": \"/s/experiments/\"}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(events); i++)
        hear(events[i]);
    check("{\"id\": null, \"algorithm\": \"mgm\", \"time\": 0, \"cost\": null, \"values\": {},"
          "\"notes\": [], \"registered\": 0, \"status\": null, \"reason\": null}");
    solve_view_end(&view, 1, 0, 2000);
    check("{\"status\": \"failed\", \"reason\": \"dcop-deploy ended with status 1\"}");
}

static size_t shown_size(void)
{
    json_t *now = solve_view_json(&view);
    size_t size = json_dumpb(now, NULL, 0, JSON_COMPACT);

    json_decref(now);
    return size;
}

static void test_bounds(void **state)
{
    CLEANUP_TEXT struct text long_words = TEXT_INIT;

    (void)state;
    for (int i = 0; i < 5000; i++)
        text_adds(&long_words, "é");
    for (int i = 0; i < 20000; i++) {
        char name[32];
        json_t *event;

        (void)snprintf(name, sizeof(name), "x%d", i);
        event = json_pack("{s:s, s:s, s:s}", "event", "value", "variable", name, "value",
                          i == 0 ? text_str(&long_words) : "0123456789");
        solve_view_hear(&view, event);
        json_decref(event);
        event = json_pack("{s:s, s:s, s:s}", "event", "registered", "agent", name, "host", name);
        solve_view_hear(&view, event);
        json_decref(event);
        event = json_pack("{s:s, s:{s:s}, s:i, s:i}", "event", "prepared", "hosts", name, name,
                          "computations", 1, "variables", 1);
        solve_view_hear(&view, event);
        json_decref(event);
        solve_view_note(&view, text_str(&long_words));
    }
    hear("{\"event\": \"value\", \"variable\": \"x0\", \"value\": 1}");
    check("{\"left_out\": true}");
    assert_true(shown_size() < 1024 * 1024);
    assert_true(view.values_size <= SOLVE_VIEW_VALUES_MAX);
    assert_int_equal(json_array_size(view.notes), SOLVE_VIEW_NOTES_MAX);
    assert_int_equal(json_string_length(json_array_get(view.notes, 0)), SOLVE_VIEW_WORDS_MAX);
}

/* A value that grows too large goes, and its room is free again. */
static void test_a_value_grows(void **state)
{
    CLEANUP_TEXT struct text words = TEXT_INIT;
    json_t *event;

    (void)state;
    hear("{\"event\": \"value\", \"variable\": \"v1\", \"value\": 1}");
    for (int i = 0; i < SOLVE_VIEW_VALUES_MAX; i++)
        text_addc(&words, 'x');
    event =
        json_pack("{s:s, s:s, s:s}", "event", "value", "variable", "v1", "value", text_str(&words));
    solve_view_hear(&view, event);
    json_decref(event);
    check("{\"values\": {}, \"left_out\": true}");
    assert_int_equal(view.values_size, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_run),
        TEST(test_variables_alone),
        TEST(test_ends_without_a_result),
        TEST(test_result_is_too_long),
        TEST(test_stopped_with_a_result_that_is_too_long),
        TEST(test_is_killed),
        TEST(test_is_stopped),
        TEST(test_wrong_types),
        TEST(test_bounds),
        TEST(test_a_value_grows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
