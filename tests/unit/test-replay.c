/* A receipt as a recipe: what is read of it, and what differs between then and now. */
#include <errno.h>
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
#include "deployer/solve/replay.h"
#include "discovery/base/cleanup.h"
#include "discovery/base/digest.h"
#include "discovery/base/file.h"

static char top[] = "/tmp/test-replay.XXXXXX";
#define PROBLEM "name: p\nobjective: min\nagents: [a1]\nvariables: {}\n"

#define RECEIPT                                                                                    \
    "{\"version\":1,\"algorithm\":\"dsa\",\"distribution\":\"adhoc\",\"seed\":7,"                  \
    "\"time_limit\":2.5,\"parameters\":{\"variant\":\"B\",\"probability\":0.7,\"x\":null},"        \
    "\"hosts\":{\"v1\":\"a 1\",\"v2\":\"a 1\"},\"python\":\"3.11\","                               \
    "\"pydcop\":{\"spec\":\"pydcop==0.1.1\",\"version\":\"0.1.1\",\"sha256\":"                     \
    "\"aaaaaaaaaaaaaaaa\","                                                                        \
    "\"wheels\":[{\"name\":\"pydcop.whl\",\"sha256\":\"1\"}]},"                                    \
    "\"problem\":{\"files\":[{\"name\":\"../p.yaml\",\"sha256\":\"%s\"}]},"                        \
    "\"machines\":[{\"id\":\"1\",\"agents\":[\"a 1\"],\"hostkey\":\"k\",\"python\":\"3.11\"}],"    \
    "\"assignment\":{\"v1\":\"R\",\"v2\":1.5},\"cost\":0.1}"

static void put(const char *name, const char *content)
{
    CLEANUP_FREE char *path = path_join(top, name);

    assert_int_equal(file_write(path, content, strlen(content), 0600, NULL), 0);
}

static void put_receipt(const char *format)
{
    char digest[DIGEST_LENGTH + 1], text[4096];

    digest_bytes(PROBLEM, strlen(PROBLEM), digest);
    /* NOLINTNEXTLINE(clang-diagnostic-format-nonliteral): the tests' own */
    (void)snprintf(text, sizeof(text), RECEIPT, digest);
    put("receipt.json", format ? format : text);
}

static void test_read(void **state)
{
    struct replay r;
    struct error err = {0};

    (void)state;
    put_receipt(NULL);
    assert_int_equal(replay_read(top, &r, &err), 0);
    assert_string_equal(r.algorithm, "dsa");
    assert_string_equal(r.distribution, "adhoc");
    assert_int_equal(r.seed, 7);
    assert_true(r.time_limit > 2.4 && r.time_limit < 2.6);
    assert_int_equal(r.parameters.count, 2);
    assert_string_equal(r.parameters.items[0], "variant:B");
    assert_string_equal(r.parameters.items[1], "probability:0.7");
    assert_string_equal(r.placement, "{\"distribution\":{\"a 1\":[\"v1\",\"v2\"]}}");
    assert_int_equal(r.agents.count, 1);
    assert_true(string_ends_with(r.problem.items[0], "/problem/_._p.yaml"));
    replay_clear(&r);
}

static void check_refused(const char *receipt, int code, const char *words)
{
    struct replay r;
    struct error err = {0};

    put_receipt(receipt);
    assert_int_equal(replay_read(top, &r, &err), code);
    if (!strstr(err.text, words))
        fail_msg("'%s' is not in '%s'", words, err.text);
    replay_clear(&r);
}

static void test_refused(void **state)
{
    (void)state;
    check_refused("{", -EBADMSG, "receipt.json:1:");
    check_refused("[]", -EBADMSG, "is not a receipt");
    check_refused("{\"version\":1}", -EBADMSG, "of a run that began");
    check_refused("{\"version\":1,\"problem\":{\"files\":[{\"name\":\"/etc/passwd\","
                  "\"sha256\":\"x\"}]}}",
                  -ENOENT, "/problem/_etc_passwd");
    check_refused("{\"version\":1,\"problem\":{\"files\":[7, {}, {\"name\":[]}]},\"machines\":7}",
                  -ENOENT, "/problem/_");
    put("problem/_._p.yaml", PROBLEM "# changed\n");
    check_refused(NULL, -EINVAL, "is not the problem that was solved");
    put("problem/_._p.yaml", PROBLEM);
}

/* A receipt with that value is refused; it is as before then. */
static void check_bad(json_t *receipt, const char *key, json_t *value)
{
    json_t *before = json_incref(json_object_get(receipt, key));
    struct error err = {0};
    struct replay r;
    char *text;

    (void)json_object_set_new(receipt, key, value);
    text = json_dumps(receipt, 0);
    assert_non_null(text);
    put_receipt(text);
    assert_int_equal(replay_read(top, &r, &err), -EBADMSG);
    replay_clear(&r);
    free(text);
    (void)json_object_set_new(receipt, key, before);
}

/* What healed then heals now, with the scenario that is beside the receipt. */
static void test_heals(void **state)
{
    static const char scenario[] = "events: []\n";
    char digest[DIGEST_LENGTH + 1], words[4096], *text;
    struct error err = {0};
    struct replay r;
    json_t *receipt;

    (void)state;
    digest_bytes(PROBLEM, strlen(PROBLEM), digest);
    (void)snprintf(words, sizeof(words), RECEIPT, digest);
    receipt = json_loads(words, 0, NULL);
    digest_bytes(scenario, strlen(scenario), digest);
    (void)json_object_update_new(
        receipt, json_pack("{s:i, s:{s:s}}", "replicas", 2, "scenario", "sha256", digest));
    text = json_dumps(receipt, 0);
    assert_non_null(text);
    put_receipt(text);
    assert_int_equal(replay_read(top, &r, &err), -ENOENT);
    replay_clear(&r);
    put("scenario.yaml", scenario);
    if (replay_read(top, &r, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(r.replicas, 2);
    assert_true(string_ends_with(r.scenario, "/scenario.yaml"));
    replay_clear(&r);
    put("scenario.yaml", "events: [1]\n");
    assert_int_equal(replay_read(top, &r, &err), -EINVAL);
    assert_non_null(strstr(err.text, "is not the scenario that was played"));
    replay_clear(&r);
    free(text);
    put("scenario.yaml", scenario);
    check_bad(receipt, "replicas", json_integer(101));
    check_bad(receipt, "time_limit", json_real(5e6));
    check_bad(receipt, "time_limit", json_real(1e-9));
    check_bad(receipt, "distribution", json_string("/etc/a.yaml")); /* no file of its choice */
    json_decref(receipt);
}

/* `change`: of the receipt of now. */
static void check_differs(const char *change, const char *stop, const char *note)
{
    json_t *then = json_loads(RECEIPT, 0, NULL), *now = json_loads(RECEIPT, 0, NULL);
    json_t *other = json_loads(change, 0, NULL);
    struct strings stops = {0}, notes = {0};

    assert_non_null(other);
    (void)json_object_update(now, other);
    assert_int_equal(replay_compare(then, now, &stops, &notes), 0);
    assert_int_equal(stops.count, stop != NULL);
    assert_int_equal(notes.count, note != NULL);
    if (stop)
        assert_string_equal(stops.items[0], stop);
    if (note)
        assert_string_equal(notes.items[0], note);
    strings_clear(&stops);
    strings_clear(&notes);
    json_decref(then);
    json_decref(now);
    json_decref(other);
}

static void test_differs(void **state)
{
    (void)state;
    check_differs("{}", NULL, NULL);
    check_differs("{\"pydcop\":{\"version\":\"0.1.2\",\"sha256\":\"bbbbbbbbbbbbbbbb\","
                  "\"wheels\":[{\"name\":\"pydcop.whl\",\"sha256\":\"2\"}]}}",
                  "pyDCOP was 0.1.1 (files aaaaaaaaaaaa…) and is 0.1.2 (files bbbbbbbbbbbb…); the "
                  "wheel pydcop.whl has other bytes; to have it back, deploy pydcop==0.1.1 with -s",
                  NULL);
    check_differs("{\"machines\":[{\"id\":\"2\",\"agents\":[\"a 1\"],\"hostkey\":\"k\","
                  "\"python\":\"3.13\"}]}",
                  NULL, "a 1: machine was 1 and is 2, Python was 3.11 and is 3.13");
    check_differs("{\"machines\":[]}", "the agent a 1 took part and does not now", NULL);
    check_differs("{\"machines\":[{\"agents\":[\"a 1\",\"a2\"],\"id\":\"1\",\"hostkey\":\"k\","
                  "\"python\":\"3.11\"}]}",
                  "the agent a2 takes part and did not", NULL);
    check_differs("{\"python\":\"3.13\"}", NULL, "this computer's Python was 3.11 and is 3.13");
}

static void check_result(const char *result, bool same, const char *words)
{
    json_t *then = json_loads(RECEIPT, 0, NULL), *now = json_loads(result, 0, NULL);
    struct text text = TEXT_INIT;
    bool is_same;

    assert_non_null(now);
    assert_int_equal(replay_compare_results(then, now, &is_same, &text), 0);
    assert_int_equal(is_same, same);
    assert_string_equal(text_str(&text), words);
    text_clear(&text);
    json_decref(then);
    json_decref(now);
}

static void test_results(void **state)
{
    (void)state;
    check_result("{\"assignment\":{\"v1\":\"R\",\"v2\":1.5},\"cost\":0.1000000000001}", true, "");
    check_result("{\"assignment\":{\"v1\":\"G\",\"v2\":1.5},\"cost\":0.2}", false,
                 "The result is another one: cost 0.1 then, 0.2 now; v1 was R and is G");
    check_result("{\"assignment\":{\"v1\":\"R\"},\"cost\":null}", false,
                 "The result is another one: cost 0.1 then, null now; v2 was 1.5 and is null");
    check_result("{}", false,
                 "The result is another one: cost 0.1 then, null now; v1 was R and is null, v2 was "
                 "1.5 and is null");
}

static int setup(void **state)
{
    CLEANUP_FREE char *problem = NULL;

    (void)state;
    if (!mkdtemp(top))
        return -1;
    problem = path_join(top, "problem");
    if (mkdir(problem, 0700) < 0)
        return -1;
    put("problem/_._p.yaml", PROBLEM);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    folder_remove(top);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),    cmocka_unit_test(test_refused),
        cmocka_unit_test(test_heals),   cmocka_unit_test(test_differs),
        cmocka_unit_test(test_results),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
