/* The body of POST /api/v1/solve. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "deployer/controller/solve-request.h"
#include "discovery/base/cleanup.h"

/* `options`: joined by spaces; NULL: it is refused, and the words have `words`. */
static void check(const char *body, const char *options, const char *words)
{
    CLEANUP(solve_request_clear) struct solve_request q = {0};
    json_t *o = json_loads(body, JSON_ALLOW_NUL, NULL);
    CLEANUP_FREE char *joined = NULL;
    struct error err = {0};
    int r;

    assert_non_null(o);
    r = solve_request_read(o, 5, &q, &err);
    json_decref(o);
    if (!options) {
        assert_int_equal(r, -EINVAL);
        assert_non_null(strstr(err.text, words));
        return;
    }
    assert_int_equal(r, 0);
    joined = strings_join(&q.options, " ");
    assert_string_equal(joined, options);
}

static void test_options(void **state)
{
    (void)state;
    check("{}", "--time-limit=60 --seed=5", NULL);
    check("{\"algorithm\": \"mgm\", \"parameters\": [\"variant:B\", \"stop_cycle:3\"],"
          "\"distribution\": \"adhoc\", \"time_limit\": 2.5, \"seed\": 7, \"heal\": 2,"
          "\"partial\": true}",
          "--algo=mgm --distribution=adhoc --param=variant:B --param=stop_cycle:3 --time-limit=2.5 "
          "--seed=7 --heal=2 --partial",
          NULL);
    check("{\"algorithm\": null, \"parameters\": null, \"distribution\": null, \"time_limit\": "
          "null, \"seed\": null, \"heal\": null, \"partial\": null}",
          "--time-limit=60 --seed=5", NULL);
    check("{\"heal\": 0, \"partial\": false, \"parameters\": []}", "--time-limit=60 --seed=5",
          NULL);
}

static void test_refused(void **state)
{
    (void)state;
    check("{\"algo\": \"mgm\"}", NULL, "key that is none of");
    check("{\"algorithm\": \"../x\"}", NULL, "\"algorithm\"");
    check("{\"algorithm\": \"\"}", NULL, "\"algorithm\"");
    check("{\"algorithm\": 3}", NULL, "\"algorithm\"");
    check("{\"algorithm\": \"a\\u0000b\"}", NULL, "\"algorithm\"");
    check("{\"algorithm\": "
          "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}",
          NULL, "\"algorithm\"");
    check("{\"distribution\": \"/etc/passwd\"}", NULL, "\"distribution\"");
    check("{\"distribution\": \"d.yaml\"}", NULL, "\"distribution\"");
    check("{\"parameters\": \"a:b\"}", NULL, "\"parameters\"");
    check("{\"parameters\": [\"ab\"]}", NULL, "\"parameters\"");
    check("{\"parameters\": [\":b\"]}", NULL, "\"parameters\"");
    check("{\"parameters\": [3]}", NULL, "\"parameters\"");
    check("{\"parameters\": [\"a:b\\u0000\"]}", NULL, "\"parameters\"");
    check("{\"time_limit\": 0}", NULL, "\"time_limit\"");
    check("{\"time_limit\": 1e300}", NULL, "\"time_limit\"");
    check("{\"time_limit\": \"60\"}", NULL, "\"time_limit\"");
    check("{\"seed\": -1}", NULL, "\"seed\"");
    check("{\"seed\": 2147483648}", NULL, "\"seed\"");
    check("{\"seed\": 1.5}", NULL, "\"seed\"");
    check("{\"heal\": -1}", NULL, "\"heal\"");
    check("{\"heal\": true}", NULL, "\"heal\"");
    check("{\"heal\": 101}", NULL, "\"heal\"");
    check("{\"partial\": 1}", NULL, "\"partial\"");
}

static void test_shown(void **state)
{
    CLEANUP(solve_request_clear) struct solve_request q = {0};
    json_t *o = json_pack("{s:s, s:i}", "algorithm", "mgm", "heal", 1);
    CLEANUP_FREE char *shown = NULL;
    struct error err = {0};

    (void)state;
    assert_int_equal(solve_request_read(o, 9, &q, &err), 0);
    shown = json_dumps(q.shown, JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(shown, "{\"algorithm\":\"mgm\",\"heal\":1,\"seed\":9,\"time_limit\":60}");
    assert_false(q.partial);
    json_decref(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_shown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
