/* Who may ask, what is asked for, and how it is answered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "deployer/controller/http/admission.h"
#include "deployer/controller/http/answer.h"
#include "deployer/controller/http/routes.h"
#include "discovery/base/error.h"
#include "discovery/base/file.h"

#define TOKEN "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static char *const host_items[] = {(char *)"127.0.0.1", (char *)"localhost", (char *)"[::1]",
                                   (char *)"lab.example"};
static const struct strings hosts = {(char **)(uintptr_t)host_items, 4};
static const struct admission admission = {.token = TOKEN, .port = 8808, .hosts = &hosts};

static void test_host(void **state)
{
    static const char *const fine[] = {"127.0.0.1:8808", "localhost:8808", "LOCALHOST:8808",
                                       "[::1]:8808", "lab.example:8808"};
    static const char *const others[] = {
        "evil.example:8808",     "localhost",       "localhost:80",
        "localhost:88080",       "localhost:",      "localhost.evil.example:8808",
        "127.0.0.1.nip.io:8808", "[::1]",           "::1:8808",
        "localhost:8808:8808",   "127.0.0.1:08808", "localhost:8808/",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(fine); i++)
        assert_int_equal(admission_host(&admission, fine[i]), 0);
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        assert_int_equal(admission_host(&admission, others[i]), 421);
    assert_int_equal(admission_host(&admission, NULL), 400);
    assert_int_equal(admission_host(&admission, ""), 400);
}

static void test_host_port_80(void **state)
{
    const struct admission at_80 = {.token = TOKEN, .port = 80, .hosts = &hosts};

    (void)state;
    assert_int_equal(admission_host(&at_80, "localhost"), 0);
    assert_int_equal(admission_host(&at_80, "localhost:80"), 0);
}

static void test_origin(void **state)
{
    static const char host[] = "localhost:8808";

    (void)state;
    assert_int_equal(admission_origin(&admission, NULL, host), 0);
    assert_int_equal(admission_origin(&admission, "http://localhost:8808", host), 0);
    assert_int_equal(admission_origin(&admission, "https://localhost:8808", host), 403);
    assert_int_equal(admission_origin(&admission, "http://localhost:8809", host), 403);
    assert_int_equal(admission_origin(&admission, "http://localhost:8808.evil.example", host), 403);
    assert_int_equal(admission_origin(&admission, "http://evil.example", host), 403);
    assert_int_equal(admission_origin(&admission, "null", host), 403);
    assert_int_equal(admission_origin(&admission, "", host), 403);
    /* Another of our own names is another site to a browser. */
    assert_int_equal(admission_origin(&admission, "http://127.0.0.1:8808", host), 403);
}

static void test_proxy(void **state)
{
    static char *const items[] = {(char *)"localhost", (char *)"https://lab.example",
                                  (char *)"http://lab.example:81"};
    static const struct strings proxied = {(char **)(uintptr_t)items, 3};
    const struct admission a = {.token = TOKEN, .port = 8808, .hosts = &proxied};

    (void)state;
    assert_int_equal(admission_host(&a, "lab.example"), 0);
    assert_int_equal(admission_host(&a, "LAB.example:81"), 0);
    assert_int_equal(admission_host(&a, "lab.example:8808"), 421);
    assert_int_equal(admission_host(&a, "lab.example:443"), 421);
    assert_int_equal(admission_host(&a, "https://lab.example"), 421);
    assert_int_equal(admission_host(&a, "evil.example"), 421);
    assert_int_equal(admission_origin(&a, "https://lab.example", "lab.example"), 0);
    assert_int_equal(admission_origin(&a, "http://lab.example", "lab.example"), 403);
    assert_int_equal(admission_origin(&a, "http://lab.example:81", "lab.example:81"), 0);
    assert_int_equal(admission_origin(&a, "https://lab.example", "lab.example:81"), 403);
    assert_int_equal(admission_origin(&a, "null", "lab.example"), 403);
}

static void test_token(void **state)
{
    (void)state;
    assert_int_equal(admission_token(&admission, "Bearer " TOKEN), 0);
    assert_int_equal(admission_token(&admission, "bearer " TOKEN), 0);
    assert_int_equal(admission_token(&admission, NULL), 401);
    assert_int_equal(admission_token(&admission, ""), 401);
    assert_int_equal(admission_token(&admission, TOKEN), 401);
    assert_int_equal(admission_token(&admission, "Basic " TOKEN), 401);
    assert_int_equal(admission_token(&admission, "Bearer "), 401);
    assert_int_equal(admission_token(&admission, "Bearer " TOKEN "0"), 401);
    assert_int_equal(admission_token(&admission, "Bearer 1" TOKEN), 401);
    assert_int_equal(
        admission_token(&admission,
                        "Bearer 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdee"),
        401);
}

static enum route route_of(const char *method, const char *path)
{
    struct routed routed;

    route_find(method, path, &routed);
    return routed.route;
}

static void test_routes(void **state)
{
    char long_path[17 + ROUTE_PARAMETER_MAX + 1] = "/api/v1/machines/";
    struct routed routed;

    (void)state;
    assert_int_equal(route_of("GET", "/api/v1/roster"), ROUTE_ROSTER);
    assert_int_equal(route_of("HEAD", "/api/v1/roster"), ROUTE_ROSTER);
    assert_int_equal(route_of("GET", "/api/v1/roster/"), ROUTE_NONE);
    assert_int_equal(route_of("GET", "/api/v2/roster"), ROUTE_NONE);
    assert_int_equal(route_of("POST", "/api/v1/roster"), ROUTE_METHOD);
    assert_int_equal(route_of("DELETE", "/api/v1/runs/1"), ROUTE_METHOD);
    assert_int_equal(route_of("GET", "/api/v1/solve"), ROUTE_SOLVE);
    assert_int_equal(route_of("POST", "/api/v1/solve"), ROUTE_SOLVE_BEGIN);
    route_find("DELETE", "/api/v1/solve", &routed);
    assert_string_equal(routed.allow, "GET, HEAD, POST");
    assert_int_equal(route_of("GET", "/"), ROUTE_FILE);
    assert_int_equal(route_of("GET", "/../etc/passwd"), ROUTE_FILE); /* looked up as a name */
    assert_int_equal(route_of("POST", "/"), ROUTE_METHOD);
    assert_int_equal(route_of("GET", "/api/v1/machines/"), ROUTE_NONE);
    assert_int_equal(route_of("GET", "/api/v1/machines/a/b"), ROUTE_NONE);
    memset(long_path + 17, 'a', sizeof(long_path) - 18);
    assert_int_equal(route_of("GET", long_path), ROUTE_NONE);
    long_path[sizeof(long_path) - 2] = '\0';
    assert_int_equal(route_of("GET", long_path), ROUTE_MACHINE);
    route_find("GET", "/api/v1/experiments/2026-11-30T02:00:00Z-a_b/folder", &routed);
    assert_int_equal(routed.route, ROUTE_EXPERIMENT_FOLDER);
    assert_string_equal(routed.parameter, "2026-11-30T02:00:00Z-a_b");
    assert_true(routed.guarded);
    assert_int_equal(route_of("GET", "/api/v1/experiments/a/../b"), ROUTE_NONE);
    route_find("GET", "/api/v1/machines/0123456789abcdef.00000000u", &routed);
    assert_int_equal(routed.route, ROUTE_MACHINE);
    assert_string_equal(routed.parameter, "0123456789abcdef.00000000u");
    route_find("POST", "/api/v1/machines/0123456789abcdef/accept", &routed);
    assert_int_equal(routed.route, ROUTE_ACCEPT);
    assert_string_equal(routed.parameter, "0123456789abcdef");
    assert_true(routed.guarded);
    route_find("POST", "/api/v1/poweroff", &routed);
    assert_int_equal(routed.route, ROUTE_ACTION);
    assert_string_equal(routed.word, "poweroff");
    route_find("DELETE", "/api/v1/later/0123456789abcdef", &routed);
    assert_int_equal(routed.route, ROUTE_LATER_CANCEL);
    assert_string_equal(routed.parameter, "0123456789abcdef");
    route_find("GET", "/api/v1/later/0123456789abcdef", &routed);
    assert_int_equal(routed.route, ROUTE_METHOD);
    assert_string_equal(routed.allow, "DELETE");
    route_find("PUT", "/api/v1/deploy", &routed);
    assert_string_equal(routed.allow, "POST");
}

/* Whatever changes anything wants the token. */
static void test_changes_are_guarded(void **state)
{
    const char *method, *path;
    size_t posts = 0;

    (void)state;
    for (size_t i = 0; route_row(i, &method, &path); i++) {
        struct routed routed;

        route_find(method, path, &routed);
        if (strcmp(method, "GET") == 0)
            continue;
        assert_true(routed.guarded);
        posts++;
    }
    assert_true(posts > 10);
}

/* The paths of openapi.yaml are those of the table, method by method. */
static void test_openapi(void **state)
{
    CLEANUP_TEXT struct text yaml = TEXT_INIT;
    const char *method, *path, *last = "";
    char key[128] = "";
    size_t rows = 0, documented = 0;

    (void)state;
    assert_int_equal(file_read("deployer/controller/openapi.yaml", 1 << 20, &yaml, NULL), 0);
    for (size_t i = 0; route_row(i, &method, &path); i++) {
        const char *found;
        const char *end;
        const char *verb;

        rows += strcmp(path, last) != 0; /* one, or the methods of a path in a row */
        last = path;
        (void)snprintf(key, sizeof(key), "\n  %s:\n", path);
        found = strstr(text_str(&yaml), key);
        if (!found)
            fail_msg("openapi.yaml lacks %s", path);
        end = strstr(found + 1, "\n  /");
        verb = strstr(found, strcmp(method, "GET") == 0      ? "\n    get:\n"
                             : strcmp(method, "DELETE") == 0 ? "\n    delete:\n"
                                                             : "\n    post:\n");
        if (!verb || (end && verb > end))
            fail_msg("openapi.yaml lacks %s of %s", method, path);
    }
    for (const char *at = text_str(&yaml); (at = strstr(at, "\n  /")); at++)
        documented++;
    assert_int_equal(documented, rows);
}

static void test_problem(void **state)
{
    CLEANUP(answer_clear) struct answer a = {0};
    struct error err = {0};

    (void)state;
    answer_problem(&a, 404, "There is no such machine.");
    assert_int_equal(a.status, 404);
    assert_string_equal(a.type, "application/problem+json");
    assert_string_equal(text_str(&a.body),
                        "{\"type\":\"about:blank\",\"title\":\"Not Found\",\"status\":404,"
                        "\"detail\":\"There is no such machine.\"}\n");
    (void)error_set(&err, -EEXIST, "another key is pinned");
    answer_error(&a, &err);
    assert_int_equal(a.status, 409);
    answer_json(&a, 200, NULL); /* no memory */
    assert_int_equal(a.status, 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_host),
        cmocka_unit_test(test_host_port_80),
        cmocka_unit_test(test_proxy),
        cmocka_unit_test(test_origin),
        cmocka_unit_test(test_token),
        cmocka_unit_test(test_routes),
        cmocka_unit_test(test_changes_are_guarded),
        cmocka_unit_test(test_openapi),
        cmocka_unit_test(test_problem),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
