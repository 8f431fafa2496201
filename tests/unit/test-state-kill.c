/* Writers that are killed at seeded moments, two at once on one file: what is
 * there afterwards is whole. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "deployer/base/folder.h"
#include "deployer/state/state.h"

#define S(literal) ((char *)(uintptr_t)(literal))

enum { ROUNDS = 60, WRITERS = 2, TARGETS = 5 };

static char folder[64], path[128];

static int setup(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/dcop-test-kill.XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    (void)snprintf(path, sizeof(path), "%s/state.db", folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    folder_remove(folder);
    return 0;
}

/* --- the writer -------------------------------------------------------------------- */

static unsigned operations_left; /* of SQLite's; 0: without end */

static int count_down(void *unused)
{
    (void)unused;
    if (operations_left > 0 && --operations_left == 0)
        (void)raise(SIGKILL);
    return 0;
}

static int arm(sqlite3 *db, char **why, const struct sqlite3_api_routines *api)
{
    (void)why, (void)api;
    sqlite3_progress_handler(db, 1, count_down, NULL);
    return SQLITE_OK;
}

static void must(int r)
{
    if (r < 0)
        _exit(1);
}

/* One machine comes, is named, gets another key and goes. */
static void live(struct state *s, const char *id, unsigned n)
{
    char one[32], two[32], name[48];
    struct state_pin pin = {.id = S(id), .source = PIN_TRUST};
    struct state_machine machine = {.id = S(id), .host = S("rpi")};
    struct state_forgotten f = {0};
    struct strings names = {0};

    (void)snprintf(one, sizeof(one), "SHA256:%u", n);
    (void)snprintf(two, sizeof(two), "SHA256:%u'", n);
    for (int i = 0; i < 3; i++) {
        (void)snprintf(name, sizeof(name), "%s-%d", id, i);
        must(strings_add(&names, name));
    }
    machine.fingerprint = pin.fingerprint = one;
    must(state_pin_replace(s, &pin, NULL));
    must(state_machine_put(s, &machine, NULL));
    must(state_names_set(s, "default", id, &names, NULL));
    machine.fingerprint = pin.fingerprint = two;
    must(state_pin_replace(s, &pin, NULL));
    must(state_seq_put(s, "shared", "SHA256:s", n, NULL));
    if (n % 3 == 0)
        must(state_forget(s, id, &f, NULL));
    state_forgotten_clear(&f);
    strings_clear(&names);
}

static void run(struct state *s)
{
    struct state_target targets[TARGETS] = {0};
    struct state_run r = {.verb = S("deploy"), .targets = {targets, TARGETS}};
    struct state_result result = {.status = S("ok"), .step = S("")};
    static const char *const ids[TARGETS] = {"m1", "m2", "m3", "m4", "m5"};
    int64_t number;

    must(state_wish_add(&r.wish, "verb", "deploy"));
    must(state_wish_add(&r.wish, "file", "/p.yaml"));
    must(strings_add(&r.files, "/p.yaml"));
    for (int i = 0; i < TARGETS; i++)
        targets[i].machine = S(ids[i]);
    must(state_run_begin(s, &r, &number, NULL));
    for (int i = 0; i < TARGETS; i++) {
        result.machine = S(ids[i]);
        must(state_run_result(s, number, &result, NULL));
    }
    must(state_run_end(s, number, RUN_DONE, NULL));
    strings_clear(&r.wish);
    strings_clear(&r.files);
}

static _Noreturn void writer(const char *id, unsigned operations)
{
    struct state *s = NULL;

    operations_left = operations;
    (void)sqlite3_auto_extension((void (*)(void))arm);
    must(state_open(path, &s, NULL));
    for (unsigned n = 1;; n++) {
        live(s, id, n);
        run(s);
    }
}

/* --- what is there afterwards -------------------------------------------------------- */

static int64_t number(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *st;
    int64_t n;

    if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    n = sqlite3_column_int64(st, 0);
    assert_int_equal(sqlite3_finalize(st), SQLITE_OK);
    return n;
}

/* Each counts what must not be. */
static const char *const broken[] = {
    "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check<>'ok'",
    "SELECT count(*) FROM pragma_foreign_key_check",
    /* A machine that was written has a pin, as it had before; a replaced key is
     * retired in the moment that the new one is there. */
    "SELECT count(*) FROM machines WHERE NOT EXISTS (SELECT 1 FROM pins WHERE pins.id=machines.id"
    " AND retired IS NULL)",
    "SELECT count(*) FROM pins p WHERE retired IS NOT NULL AND NOT EXISTS (SELECT 1 FROM pins q"
    " WHERE q.id=p.id AND q.retired IS NULL)",
    /* All three names or none, and none of a machine that was forgotten. */
    "SELECT count(*) FROM (SELECT id FROM names WHERE held=1 GROUP BY id HAVING count(*)<>3)",
    "SELECT count(*) FROM names WHERE NOT EXISTS (SELECT 1 FROM machines WHERE"
    " machines.id=names.id)",
    /* A run has all that it is for, from its first moment. */
    "SELECT count(*) FROM runs WHERE (SELECT count(*) FROM run_targets t WHERE t.run=runs.run)<>5"
    " OR (SELECT count(*) FROM run_wishes w WHERE w.run=runs.run)<>2"
    " OR (SELECT count(*) FROM run_files f WHERE f.run=runs.run)<>1",
    "SELECT count(*) FROM runs WHERE status='done' AND (SELECT count(*) FROM results r WHERE"
    " r.run=runs.run)<>5",
};

static void check(int64_t *seq)
{
    struct state *s = NULL;
    struct error err = {0};
    sqlite3 *db;
    int64_t now;

    if (state_open(path, &s, &err) < 0)
        fail_msg("%s", err.text);
    state_free(s);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    for (size_t i = 0; i < ARRAY_SIZE(broken); i++)
        if (number(db, broken[i]) != 0)
            fail_msg("%s", broken[i]);
    now = number(db, "SELECT coalesce(max(seq), 0) FROM seqs WHERE id='shared'");
    assert_true(now >= *seq);
    *seq = now;
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void test_whole_whenever_killed(void **state)
{
    unsigned seed = 1;
    int64_t seq = 0;

    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        static const char *const ids[WRITERS] = {"id1", "id2"};
        bool by_time = round % 4 == 3; /* a commit is one operation, and has a middle too */
        pid_t pids[WRITERS];

        for (int i = 0; i < WRITERS; i++) {
            unsigned operations = 1 + (unsigned)rand_r(&seed) % 20000;

            pids[i] = fork();
            assert_true(pids[i] >= 0);
            if (pids[i] == 0)
                writer(ids[i], by_time ? 0 : operations);
        }
        if (by_time)
            (void)usleep((unsigned)rand_r(&seed) % 50000);
        for (int i = 0; i < WRITERS; i++) {
            int status;

            if (by_time)
                assert_int_equal(kill(pids[i], SIGKILL), 0);
            assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
            assert_true(WIFSIGNALED(status));
            assert_int_equal(WTERMSIG(status), SIGKILL);
        }
        check(&seq);
    }
    assert_true(seq > 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_whole_whenever_killed, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
