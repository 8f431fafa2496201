#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "database.h"
#include "deployer/base/url.h"
#include "discovery/base/clock.h"
#include "discovery/base/file.h"

/* --- opening --------------------------------------------------------------- */

/* The change to WAL needs exclusive access, and SQLite does not wait when two processes
 * do it at once. */
static int use_wal(struct state *s, struct error *err)
{
    int64_t until = clock_ms(CLOCK_REALTIME) + STATE_BUSY_MS;
    int r;

    while ((r = state_execute(s, "PRAGMA journal_mode=WAL", err)) == -EBUSY &&
           clock_ms(CLOCK_REALTIME) < until)
        (void)usleep(10000);
    return r;
}

/* SQLite creates a file by the umask; this one must be readable by its owner only, from
 * the start. */
static int make_file(const char *path, struct error *err)
{
    CLEANUP_FREE char *folder = strdup(path);
    CLEANUP_CLOSE int fd = -1;
    char *slash;
    int r = 0;

    if (!folder)
        return error_sys(err, -ENOMEM, "cannot open %s", path);
    slash = strrchr(folder, '/');
    if (slash && slash != folder) {
        *slash = '\0';
        r = make_folders(folder, 0700, err);
    }
    if (r < 0)
        return r;
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
    if (fd < 0)
        return error_sys(err, -errno, "cannot open the state database %s", path);
    return 0;
}

int state_open(const char *path, struct state **ret, struct error *err)
{
    CLEANUP(state_free_p) struct state *s = calloc(1, sizeof(*s));
    bool memory = strcmp(path, ":memory:") == 0;
    int code, r = 0;

    if (!s || !(s->path = strdup(path)))
        return error_sys(err, -ENOMEM, "cannot open %s", path);
    if (!memory)
        r = make_file(path, err);
    if (r < 0)
        return r;
    code = sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
    if (!s->db)
        return error_sys(err, -ENOMEM, "cannot open %s", path);
    if (code != SQLITE_OK)
        return state_failed(s, "open the state database", err);
    (void)sqlite3_extended_result_codes(s->db, 1);
    (void)sqlite3_busy_timeout(s->db, STATE_BUSY_MS);
    r = state_execute(s, "PRAGMA foreign_keys=ON", err);
    if (r == 0)
        r = use_wal(s, err);
    if (r == 0)
        r = state_migrate(s, err);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(s);
    return 0;
}

void state_free(struct state *s)
{
    if (!s)
        return;
    (void)sqlite3_close(s->db);
    free(s->path);
    free(s);
}

/* --- settings -------------------------------------------------------------- */

int state_setting_get(struct state *s, const char *key, char **ret, struct error *err)
{
    CLEANUP_STATEMENT sqlite3_stmt *st = NULL;
    bool failed = false;
    char *value;
    int r = state_prepare(s, "SELECT value FROM settings WHERE key=?", &st, err, "s", key);

    if (r == 0)
        r = state_step(s, st, err);
    if (r <= 0)
        return r < 0 ? r : -ENOENT;
    value = state_column(st, 0, &failed);
    if (!value)
        return error_sys(err, -ENOMEM, "cannot read the state database");
    *ret = value;
    return 0;
}

int state_setting_set(struct state *s, const char *key, const char *value, struct error *err)
{
    CLEANUP_TRANSACTION struct transaction t = {0};
    CLEANUP_TEXT struct text plain = TEXT_INIT;
    int r;

    url_add_without_password(&plain, value);
    r = text_error(&plain) < 0 ? error_sys(err, -ENOMEM, "cannot store a setting")
                               : transaction_begin(s, false, &t, err);
    if (r == 0)
        r = state_run(s, err, "INSERT OR REPLACE INTO settings VALUES(?,?)", "ss", key,
                      text_str(&plain));
    return r != 0 ? r : transaction_end(&t, err);
}
