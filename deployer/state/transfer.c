#include "transfer.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "database.h"
#include "transfer-private.h"

DEFINE_CLEANUP(json_t *, json_decref);
#define CLEANUP_JSON CLEANUP(json_decref_p)

#define PENDING "import" /* the setting with what is still to be done */

enum { IDS_SHOWN = 5 };

/* --- writing ---------------------------------------------------------------------------- */

static int64_t min_number(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* A value that the other side would refuse is left out where it can be, or becomes its bound
 * (a signed record may have any seq). */
static json_t *row_json(const struct transfer_table *t, sqlite3_stmt *st)
{
    CLEANUP_JSON json_t *row = json_object();
    int i = 0;

    for (const struct transfer_column *column = t->items; column->name; column++, i++) {
        const char *text = column->text ? (const char *)sqlite3_column_text(st, i) : NULL;
        json_t *value;

        if (sqlite3_column_type(st, i) == SQLITE_NULL)
            continue;
        if (column->text && !column->required && text && !column->text(text))
            continue;
        value = column->text ? json_string(text ? text : "")
                             : json_integer(min_number(sqlite3_column_int64(st, i), column->max));
        if (json_object_set_new(row, column->name, value) < 0)
            return NULL;
    }
    return TAKE_PTR(row);
}

static int write_table(struct state *s, const struct transfer_table *t, json_t *to,
                       struct error *err)
{
    CLEANUP_STATEMENT sqlite3_stmt *st = NULL;
    CLEANUP_JSON json_t *rows = json_array();
    char sql[400];
    int r;

    (void)snprintf(sql, sizeof(sql), "SELECT %s FROM %s ORDER BY %s", t->columns, t->name,
                   t->order);
    r = state_prepare(s, sql, &st, err, "");
    while (r == 0 && (r = state_step(s, st, err)) > 0) {
        json_t *row = row_json(t, st);
        struct error why = {0};

        r = row ? transfer_check_row(t, row, &why) : 0;
        if (r < 0) {
            json_decref(row);
            return error_set(err, r, "cannot export row %zu of the %s: %s",
                             json_array_size(rows) + 1, t->name, why.text);
        }
        if (json_array_append_new(rows, row) < 0)
            return error_sys(err, -ENOMEM, "cannot read the state database");
    }
    if (r < 0)
        return r;
    return json_object_set(to, t->name, rows) == 0
               ? 0
               : error_sys(err, -ENOMEM, "cannot read the state database");
}

int transfer_write(struct state *s, struct text *ret, struct error *err)
{
    CLEANUP_TRANSACTION struct transaction t = {0};
    CLEANUP_JSON json_t *all = json_object();
    CLEANUP_FREE char *spec = NULL, *text = NULL;
    int r = transaction_begin(s, false, &t, err); /* one moment's state */

    for (const struct transfer_table *table = transfer_tables; table->name && r == 0; table++)
        r = write_table(s, table, all, err);
    if (r == 0)
        r = state_setting_get(s, STATE_SETTING_SPEC, &spec, err);
    if (r < 0 && r != -ENOENT)
        return r;
    if (spec && transfer_is_spec(spec))
        (void)json_object_set_new(all, "pydcop", json_string(spec));
    text = json_dumps(all, JSON_COMPACT);
    text_adds(ret, text ? text : "");
    return text && text_error(ret) == 0 ? 0 : error_sys(err, -ENOMEM, "cannot write JSON");
}

int transfer_count(struct state *s, struct transfer_count *ret, struct error *err)
{
    CLEANUP_STATEMENT sqlite3_stmt *st = NULL;
    int r = state_prepare(s,
                          "SELECT (SELECT count(*) FROM (SELECT id FROM machines UNION"
                          "  SELECT id FROM pins UNION SELECT id FROM names)),"
                          " (SELECT count(*) FROM pins WHERE retired IS NULL),"
                          " (SELECT count(*) FROM names WHERE held=1)",
                          &st, err, "");

    if (r == 0)
        r = state_step(s, st, err);
    if (r < 0)
        return r;
    *ret = (struct transfer_count){
        .machines = (size_t)sqlite3_column_int64(st, 0),
        .pins = (size_t)sqlite3_column_int64(st, 1),
        .names = (size_t)sqlite3_column_int64(st, 2),
    };
    return 0;
}

/* --- taking ----------------------------------------------------------------------------- */

static int bind_row(const struct transfer_table *t, const json_t *row, sqlite3_stmt *st)
{
    int code = SQLITE_OK, i = 1;

    for (const struct transfer_column *c = t->items; c->name && code == SQLITE_OK; c++, i++) {
        const json_t *value = json_object_get(row, c->name);

        if (!value)
            code = sqlite3_bind_null(st, i);
        else if (c->text)
            code = sqlite3_bind_text(st, i, json_string_value(value), -1, SQLITE_TRANSIENT);
        else
            code = sqlite3_bind_int64(st, i, json_integer_value(value));
    }
    return code;
}

static int take_row(struct state *s, const struct transfer_table *t, const json_t *row,
                    sqlite3_stmt *st, struct error *err)
{
    int r = transfer_check_row(t, row, err);
    int code;

    if (r < 0)
        return r;
    if (bind_row(t, row, st) != SQLITE_OK)
        return state_failed(s, "use the state database", err);
    code = sqlite3_step(st);
    if (code != SQLITE_DONE)
        r = (sqlite3_errcode(s->db) & 0xff) == SQLITE_CONSTRAINT
                ? error_set(err, -EBADMSG, "it is there twice")
                : state_failed(s, "use the state database", err);
    (void)sqlite3_reset(st);
    return r;
}

static int take_table(struct state *s, const struct transfer_table *t, const json_t *all,
                      struct error *err)
{
    CLEANUP_STATEMENT sqlite3_stmt *st = NULL;
    const json_t *rows = json_object_get(all, t->name);
    char sql[400];
    int r;

    if (!json_is_array(rows) || json_array_size(rows) > TRANSFER_ROWS_MAX)
        return error_set(err, -EBADMSG, "its %s are no list of at most %d", t->name,
                         TRANSFER_ROWS_MAX);
    (void)snprintf(sql, sizeof(sql), "INSERT INTO %s(%s) VALUES(?", t->name, t->columns);
    for (size_t i = 1; t->items[i].name; i++)
        strcat(sql, ",?");
    strcat(sql, ")");
    r = state_prepare(s, sql, &st, err, "");
    for (size_t i = 0; i < json_array_size(rows) && r == 0; i++) {
        struct error why = {0};

        r = take_row(s, t, json_array_get(rows, i), st, &why);
        if (r < 0)
            r = error_set(err, r, "row %zu of its %s: %s", i + 1, t->name, why.text);
    }
    return r;
}

static int take_spec(struct state *s, const struct transfer *t, const json_t *all, char **ret,
                     struct error *err)
{
    const json_t *value = json_object_get(all, "pydcop");
    const char *spec = json_string_value(value);
    CLEANUP_FREE char *here = NULL;
    int r;

    if (!value)
        return 0;
    if (!spec)
        return error_set(err, -EBADMSG, "its 'pydcop' is not valid");
    if (!transfer_is_spec(spec) || strlen(spec) != json_string_length(value))
        return 0;
    r = t->replace ? -ENOENT : state_setting_get(s, STATE_SETTING_SPEC, &here, err);
    if (r != -ENOENT)
        return r;
    r = state_run(s, err, "INSERT OR REPLACE INTO settings VALUES(?,?)", "ss", STATE_SETTING_SPEC,
                  spec);
    if (r == 0 && !(*ret = strdup(spec)))
        r = error_sys(err, -ENOMEM, "cannot use the state database");
    return r;
}

static int move_aside(struct state *s, struct error *err)
{
    return state_execute(s,
                         "CREATE TEMP TABLE old_machines AS SELECT * FROM machines;"
                         "CREATE TEMP TABLE old_pins AS SELECT id, fingerprint, source,"
                         " retired IS NULL AS active FROM pins;"
                         "CREATE TEMP TABLE old_names AS SELECT fleet, agent, id, held FROM names;"
                         "CREATE TEMP TABLE old_seqs AS SELECT * FROM seqs;"
                         "DELETE FROM machines; DELETE FROM pins; DELETE FROM names;"
                         "DELETE FROM seqs;",
                         err);
}

/* What was seen here later, and how a key came to be trusted here: whether passwords may be
 * sent depends on it. */
static int keep_own(struct state *s, struct error *err)
{
    return state_execute(s,
                         "INSERT OR REPLACE INTO machines SELECT * FROM old_machines AS old WHERE"
                         " EXISTS (SELECT 1 FROM machines WHERE id=old.id AND"
                         "  last_seen<old.last_seen);"
                         "UPDATE pins SET source=old.source FROM old_pins AS old WHERE"
                         " pins.id=old.id AND pins.fingerprint=old.fingerprint",
                         err);
}

/* A counter that was seen here stays: a record that is older than it is a replay. */
static int keep_seqs(struct state *s, struct error *err)
{
    return state_execute(s,
                         "INSERT INTO seqs SELECT id, fingerprint, seq FROM old_seqs WHERE id IN"
                         " (SELECT id FROM machines UNION SELECT id FROM pins) ON CONFLICT(id,"
                         " fingerprint) DO UPDATE SET seq=max(seq, excluded.seq)",
                         err);
}

/* The machines of which something was known that is not known now. */
static int find_lost(struct state *s, struct strings *ret, struct error *err)
{
    return state_strings(
        s, ret, err,
        "SELECT id FROM (SELECT id FROM old_machines EXCEPT SELECT id FROM machines)"
        " UNION SELECT id FROM (SELECT id, fingerprint, active FROM old_pins"
        "  EXCEPT SELECT id, fingerprint, retired IS NULL FROM pins)"
        " UNION SELECT id FROM (SELECT fleet, agent, id, held FROM old_names"
        "  EXCEPT SELECT fleet, agent, id, held FROM names)"
        " UNION SELECT id FROM (SELECT id FROM old_seqs EXCEPT SELECT id FROM seqs)"
        " ORDER BY id",
        "");
}

static int refuse_loss(struct state *s, struct error *err)
{
    CLEANUP_STRINGS struct strings lost = {0};
    CLEANUP_TEXT struct text words = TEXT_INIT;
    int r = find_lost(s, &lost, err);

    if (r < 0 || lost.count == 0)
        return r;
    for (size_t i = 0; i < lost.count && i < IDS_SHOWN; i++)
        text_addf(&words, "%s%s", i > 0 ? ", " : "", lost.items[i]);
    if (lost.count > IDS_SHOWN)
        text_addf(&words, " and %zu more", lost.count - IDS_SHOWN);
    return error_set(err, -EEXIST,
                     "of %zu machine%s (%s) something is known here that is not in the file",
                     lost.count, lost.count == 1 ? "" : "s", text_str(&words));
}

static int check_kinds(const json_t *all, struct error *err)
{
    size_t known = json_object_get(all, "pydcop") ? 1 : 0;

    for (const struct transfer_table *table = transfer_tables; table->name; table++)
        known += json_object_get(all, table->name) ? 1 : 0;
    return known == json_object_size(all)
               ? 0
               : error_set(err, -EBADMSG,
                           "there is something in its state that this dcop does not know: a newer "
                           "one has written it");
}

static int take_all(struct state *s, const struct transfer *t, const json_t *all, char **ret_spec,
                    struct error *err)
{
    int r = move_aside(s, err);

    for (const struct transfer_table *table = transfer_tables; table->name && r == 0; table++)
        r = take_table(s, table, all, err);
    if (r == 0)
        r = check_kinds(all, err);
    if (r == 0)
        r = take_spec(s, t, all, ret_spec, err);
    if (r == 0 && !t->replace)
        r = keep_own(s, err);
    if (r == 0)
        r = keep_seqs(s, err);
    return r == 0 && !t->replace ? refuse_loss(s, err) : r;
}

/* Empty: nothing is pending. */
static int set_pending(struct state *s, const struct text *words, struct error *err)
{
    if (text_error(words) < 0)
        return error_sys(err, -ENOMEM, "cannot use the state database");
    return words->size == 0 ? state_run(s, err, "DELETE FROM settings WHERE key=?", "s", PENDING)
                            : state_run(s, err, "INSERT OR REPLACE INTO settings VALUES(?,?)", "ss",
                                        PENDING, text_str(words));
}

static int store_pending(struct state *s, const struct transfer *t, struct error *err)
{
    CLEANUP_TEXT struct text words = TEXT_INIT;
    int r = t->prepare ? t->prepare(t->with, &words, err) : 0;

    return r == 0 ? set_pending(s, &words, err) : r;
}

static int drop_aside(struct state *s, struct error *err)
{
    return state_execute(s,
                         "DROP TABLE old_machines; DROP TABLE old_pins; DROP TABLE old_names;"
                         "DROP TABLE old_seqs;",
                         err);
}

int transfer_take(struct state *s, const struct transfer *t, char **ret_spec, struct error *err)
{
    CLEANUP_FREE char *spec = NULL;
    CLEANUP_TRANSACTION struct transaction transaction = {0};
    CLEANUP_JSON json_t *all = json_loadb(t->json, t->size, JSON_REJECT_DUPLICATES, NULL);
    int r;

    if (!json_is_object(all))
        return error_set(err, -EBADMSG, "what is in it is no JSON");
    r = state_execute(s, "PRAGMA temp_store=MEMORY", err);
    if (r == 0)
        r = transaction_begin(s, true, &transaction, err);
    if (r == 0)
        r = take_all(s, t, all, &spec, err);
    if (r == 0)
        r = store_pending(s, t, err);
    if (r == 0)
        r = drop_aside(s, err);
    if (r == 0)
        r = transaction_end(&transaction, err);
    if (r == 0)
        *ret_spec = TAKE_PTR(spec);
    return r;
}

/* --- what is pending --------------------------------------------------------------------- */

int transfer_announce(struct state *s, const struct text *words, struct error *err)
{
    CLEANUP_TRANSACTION struct transaction t = {0};
    int r = transaction_begin(s, true, &t, err);

    if (r == 0)
        r = set_pending(s, words, err);
    return r == 0 ? transaction_end(&t, err) : r;
}

int transfer_is_pending(struct state *s, struct error *err)
{
    CLEANUP_FREE char *words = NULL;
    int r = state_setting_get(s, PENDING, &words, err);

    return r == -ENOENT ? 0 : r < 0 ? r : 1;
}

int transfer_settle(struct state *s,
                    int (*settle)(void *with, const char *words, struct error *err), void *with,
                    struct error *err)
{
    CLEANUP_TRANSACTION struct transaction t = {0};
    CLEANUP_FREE char *words = NULL;
    int r = transaction_begin(s, true, &t, err);

    if (r == 0)
        r = state_setting_get(s, PENDING, &words, err);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    r = settle(with, words, err);
    if (r == 0)
        r = set_pending(s, &TEXT_INIT, err);
    return r == 0 ? transaction_end(&t, err) : r;
}
