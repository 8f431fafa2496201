/* trust, forget and runs: what they print, whole. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>
#include <sqlite3.h>

#include "deployer/base/folder.h"
#include "deployer/verbs/remembered.h"
#include "discovery/base/file.h"
#include "discovery/base/key.h"

#define ONE "0123456789abcdef"
#define TWO "fedcba9876543210"
#define KEY_A "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define KEY_B "SHA256:BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"
#define KEY_C "SHA256:CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCC"

static char folder[64], path[128];

/* 2026-03-01 12:00:00 UTC */
#define AT(seconds) "(1772366400000+1000*" #seconds ")"

static const char content[] =
    "INSERT INTO machines(id, fingerprint, host, fleet, address, first_seen, last_seen) VALUES"
    " ('" ONE "', '" KEY_B "', 'rpi-1.local', 'default', '10.0.0.1', " AT(0) ", " AT(
        300) "),"
             " ('" TWO "', '" KEY_B
             "', 'rpi-2' || char(27) || '[2J', 'default', NULL, " AT(0) ", " AT(
                 60) ");"
                     "INSERT INTO pins(id, fingerprint, source, created, retired) VALUES"
                     " ('" ONE "', '" KEY_A "', 'accept', " AT(0) ", " AT(
                         120) "),"
                              " ('" ONE "', '" KEY_B "', 'trust', " AT(
                                  120) ", NULL),"
                                       " ('" TWO "', '" KEY_B "', 'signature', " AT(
                                           60) ", NULL);"
                                               "INSERT INTO names VALUES('default', 'a2', '" ONE
                                               "', 1, 1, 0),"
                                               " ('default', 'a1', '" ONE
                                               "', 0, 1, 0), ('default', 'a3', '" TWO "', 0, 0, 0);"
                                               "INSERT INTO runs VALUES"
                                               " (1, " AT(0) ", " AT(
                                                   62) ", 'deploy', '/home/a/src/pydcop', 'd', "
                                                       "'failed', ''),"
                                                       " (2, " AT(3600) ", " AT(
                                                           3602) "+340, 'stop', NULL, NULL, "
                                                                 "'done', ''),"
                                                                 " (3, " AT(
                                                                     7200) ", NULL, 'deploy', "
                                                                           "'pydcop', 'd', "
                                                                           "'running', 'gone');"
                                                                           "INSERT INTO run_files "
                                                                           "VALUES(1, 0, "
                                                                           "'/home/a/p.yaml');"
                                                                           "INSERT INTO "
                                                                           "run_targets VALUES(1, "
                                                                           "0, '" ONE
                                                                           "', 'rpi-1.local', 'a1 "
                                                                           "a2'),"
                                                                           " (1, 1, '" TWO
                                                                           "', 'rpi-2', 'a3'), (1, "
                                                                           "2, '3333333333333333', "
                                                                           "'rpi-3', 'a4'),"
                                                                           " (1, 3, "
                                                                           "'4444444444444444', "
                                                                           "'rpi-4', 'a5'), (1, 4, "
                                                                           "'5555555555555555', "
                                                                           "'rpi-5', 'a6'),"
                                                                           " (2, 0, '" ONE
                                                                           "', 'rpi-1.local', 'a1 "
                                                                           "a2'), (3, 0, '" ONE
                                                                           "', 'rpi-1.local', 'a1 "
                                                                           "a2');"
                                                                           "INSERT INTO "
                                                                           "results(run, machine, "
                                                                           "host, agent, step, "
                                                                           "status, detail, "
                                                                           "output, started, ended)"
                                                                           " VALUES"
                                                                           " (1, '" ONE
                                                                           "', 'rpi-1.local', 'a1 "
                                                                           "a2', 'clock', 'ok', "
                                                                           "'', '', " AT(1) ", " AT(
                                                                               1) "+100),"
                                                                                  " (1, '" ONE "', "
                                                                                  "'rpi-1.local', "
                                                                                  "'a1 a2', 'apt', "
                                                                                  "'changed', '3 "
                                                                                  "packages', "
                                                                                  "'fetched' ||"
                                                                                  " char(10), " AT(2) ", " AT(
                                                                                      42) "),"
                                                                                          " (1, "
                                                                                          "'" ONE
                                                                                          "', "
                                                                                          "'rpi-1."
                                                                                          "local', "
                                                                                          "'a1 "
                                                                                          "a2', "
                                                                                          "'', "
                                                                                          "'changed"
                                                                                          "', '', "
                                                                                          "NULL,"
                                                                                          " " AT(42) ", " AT(
                                                                                              43) "),"
                                                                                                  " (1, '" TWO
                                                                                                  "', 'rpi-2', 'a3', 'apt', 'failed', 'exit status 100', '1' || char(10) || '2' ||"
                                                                                                  " char(10) || '3' || char(10) || '4' || char(10) || '5' || char(10) || '6' || char(10) || '7'"
                                                                                                  " || char(10) || '8' || char(10) || '9' || char(10) || 'ten' || char(27) || char(10) ||"
                                                                                                  " 'E: Unable to locate package' || char(10), " AT(2) ", " AT(
                                                                                                      62) "),"
                                                                                                          " (1, '" TWO
                                                                                                          "', 'rpi-2', 'a3', '', 'failed', '', NULL, " AT(62) ", " AT(
                                                                                                              62) "),"
                                                                                                                  " (1, '3333333333333333', 'rpi-3', 'a4', '', 'unreachable', 'no route', NULL, " AT(
                                                                                                                      0) ", " AT(3) "),"
                                                                                                                                    " (1, '4444444444444444', 'rpi-4', 'a5', '', 'refused', 'another key', NULL, " AT(
                                                                                                                                        0) ", " AT(1) "),"
                                                                                                                                                      " (2, '" ONE
                                                                                                                                                      "', 'rpi-1.local', 'a1 a2', '', 'ok', '', NULL, " AT(
                                                                                                                                                          3600) ", " AT(3602) ");";

static int setup(void **ret)
{
    struct state *s = NULL;
    sqlite3 *db = NULL;
    char *why = NULL;

    strcpy(folder, "/tmp/dcop-test-remembered.XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    (void)snprintf(path, sizeof(path), "%s/state.db", folder);
    if (state_open(path, &s, NULL) < 0 || sqlite3_open(path, &db) != SQLITE_OK)
        return -1;
    if (sqlite3_exec(db, content, NULL, NULL, &why) != SQLITE_OK) {
        print_error("%s\n", why);
        return -1;
    }
    (void)sqlite3_close(db);
    *ret = s;
    return 0;
}

static int teardown(void **state)
{
    state_free(*state);
    folder_remove(folder);
    return 0;
}

enum { MAX_WORDS = 4 };

struct call {
    remembered_verb *verb;
    const char *name;
    const char *words[MAX_WORDS];
    bool json, verbose, check;
    size_t width;
    const char *config;
};

static int say(struct state *s, const struct call *call, struct text *ret, struct error *err)
{
    struct deploy_options o = {
        .verb = call->name,
        .arguments = (char **)(uintptr_t)call->words,
        .json = call->json,
        .verbose = call->verbose,
        .check = call->check,
        .config_dir = call->config,
    };
    char experiments[sizeof(folder) + 16];
    struct remembered v = {
        .state = s, .options = &o, .style = {.width = call->width}, .experiments = experiments};

    (void)snprintf(experiments, sizeof(experiments), "%s/experiments", folder);
    while (o.n_arguments < MAX_WORDS && call->words[o.n_arguments])
        o.n_arguments++;
    return call->verb(&v, ret, err);
}

static void assert_says(struct state *s, struct call call, int code, const char *words)
{
    CLEANUP_TEXT struct text said = TEXT_INIT;
    struct error err = {0};
    int r = say(s, &call, &said, &err);

    if (r != code)
        fail_msg("%d, not %d: %s%s", r, code, err.text, text_str(&said));
    assert_string_equal(code < 0 ? err.text : text_str(&said), words);
}

#define CALL(verb, ...)                                                                            \
    ((struct call){verb##_report, #verb, {__VA_ARGS__}, false, false, false, 0, NULL})

#define CLONES                                                                                     \
    "Machines " ONE " and " TWO " have the same host key " KEY_B                                   \
    ": their cards were cloned, and each can pass as the other. To give one its own key, run on "  \
    "it: sudo rm /etc/ssh/ssh_host_* && sudo ssh-keygen -A && sudo systemctl restart ssh; then "   \
    "here: dcop-deploy trust ID FINGERPRINT"
#define KNOWN "known are " ONE " (rpi-1.local, a1 a2), " TWO " (rpi-2\\x1b[2J)"

static void at_width(struct state *s, struct call call, size_t width, const char *words)
{
    call.width = width;
    assert_says(s, call, 0, words);
}

/* The same document, whatever its layout. */
static void assert_json(struct state *s, struct call call, const char *expected)
{
    CLEANUP_TEXT struct text said = TEXT_INIT;
    struct error err = {0};
    json_t *json;
    char *compact;

    call.json = true;
    assert_true(say(s, &call, &said, &err) >= 0);
    json = json_loads(text_str(&said), 0, NULL);
    assert_non_null(json);
    compact = json_dumps(json, JSON_COMPACT);
    assert_string_equal(compact, expected);
    free(compact);
    json_decref(json);
}

static void test_trust_shows_all(void **state)
{
    static const char wide[] =
        "MACHINE       AGENTS  ID                HOST KEY                                        "
        "    SINCE       BY\n"
        "rpi-1.local   a1 a2   " ONE "  " KEY_B "  2026-03-01  trust\n"
        "rpi-1.local   a1 a2   " ONE "  " KEY_A "  2026-03-01  retired\n"
        "rpi-2\\x1b[2J          " TWO "  " KEY_B "  2026-03-01  signature\n\n" CLONES "\n";

    at_width(*state, CALL(trust, NULL), 0, wide);
    at_width(*state, CALL(trust, NULL), 200, wide);
    at_width(*state, CALL(trust, NULL), 80,
             "MACHINE       AGENTS  ID                HOST KEY           SINCE       BY\n"
             "rpi-1.local   a1 a2   " ONE "  SHA256:BBBBBBBBB…  2026-03-01  trust\n"
             "rpi-1.local   a1 a2   " ONE "  SHA256:AAAAAAAAA…  2026-03-01  retired\n"
             "rpi-2\\x1b[2J          " TWO "  SHA256:BBBBBBBBB…  2026-03-01  signature\n\n" CLONES
             "\n");
    assert_json(*state, CALL(trust, NULL),
                "{\"version\":1,\"pins\":["
                "{\"id\":\"" ONE "\",\"host\":\"rpi-1.local\",\"agents\":[\"a1\",\"a2\"],"
                "\"fingerprint\":\"" KEY_B "\",\"source\":\"trust\","
                "\"created\":\"2026-03-01T12:02:00.000Z\"},"
                "{\"id\":\"" ONE "\",\"host\":\"rpi-1.local\",\"agents\":[\"a1\",\"a2\"],"
                "\"fingerprint\":\"" KEY_A "\",\"source\":\"accept\","
                "\"created\":\"2026-03-01T12:00:00.000Z\","
                "\"retired\":\"2026-03-01T12:02:00.000Z\"},"
                "{\"id\":\"" TWO "\",\"host\":\"rpi-2\\u001B[2J\",\"agents\":[],"
                "\"fingerprint\":\"" KEY_B "\",\"source\":\"signature\","
                "\"created\":\"2026-03-01T12:01:00.000Z\"}],"
                "\"warnings\":[\"" CLONES "\"]}");
}

static void test_trust_shows_one(void **state)
{
    static const char one[] = ONE " (rpi-1.local, a1 a2)\n"
                                  "  last seen 2026-03-01 12:05 at 10.0.0.1\n"
                                  "  " KEY_B " since 2026-03-01 12:02, by trust\n"
                                  "  " KEY_A " retired 2026-03-01 12:02\n";

    assert_says(*state, CALL(trust, ONE), 0, one);
    assert_says(*state, CALL(trust, "a2"), 0, one);
    assert_says(*state, CALL(trust, "RPI-1"), 0, one);
    assert_says(*state, CALL(trust, "0000000000000000"), 1,
                "0000000000000000\n  no host key is pinned\n");
    /* a3 was given up. */
    assert_says(*state, CALL(trust, "a3"), -ENOENT, "no machine is known as 'a3'; " KNOWN);
    assert_says(*state, CALL(trust, "a1", KEY_A, "more"), -EINVAL,
                "'trust' takes one machine and at most one fingerprint");
    assert_json(*state, CALL(trust, "0000000000000000"),
                "{\"version\":1,\"pins\":[],\"warnings\":[\"" CLONES "\"]}");
}

static void test_trust_accepts_and_revokes(void **state)
{
    struct call checking = CALL(trust, "a1", KEY_C);

    checking.check = true;
    assert_says(*state, checking, -EINVAL, "'trust' does not support --check; nothing was done");
    assert_says(*state, CALL(trust, "a1", "bad"), -EINVAL,
                "'bad' is not a fingerprint: SHA256:… as `ssh-keygen -l` prints it");
    assert_says(*state, CALL(trust, "a1", KEY_C), 0, ONE " is trusted with " KEY_C ".\n");
    assert_int_equal(state_pin_was_retired(*state, ONE, KEY_B, NULL), 0);
    /* A retired key comes back by a person's word. */
    assert_says(*state, CALL(trust, ONE, KEY_A), 0, ONE " is trusted with " KEY_A ".\n");
    assert_int_equal(state_pin_was_retired(*state, ONE, KEY_A, NULL), -ENOENT);
    assert_says(*state, CALL(trust, "revoke"), -EINVAL,
                "say whose key to revoke: an id, a host or an agent's name");
    assert_says(*state, CALL(trust, "revoke", "a1"), 0,
                ONE " is no longer trusted with " KEY_A ".\n");
    assert_int_equal(state_pin_was_retired(*state, ONE, KEY_A, NULL), 0);
    assert_says(*state, CALL(trust, "revoke", "a1"), 1, "No host key of " ONE " is pinned.\n");
    assert_says(*state, CALL(trust, "revoke", TWO, KEY_C), 0,
                TWO " is no longer trusted with " KEY_C ".\n");
    assert_int_equal(state_pin_was_retired(*state, TWO, KEY_C, NULL), 0);
    assert_says(*state, CALL(trust, "0000000000000000", KEY_A), 0,
                "0000000000000000 is trusted with " KEY_A ".\n");
}

static void test_runs(void **state)
{
    static const char wide[] =
        "RUN  WHEN              TOOK   VERB    STATUS  MACHINES                                    "
        "           PYDCOP\n"
        "1    2026-03-01 12:00  1m 2s  deploy  failed  1 failed, 1 refused, 1 unreachable, 1 left, "
        "1 changed  /home/a/src/pydcop\n"
        "2    2026-03-01 13:00  2.3s   stop    done    1 ok\n"
        "3    2026-03-01 14:00         deploy  killed  1 left                                      "
        "           pydcop\n";

    at_width(*state, CALL(runs, NULL), 0, wide);
    at_width(*state, CALL(runs, NULL), 200, wide);
    at_width(*state, CALL(runs, NULL), 80,
             "RUN  WHEN              TOOK   VERB    STATUS  MACHINES          PYDCOP\n"
             "1    2026-03-01 12:00  1m 2s  deploy  failed  1 failed, 1 ref…  /home/a/src/pyd…\n"
             "2    2026-03-01 13:00  2.3s   stop    done    1 ok\n"
             "3    2026-03-01 14:00         deploy  killed  1 left            pydcop\n");
    assert_says(*state, CALL(runs, "9"), -ENOENT,
                "there is no run 9: the last one is 3, and 500 are kept; see dcop-deploy runs");
    assert_says(*state, CALL(runs, "x"), -EINVAL,
                "'x' is not the number of a run; `dcop-deploy runs` lists them");
    assert_says(*state, CALL(runs, "1", "2"), -EINVAL,
                "'runs' takes one number at most; '2' is one too many");
    assert_json(
        *state, CALL(runs, NULL),
        "{\"version\":1,\"runs\":["
        "{\"run\":1,\"verb\":\"deploy\",\"status\":\"failed\","
        "\"started\":\"2026-03-01T12:00:00.000Z\",\"ended\":\"2026-03-01T12:01:02.000Z\","
        "\"pydcop\":\"/home/a/src/pydcop\",\"files\":[\"/home/a/p.yaml\"],\"counts\":"
        "{\"ok\":0,\"changed\":1,\"failed\":1,\"refused\":1,\"unreachable\":1,\"left\":1}},"
        "{\"run\":2,\"verb\":\"stop\",\"status\":\"done\","
        "\"started\":\"2026-03-01T13:00:00.000Z\",\"ended\":\"2026-03-01T13:00:02.340Z\","
        "\"files\":[],\"counts\":"
        "{\"ok\":1,\"changed\":0,\"failed\":0,\"refused\":0,\"unreachable\":0,\"left\":0}},"
        "{\"run\":3,\"verb\":\"deploy\",\"status\":\"killed\","
        "\"started\":\"2026-03-01T14:00:00.000Z\",\"pydcop\":\"pydcop\",\"files\":[],\"counts\":"
        "{\"ok\":0,\"changed\":0,\"failed\":0,\"refused\":0,\"unreachable\":0,\"left\":1}}],"
        "\"experiments\":[],\"later\":[]}");
}

static void put_receipt(const char *name, const char *receipt)
{
    char to[256];

    (void)snprintf(to, sizeof(to), "%s/experiments/%s", folder, name);
    assert_int_equal(make_folders(to, 0700, NULL), 0);
    (void)snprintf(to, sizeof(to), "%s/experiments/%s/receipt.json", folder, name);
    assert_int_equal(file_write(to, receipt, strlen(receipt), 0600, NULL), 0);
}

/* Beside the runs, the oldest first; what is no experiment is left out. */
static void test_experiments(void **state)
{
    struct call call = CALL(runs, NULL), json = CALL(runs, NULL);
    CLEANUP_TEXT struct text said = TEXT_INIT;
    json_t *report, *list;
    char line[256];

    put_receipt("2026-03-01T12:00:00Z-p",
                "{\"version\":1,\"problem\":{\"files\":[{\"name\":\"p.yaml\"},{},7]},"
                "\"algorithm\":\"mgm\",\"status\":\"timeout\",\"started\":\"2026-03-01T12:00:00Z\","
                "\"cost\":-0.1,\"violations\":0,\"time\":5.5,\"seed\":7,\"machines\":[]}");
    put_receipt("2026-03-01T13:00:00Z-p",
                "{\"version\":1,\"problem\":[],\"algorithm\":\"\\u001b[2J\",\"cost\":{},"
                "\"started\":\"x\",\"status\":\"failed\"}");
    put_receipt("2026-03-01T14:00:00Z-p", "{\"version\":2}");
    put_receipt("2026-03-01T15:00:00Z-p", "[");
    assert_int_equal(say(*state, &call, &said, NULL), 0);
    assert_non_null(strstr(text_str(&said), "\n\nEXPERIMENT        PROBLEM  ALGORITHM  RESULT   "
                                            "COST  VIOLATED  TIME   FOLDER\n"));
    (void)snprintf(line, sizeof(line),
                   "2026-03-01 12:00  p.yaml   mgm        timeout  -0.1  0         5.5 s  "
                   "%s/experiments/2026-03-01T12:00:00Z-p\n",
                   folder);
    assert_non_null(strstr(text_str(&said), line));
    assert_non_null(strstr(text_str(&said), "\\x1b[2J    failed"));
    assert_null(strstr(text_str(&said), "T14:00"));
    assert_null(strstr(text_str(&said), "T15:00"));
    text_reset(&said);
    json.json = true;
    assert_int_equal(say(*state, &json, &said, NULL), 0);
    report = json_loads(text_str(&said), 0, NULL);
    list = json_object_get(report, "experiments");
    assert_int_equal(json_array_size(list), 2);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 0), "seed")), 7);
    assert_null(json_object_get(json_array_get(list, 0), "machines"));
    json_decref(report);
}

static void test_one_run(void **state)
{
#define RUN_1                                                                                      \
    "Run 1: deploy of /home/a/src/pydcop for /home/a/p.yaml\n"                                     \
    "Started 2026-03-01 12:00, took 1m 2s: failed\n\n"                                             \
    "MACHINE      AGENTS  STEP   STATUS       TOOK   DETAIL\n"                                     \
    "rpi-1.local  a1 a2          changed      42s\n"                                               \
    "                     clock  ok           0.1s\n"                                              \
    "                     apt    changed      40s    3 packages\n"                                 \
    "rpi-2        a3             failed       1m 0s\n"                                             \
    "                     apt    failed       1m 0s  exit status 100\n"                            \
    "rpi-3        a4             unreachable  3.0s   no route\n"                                   \
    "rpi-4        a5             refused      1.0s   another key\n"                                \
    "rpi-5        a6             not reached\n\n"
#define APT_FAILED                                                                                 \
    "rpi-2, apt, the last lines:\n"                                                                \
    "  2\n  3\n  4\n  5\n  6\n  7\n  8\n  9\n  ten\\x1b\n  E: Unable to locate package\n"
    struct call verbose = CALL(runs, "1");

    at_width(*state, CALL(runs, "1"), 0, RUN_1 APT_FAILED);
    at_width(*state, CALL(runs, "1"), 80, RUN_1 APT_FAILED);
    verbose.verbose = true;
    at_width(*state, verbose, 0, RUN_1 "rpi-1.local, apt:\n  fetched\n\n" APT_FAILED);
    assert_says(*state, CALL(runs, "3"), 0,
                "Run 3: deploy of pydcop\nStarted 2026-03-01 14:00: killed\n\n"
                "MACHINE      AGENTS  STATUS\n"
                "rpi-1.local  a1 a2   not reached\n");
    assert_json(*state, CALL(runs, "1"),
                "{\"version\":1,\"run\":"
                "{\"run\":1,\"verb\":\"deploy\",\"status\":\"failed\","
                "\"started\":\"2026-03-01T12:00:00.000Z\",\"ended\":\"2026-03-01T12:01:02.000Z\","
                "\"pydcop\":\"/home/a/src/pydcop\",\"files\":[\"/home/a/p.yaml\"],\"counts\":"
                "{\"ok\":0,\"changed\":1,\"failed\":1,\"refused\":1,\"unreachable\":1,\"left\":1},"
                "\"machines\":["
                "{\"machine\":\"" ONE "\",\"host\":\"rpi-1.local\",\"agents\":\"a1 a2\","
                "\"status\":\"changed\",\"steps\":["
                "{\"step\":\"clock\",\"status\":\"ok\",\"started\":\"2026-03-01T12:00:01.000Z\","
                "\"ended\":\"2026-03-01T12:00:01.100Z\"},"
                "{\"step\":\"apt\",\"status\":\"changed\",\"detail\":\"3 packages\","
                "\"output\":\"fetched\\n\",\"started\":\"2026-03-01T12:00:02.000Z\","
                "\"ended\":\"2026-03-01T12:00:42.000Z\"}]},"
                "{\"machine\":\"" TWO
                "\",\"host\":\"rpi-2\",\"agents\":\"a3\",\"status\":\"failed\","
                "\"steps\":[{\"step\":\"apt\",\"status\":\"failed\",\"detail\":\"exit status 100\","
                "\"output\":\"1\\n2\\n3\\n4\\n5\\n6\\n7\\n8\\n9\\nten\\u001B\\n"
                "E: Unable to locate package\\n\",\"started\":\"2026-03-01T12:00:02.000Z\","
                "\"ended\":\"2026-03-01T12:01:02.000Z\"}]},"
                "{\"machine\":\"3333333333333333\",\"host\":\"rpi-3\",\"agents\":\"a4\","
                "\"status\":\"unreachable\",\"detail\":\"no route\",\"steps\":[]},"
                "{\"machine\":\"4444444444444444\",\"host\":\"rpi-4\",\"agents\":\"a5\","
                "\"status\":\"refused\",\"detail\":\"another key\",\"steps\":[]},"
                "{\"machine\":\"5555555555555555\",\"host\":\"rpi-5\",\"agents\":\"a6\","
                "\"steps\":[]}]}}");
}

static void test_forget(void **state)
{
    CLEANUP(state_run_clear) struct state_run run = {0};
    struct call checking = CALL(forget, "a1");

    checking.check = true;
    assert_says(*state, checking, -EINVAL, "'forget' does not support --check; nothing was done");
    assert_says(*state, CALL(forget, NULL), -EINVAL,
                "say what to forget: an id, a host or an agent's name");
    /* All or nothing. */
    assert_says(*state, CALL(forget, "a1", "nope"), -ENOENT,
                "no machine is known as 'nope'; " KNOWN);
    assert_says(*state, CALL(forget, "a1", ONE), 0,
                "Forgotten: " ONE " (rpi-1.local, a1 a2), with 2 host keys and the names a1 a2. "
                "The history of its runs is kept.\n");
    assert_json(*state, CALL(forget, TWO),
                "{\"version\":1,\"forgotten\":[{\"id\":\"" TWO
                "\",\"host\":\"rpi-2\\u001B[2J\",\"agents\":[\"a3\"],\"pins\":1}]}");
    assert_says(*state, CALL(forget, TWO), -ENOENT,
                "no machine is known as '" TWO "': none was contacted yet");
    assert_says(*state, CALL(trust, NULL), 0, "No host key is pinned.\n");
    assert_int_equal(state_run_get(*state, 1, &run, NULL), 0);
    assert_int_equal(run.targets.count, 5);
}

static void test_fleet_key(void **state)
{
    CLEANUP(key_clear) struct key first = {0}, second = {0};
    char file[160], words[512];
    struct call call = CALL(trust, "fleet-key");
    struct stat st;

    call.config = folder;
    call.check = true;
    assert_says(*state, call, -EINVAL, "'trust' does not support --check; nothing was done");
    call.check = false;
    (void)snprintf(file, sizeof(file), "%s/fleet.key", folder);
#define ADVICE                                                                                     \
    "From now on, machines whose records are not signed with it are left out: give each its own "  \
    "key with dcop-deploy enroll.\nWhoever has this file can sign for every machine; keep a copy " \
    "where nobody else can read it.\n"
    (void)snprintf(words, sizeof(words), "Created the fleet key: %s\n" ADVICE, file);
    assert_says(*state, call, 0, words);
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(key_read(file, &first, NULL), 0);
    /* It is made once. */
    (void)snprintf(words, sizeof(words), "The fleet key already exists: %s\n" ADVICE, file);
    assert_says(*state, call, 0, words);
    assert_int_equal(key_read(file, &second, NULL), 0);
    assert_memory_equal(&first, &second, sizeof(first));
    (void)snprintf(words, sizeof(words),
                   "{\"version\":1,\"fleet_key\":{\"path\":\"%s\",\"made\":false}}", file);
    assert_json(*state, call, words);
    assert_int_equal(truncate(file, 10), 0);
    {
        CLEANUP_TEXT struct text said = TEXT_INIT;

        assert_int_equal(say(*state, &call, &said, NULL), -EBADMSG);
    }
}

static void test_known_hosts(void **state)
{
    const struct state_pin pin = {.id = (char *)(uintptr_t)ONE,
                                  .fingerprint = (char *)(uintptr_t)KEY_B,
                                  .key_type = (char *)(uintptr_t) "ssh-ed25519",
                                  .key_base64 = (char *)(uintptr_t) "AAAAC3Nz",
                                  .source = PIN_ACCEPT};

    assert_int_equal(state_pin_put(*state, &pin, NULL), 0);
    assert_says(*state, CALL(trust, "known-hosts"), 0,
                "10.0.0.1,rpi-1.local,dcop-" ONE " ssh-ed25519 AAAAC3Nz\n"
                "# rpi-2\\x1b[2J: only the fingerprint " KEY_B
                " is known; any command to it reads the key\n");
}

static void test_a_word_for_two(void **state)
{
    struct state_machine m = {.id = (char *)(uintptr_t) "1111111111111111",
                              .host = (char *)(uintptr_t) "rpi-1.lan"};

    assert_int_equal(state_machine_put(*state, &m, NULL), 0);
    assert_says(*state, CALL(forget, "rpi-1"), -EINVAL,
                "'rpi-1' could be any of these ids; give the one you mean: 1111111111111111, " ONE);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_trust_shows_all),
        TEST(test_trust_shows_one),
        TEST(test_trust_accepts_and_revokes),
        TEST(test_runs),
        TEST(test_experiments),
        TEST(test_one_run),
        TEST(test_forget),
        TEST(test_fleet_key),
        TEST(test_known_hosts),
        TEST(test_a_word_for_two),
    };

    (void)setenv("TZ", "UTC", 1);
    tzset();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
