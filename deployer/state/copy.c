#include <errno.h>
#include <stdio.h>

#include "database.h"
#include "discovery/base/file.h"
#include "state.h"

static int copy_into(struct state *other, const char *to, struct error *err)
{
    int r = state_execute(other, "PRAGMA synchronous=OFF", err); /* file_sync follows */

    return r == 0 ? state_run(other, err, "VACUUM INTO ?", "s", to) : r;
}

/* SQLite copies nothing within a transaction: another connection does, which sees what is
 * committed. */
int state_copy(struct state *s, const char *to, struct error *err)
{
    CLEANUP_FREE char *temporary = NULL;
    CLEANUP_CLOSE int fd = file_temporary(to, &temporary, err);
    struct state other = {.path = s->path};
    int r = 0;

    if (fd < 0)
        return fd;
    if (sqlite3_open_v2(s->path, &other.db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
        r = other.db ? state_failed(&other, "copy the state database", err)
                     : error_sys(err, -ENOMEM, "cannot copy %s", s->path);
    if (r == 0)
        (void)sqlite3_busy_timeout(other.db, STATE_BUSY_MS);
    if (r == 0)
        r = copy_into(&other, temporary, err);
    (void)sqlite3_close(other.db);
    if (r == 0 && (fsync(fd) < 0 || rename(temporary, to) < 0))
        r = error_sys(err, -errno, "cannot copy %s to %s", s->path, to);
    if (r < 0)
        (void)unlink(temporary);
    return r;
}
