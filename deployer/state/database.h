/*
 * What the parts of the state database share: the connection, statements that
 * cannot be leaked, transactions that cannot be left open, errors of SQLite
 * turned into ours.
 */
#pragma once

#include <sqlite3.h>

#include "discovery/base/cleanup.h"
#include "state.h"

struct state {
    sqlite3 *db;
    char *path;
};

/* The words and the errno for what just went wrong on the connection. */
int state_failed(struct state *s, const char *doing, struct error *err);

static inline void cleanup_statement(sqlite3_stmt **st)
{
    (void)sqlite3_finalize(*st);
}
#define CLEANUP_STATEMENT CLEANUP(cleanup_statement)

/* Prepares, and binds the values in order: 's' const char * (NULL allowed),
 * 'i' int64_t. */
int state_prepare(struct state *s, const char *sql, sqlite3_stmt **ret, struct error *err,
                  const char *types, ...);

/* 1: a row, 0: no more. */
int state_step(struct state *s, sqlite3_stmt *st, struct error *err);

/* Prepares, binds and runs a statement that returns no rows. */
int state_run(struct state *s, struct error *err, const char *sql, const char *types, ...);

/* Runs statements that take no values and return no rows. */
int state_execute(struct state *s, const char *sql, struct error *err);

/* Brings the schema up to date, all of it or nothing.  -ENOTSUP: a newer one. */
int state_migrate(struct state *s, struct error *err);

/* All values of a query's first column, in its order; replaces `ret`. */
int state_strings(struct state *s, struct strings *ret, struct error *err, const char *sql,
                  const char *types, ...);

/* A copy of a column, NULL for SQL's NULL.  *ret_failed is set without memory. */
char *state_column(sqlite3_stmt *st, int column, bool *ret_failed);

/* A write transaction: rolled back when it goes out of scope, unless ended. */
struct transaction {
    struct state *s;
};
void transaction_undo(struct transaction *t);
#define CLEANUP_TRANSACTION CLEANUP(transaction_undo)

/* Takes the write lock at once, so that data read within it does not change.
 * `durable`: flushed to the disk before transaction_end returns. */
int transaction_begin(struct state *s, bool durable, struct transaction *ret, struct error *err);
int transaction_end(struct transaction *t, struct error *err);

/* Identifies this process uniquely: boot id, pid, and its start in clock ticks since boot
 * (proc(5), /proc/pid/stat, field 22).  "" when unknown. */
enum { STATE_PROCESS_MAX = 128 };
void state_process_mark(char ret[static STATE_PROCESS_MAX]);

/* Is the process with that mark still there?  false for NULL and "". */
bool state_process_alive(const char *mark);

/* A run's wish and targets; write within its transaction. */
int state_run_write_plan(struct state *s, int64_t number, const struct state_run *run,
                         struct error *err);
int state_run_read_plan(struct state *s, struct state_run *run, struct error *err);
