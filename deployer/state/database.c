#include "database.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

/* --- SQLite ---------------------------------------------------------------- */

static int error_of(int code)
{
    switch (code & 0xff) {
    case SQLITE_OK:
        return 0;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return -EBUSY;
    case SQLITE_NOMEM:
        return -ENOMEM;
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_READONLY:
        return -EROFS;
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_CANTOPEN:
        return -EACCES;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return -EBADMSG;
    default:
        return -EIO;
    }
}

int state_failed(struct state *s, const char *doing, struct error *err)
{
    int r = error_of(sqlite3_errcode(s->db));

    if (r == -EBUSY)
        return error_set(err, r, "cannot %s: another dcop program keeps %s locked", doing, s->path);
    if (r == -EBADMSG)
        return error_set(err, r,
                         "cannot %s: %s is damaged (%s); move it away to start with an empty one "
                         "(machines have to be trusted again)",
                         doing, s->path, sqlite3_errmsg(s->db));
    return error_set(err, r < 0 ? r : -EIO, "cannot %s: %s: %s", doing, s->path,
                     sqlite3_errmsg(s->db));
}

static int prepare_statement(struct state *s, const char *sql, sqlite3_stmt **ret,
                             struct error *err, const char *types, va_list args)
{
    CLEANUP_STATEMENT sqlite3_stmt *st = NULL;
    int code = sqlite3_prepare_v2(s->db, sql, -1, &st, NULL);

    for (int i = 1; *types && code == SQLITE_OK; types++, i++) {
        if (*types == 's')
            code = sqlite3_bind_text(st, i, va_arg(args, const char *), -1, SQLITE_TRANSIENT);
        else
            code = sqlite3_bind_int64(st, i, va_arg(args, int64_t));
    }
    if (code != SQLITE_OK)
        return state_failed(s, "use the state database", err);
    *ret = TAKE_PTR(st);
    return 0;
}

int state_prepare(struct state *s, const char *sql, sqlite3_stmt **ret, struct error *err,
                  const char *types, ...)
{
    va_list args;
    int r;

    va_start(args, types);
    r = prepare_statement(s, sql, ret, err, types, args);
    va_end(args);
    return r;
}

int state_step(struct state *s, sqlite3_stmt *st, struct error *err)
{
    int code = sqlite3_step(st);

    if (code == SQLITE_ROW)
        return 1;
    return code == SQLITE_DONE ? 0 : state_failed(s, "use the state database", err);
}

int state_run(struct state *s, struct error *err, const char *sql, const char *types, ...)
{
    CLEANUP_STATEMENT sqlite3_stmt *st = NULL;
    va_list args;
    int r;

    va_start(args, types);
    r = prepare_statement(s, sql, &st, err, types, args);
    va_end(args);
    return r < 0 ? r : state_step(s, st, err);
}

int state_strings(struct state *s, struct strings *ret, struct error *err, const char *sql,
                  const char *types, ...)
{
    CLEANUP_STATEMENT sqlite3_stmt *st = NULL;
    CLEANUP_STRINGS struct strings strings = {0};
    va_list args;
    int r;

    va_start(args, types);
    r = prepare_statement(s, sql, &st, err, types, args);
    va_end(args);
    while (r == 0 && (r = state_step(s, st, err)) > 0) {
        const char *string = (const char *)sqlite3_column_text(st, 0);

        if (!string || strings_add(&strings, string) < 0)
            return error_sys(err, -ENOMEM, "cannot read the state database");
        r = 0;
    }
    if (r < 0)
        return r;
    strings_clear(ret);
    *ret = strings;
    strings = (struct strings){0};
    return 0;
}

char *state_column(sqlite3_stmt *st, int column, bool *ret_failed)
{
    const char *value = (const char *)sqlite3_column_text(st, column);
    char *copy;

    if (!value) {
        if (sqlite3_column_type(st, column) != SQLITE_NULL)
            *ret_failed = true;
        return NULL;
    }
    copy = strdup(value);
    if (!copy)
        *ret_failed = true;
    return copy;
}

int state_execute(struct state *s, const char *sql, struct error *err)
{
    if (sqlite3_exec(s->db, sql, NULL, NULL, NULL) != SQLITE_OK)
        return state_failed(s, "use the state database", err);
    return 0;
}

/* --- transactions ---------------------------------------------------------- */

void transaction_undo(struct transaction *t)
{
    if (t->s)
        (void)sqlite3_exec(t->s->db, "ROLLBACK", NULL, NULL, NULL);
    t->s = NULL;
}

int transaction_begin(struct state *s, bool durable, struct transaction *ret, struct error *err)
{
    /* In WAL mode NORMAL never damages the file; a power cut may take the last
     * results with it, but must not take a pin (sqlite.org/pragma.html). */
    int r =
        state_execute(s, durable ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL", err);

    if (r == 0)
        r = state_execute(s, "BEGIN IMMEDIATE", err);
    if (r == 0)
        ret->s = s;
    return r;
}

int transaction_end(struct transaction *t, struct error *err)
{
    int r = state_execute(t->s, "COMMIT", err);

    if (r == 0)
        t->s = NULL;
    return r;
}
