/* Which machines the state database knows; deployer/state writes it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <sqlite3.h>

#include "discovery/base/file.h"
#include "known.h"

enum { BUSY_MS = 100 };

static const char query[] =
    "SELECT id, fingerprint FROM pins WHERE retired IS NULL ORDER BY created DESC, pin DESC";

static void close_database(sqlite3 **db)
{
    (void)sqlite3_close(*db);
}

static void end_statement(sqlite3_stmt **st)
{
    (void)sqlite3_finalize(*st);
}

static int fail(sqlite3 *db, const char *path, struct error *err)
{
    return error_set(err, -EIO, "cannot read which machines are known from %s: %s", path,
                     db ? sqlite3_errmsg(db) : strerror(ENOMEM));
}

int known_read(const char *path, struct known *k, struct error *err)
{
    CLEANUP(close_database) sqlite3 *db = NULL;
    CLEANUP(end_statement) sqlite3_stmt *st = NULL;
    struct stat file;
    int code, r = 0;

    if (stat(path, &file) < 0)
        return 0;
    if (!S_ISREG(file.st_mode)) /* to open a FIFO is to wait */
        return error_set(err, -EIO, "cannot read which machines are known from %s: it is no file",
                         path);
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK)
        return fail(db, path, err);
    (void)sqlite3_busy_timeout(db, BUSY_MS);
    if (sqlite3_prepare_v2(db, query, -1, &st, NULL) != SQLITE_OK)
        return fail(db, path, err);
    while ((code = sqlite3_step(st)) == SQLITE_ROW && r == 0) {
        const char *id = (const char *)sqlite3_column_text(st, 0);
        const char *hostkey = (const char *)sqlite3_column_text(st, 1);

        r = id ? known_add(k, id, hostkey) : -ENOMEM;
    }
    if (r < 0)
        return error_sys(err, r, "cannot read which machines are known from %s", path);
    return code == SQLITE_DONE ? 0 : fail(db, path, err);
}

char *known_path(const char *state_dir)
{
    const char *base = getenv("XDG_STATE_HOME"), *home = getenv("HOME");

    if (state_dir)
        return path_join(state_dir, "state.db");
    if (base && *base == '/') /* relative ones are ignored */
        return path_join(base, "dcop/state.db");
    return home && *home == '/' ? path_join(home, ".local/state/dcop/state.db") : NULL;
}
