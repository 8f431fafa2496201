#include <dirent.h>
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
#include "deployer/state/state.h"
#include "discovery/base/file.h"

#define CLEANUP_STATE CLEANUP(state_free_p)

static char folder[64], path[128], copy[160];

static int setup(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/dcop-test-schema.XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    (void)snprintf(path, sizeof(path), "%s/state.db", folder);
    (void)snprintf(copy, sizeof(copy), "%s.schema-1", path);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    folder_remove(folder);
    return 0;
}

/* What dcop 0.1 wrote, with data of every kind. */
static const char version_1[] =
    "CREATE TABLE pins("
    "  pin INTEGER PRIMARY KEY, id TEXT NOT NULL, fingerprint TEXT NOT NULL,"
    "  key_type TEXT, key_base64 TEXT, source TEXT NOT NULL,"
    "  created INTEGER NOT NULL, retired INTEGER, UNIQUE(id, fingerprint));"
    "CREATE UNIQUE INDEX pins_active ON pins(id) WHERE retired IS NULL;"
    "CREATE TABLE names("
    "  fleet TEXT NOT NULL, agent TEXT NOT NULL, id TEXT NOT NULL, position INTEGER NOT NULL,"
    "  held INTEGER NOT NULL, changed INTEGER NOT NULL, PRIMARY KEY(fleet, agent));"
    "CREATE INDEX names_id ON names(id);"
    "CREATE TABLE runs("
    "  run INTEGER PRIMARY KEY AUTOINCREMENT, started INTEGER NOT NULL, ended INTEGER,"
    "  verb TEXT NOT NULL, spec TEXT, bundle TEXT, status TEXT NOT NULL, process TEXT);"
    "CREATE TABLE run_files("
    "  run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE, position INTEGER NOT NULL,"
    "  path TEXT NOT NULL, PRIMARY KEY(run, position)) WITHOUT ROWID;"
    "CREATE TABLE results("
    "  result INTEGER PRIMARY KEY, run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,"
    "  machine TEXT NOT NULL, host TEXT, agent TEXT, step TEXT NOT NULL, status TEXT NOT NULL,"
    "  detail TEXT, output TEXT, started INTEGER, ended INTEGER, UNIQUE(run, machine, step));"
    "CREATE TABLE settings(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
    "PRAGMA user_version=1;"
    "INSERT INTO pins VALUES(1, 'id1', 'SHA256:old', NULL, NULL, 'accept', 900, 1000);"
    "INSERT INTO pins VALUES(2, 'id1', 'SHA256:a', NULL, NULL, 'trust', 1000, NULL);"
    "INSERT INTO pins VALUES(3, 'id2', 'SHA256:b', NULL, NULL, 'accept', 1000, NULL);"
    "INSERT INTO names VALUES('default', 'a1', 'id1', 0, 1, 1000);"
    "INSERT INTO settings VALUES('spec', '/src/pydcop');"
    "INSERT INTO runs VALUES(7, 2000, 3000, 'deploy', 'pydcop', 'digest', 'failed', 'mark');"
    "INSERT INTO run_files VALUES(7, 0, '/p.yaml');"
    "INSERT INTO results VALUES(1, 7, 'id1', 'rpi-1', 'a1', 'apt', 'ok', '', '', 2000, 2500);"
    "INSERT INTO results VALUES(2, 7, 'id1', 'rpi-1', 'a1', '', 'ok', '', '', 2500, 2600);"
    "INSERT INTO results VALUES(3, 7, 'id2', 'rpi-2', 'a2', '', 'unreachable', 'no', '', 1, 2);";

/* What version 2 had beside it. */
static const char version_2[] =
    "CREATE TABLE machines("
    "  id TEXT PRIMARY KEY, fingerprint TEXT, host TEXT, fleet TEXT, address TEXT, port INTEGER,"
    "  user TEXT, arch TEXT, os TEXT, version TEXT, digest TEXT,"
    "  first_seen INTEGER NOT NULL, last_seen INTEGER NOT NULL);"
    "CREATE TABLE seqs("
    "  id TEXT NOT NULL, fingerprint TEXT NOT NULL, seq INTEGER NOT NULL,"
    "  PRIMARY KEY(id, fingerprint)) WITHOUT ROWID;"
    "CREATE TABLE run_wishes("
    "  run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE, position INTEGER NOT NULL,"
    "  wish TEXT NOT NULL, PRIMARY KEY(run, position)) WITHOUT ROWID;"
    "CREATE TABLE run_targets("
    "  run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE, position INTEGER NOT NULL,"
    "  machine TEXT NOT NULL, host TEXT, agents TEXT, PRIMARY KEY(run, position),"
    "  UNIQUE(run, machine)) WITHOUT ROWID;"
    "CREATE INDEX pins_fingerprint ON pins(fingerprint);"
    "INSERT INTO run_targets VALUES(7, 0, 'id1', 'rpi-1', 'a1');"
    "INSERT INTO run_targets VALUES(7, 1, 'id2', 'rpi-2', 'a2');"
    "INSERT INTO machines VALUES('id1', 'SHA256:a', 'rpi-1', NULL, NULL, NULL, NULL, NULL, NULL,"
    " NULL, NULL, 1000, 2600);"
    "INSERT INTO machines VALUES('id2', 'SHA256:b', 'rpi-2', NULL, NULL, NULL, NULL, NULL, NULL,"
    " NULL, NULL, 1000, 1000);"
    "PRAGMA user_version=2;";

/* Opens the file as it is, without this program's knowledge of it. */
static sqlite3 *raw(void)
{
    sqlite3 *db;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    return db;
}

static void raw_run(const char *sql)
{
    sqlite3 *db = raw();
    char *why = NULL;

    /* One transaction, not flushed: it is made often. */
    if (sqlite3_exec(db, "PRAGMA synchronous=OFF; BEGIN", NULL, NULL, &why) != SQLITE_OK ||
        sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK ||
        sqlite3_exec(db, "COMMIT", NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s", why);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static int number_in(const char *file, const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *st;
    int number;

    assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    number = sqlite3_column_int(st, 0);
    assert_int_equal(sqlite3_finalize(st), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return number;
}

static int raw_number(const char *sql)
{
    return number_in(path, sql);
}

static int folder_count(void)
{
    DIR *d = opendir(folder);
    const struct dirent *entry;
    int n = 0;

    assert_non_null(d);
    while ((entry = readdir(d)))
        n += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    (void)closedir(d);
    return n;
}

static void assert_whole(struct state *s)
{
    CLEANUP(state_pins_clear) struct state_pins pins = {0};
    CLEANUP(state_machines_clear) struct state_machines machines = {0};
    CLEANUP(state_run_clear) struct state_run run = {0};
    CLEANUP(state_results_clear) struct state_results results = {0};
    CLEANUP(state_targets_clear) struct state_targets left = {0};
    CLEANUP_FREE char *spec = NULL;

    assert_int_equal(state_pin_list(s, NULL, &pins, NULL), 0);
    assert_int_equal(pins.count, 3);
    assert_int_equal(pins.items[0].source, PIN_TRUST);
    assert_int_equal(pins.items[1].retired_ms, 1000);
    assert_int_equal(state_setting_get(s, "spec", &spec, NULL), 0);
    assert_string_equal(spec, "/src/pydcop");
    assert_int_equal(state_run_last(s, "deploy", &run, NULL), 0);
    assert_int_equal(run.number, 7);
    assert_int_equal(run.ended_ms, 3000);
    assert_string_equal(run.files.items[0], "/p.yaml");
    assert_int_equal(state_result_list(s, 7, &results, NULL), 0);
    assert_int_equal(results.count, 3);
    /* What version 2 adds is known from what was there. */
    assert_int_equal(run.targets.count, 2);
    assert_int_equal(state_run_unfinished(s, 7, &left, NULL), 0);
    assert_int_equal(left.count, 1);
    assert_string_equal(left.items[0].machine, "id2");
    assert_int_equal(state_machine_list(s, &machines, NULL), 0);
    assert_int_equal(machines.count, 2);
    assert_string_equal(machines.items[0].host, "rpi-1");
    assert_string_equal(machines.items[0].fingerprint, "SHA256:a");
    assert_string_equal(machines.items[0].agents.items[0], "a1");
    assert_int_equal(machines.items[0].last_seen_ms, 2600);
    assert_int_equal(machines.items[1].last_seen_ms, 1000); /* it was not reached */
}

static void test_version_1_becomes_3(void **state)
{
    CLEANUP_STATE struct state *s = NULL, *again = NULL;
    struct error err = {0};

    (void)state;
    raw_run(version_1);
    if (state_open(path, &s, &err) < 0)
        fail_msg("%s", err.text);
    assert_whole(s);
    assert_int_equal(raw_number("PRAGMA user_version"), 4);
    assert_int_equal(state_open(path, &again, NULL), 0);
    assert_whole(again);
}

static void test_version_2_becomes_3(void **state)
{
    CLEANUP_STATE struct state *s = NULL;
    CLEANUP(state_laters_clear) struct state_laters queue = {0};
    char old[160];

    (void)state;
    raw_run(version_1);
    raw_run(version_2);
    assert_int_equal(state_open(path, &s, NULL), 0);
    assert_whole(s);
    assert_int_equal(state_later_list(s, &queue, NULL), 0);
    assert_int_equal(queue.count, 0);
    assert_int_equal(raw_number("PRAGMA user_version"), 4);
    (void)snprintf(old, sizeof(old), "%s.schema-2", path);
    assert_int_equal(number_in(old, "PRAGMA user_version"), 2);
    assert_int_equal(number_in(old, "SELECT count(*) FROM run_targets"), 2);
}

/* Before anything changes, the old file is kept beside it, readable by its owner alone. */
static void test_the_old_one_is_kept(void **state)
{
    CLEANUP_STATE struct state *s = NULL;
    struct stat st;

    (void)state;
    raw_run(version_1);
    assert_int_equal(state_open(path, &s, NULL), 0);
    assert_int_equal(number_in(copy, "PRAGMA user_version"), 1);
    assert_int_equal(number_in(copy, "SELECT count(*) FROM pins"), 3);
    assert_int_equal(number_in(copy, "SELECT count(*) FROM results"), 3);
    assert_int_equal(stat(copy, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
}

static void test_a_new_one_has_no_copy(void **state)
{
    CLEANUP_STATE struct state *s = NULL;

    (void)state;
    assert_int_equal(state_open(path, &s, NULL), 0);
    assert_int_equal(folder_count(), 3); /* with -wal and -shm */
}

/* Without a copy nothing is changed. */
static void test_no_copy_no_upgrade(void **state)
{
    struct state *s = NULL;
    struct error err = {0};

    (void)state;
    raw_run(version_1);
    assert_int_equal(mkdir(copy, 0700), 0); /* in its way */
    assert_int_equal(state_open(path, &s, &err), -EISDIR);
    assert_null(s);
    assert_non_null(strstr(err.text, copy));
    assert_int_equal(raw_number("PRAGMA user_version"), 1);
    assert_int_equal(folder_count(), 2);
}

static void test_a_newer_version_is_left_alone(void **state)
{
    struct state *s = NULL;
    struct error err = {0};

    (void)state;
    raw_run(version_1);
    raw_run("PRAGMA user_version=5");
    assert_int_equal(state_open(path, &s, &err), -ENOTSUP);
    assert_null(s);
    assert_non_null(strstr(err.text, "newer dcop (schema 5, this one knows 4)"));
    assert_int_equal(raw_number("PRAGMA user_version"), 5);
    assert_int_equal(raw_number("SELECT count(*) FROM sqlite_master WHERE name='machines'"), 0);
}

/* --- killed in the middle ------------------------------------------------------- */

static int operations_left;

static int count_down(void *unused)
{
    (void)unused;
    if (--operations_left <= 0)
        (void)raise(SIGKILL);
    return 0;
}

/* Every connection made from here on counts SQLite's operations. */
static int arm(sqlite3 *db, char **why, const struct sqlite3_api_routines *api)
{
    (void)why, (void)api;
    sqlite3_progress_handler(db, 1, count_down, NULL);
    return SQLITE_OK;
}

/* Opens the file in a process that is killed at that operation of SQLite's.
 * Returns true when it lived to the end. */
static bool migrate_until(int operations)
{
    pid_t pid = fork();
    int status;

    assert_true(pid >= 0);
    if (pid == 0) {
        struct state *s = NULL;

        operations_left = operations;
        (void)sqlite3_auto_extension((void (*)(void))arm);
        _exit(state_open(path, &s, NULL) < 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status))
        assert_int_equal(WTERMSIG(status), SIGKILL);
    else
        assert_int_equal(WEXITSTATUS(status), 0);
    return !WIFSIGNALED(status);
}

static void test_killed_in_the_middle(void **state)
{
    static const char *const files[] = {"", "-wal", "-shm"};
    int kills = 0, old = 0;

    (void)state;
    for (int operations = 1; operations < 100000; operations += 1 + operations % 61) {
        bool lived;
        int version;

        for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
            char file[160];

            (void)snprintf(file, sizeof(file), "%s%s", path, files[i]);
            (void)unlink(file);
        }
        raw_run(version_1);
        lived = migrate_until(operations);
        version = raw_number("PRAGMA user_version");
        assert_true(version == 1 || version == 4);
        assert_int_equal(raw_number("SELECT count(*)=1 FROM pragma_integrity_check"
                                    " WHERE integrity_check='ok'"),
                         1);
        assert_int_equal(raw_number("SELECT count(*) FROM sqlite_master WHERE name IN"
                                    " ('machines', 'seqs', 'run_wishes', 'run_targets', 'later')"),
                         version == 1 ? 0 : 5);
        /* What was upgraded has its copy. */
        if (version == 4)
            assert_int_equal(number_in(copy, "SELECT count(*) FROM pins"), 3);
        (void)unlink(copy);
        kills += !lived;
        old += version == 1;
        {
            CLEANUP_STATE struct state *s = NULL;

            assert_int_equal(state_open(path, &s, NULL), 0);
            assert_whole(s);
        }
        if (lived)
            break;
    }
    assert_true(kills > 20);
    assert_true(old > 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_version_1_becomes_3),  TEST(test_version_2_becomes_3),
        TEST(test_the_old_one_is_kept),  TEST(test_a_new_one_has_no_copy),
        TEST(test_no_copy_no_upgrade),   TEST(test_a_newer_version_is_left_alone),
        TEST(test_killed_in_the_middle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
