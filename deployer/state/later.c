/* Deploys that wait for their machines. */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "database.h"
#include "deployer/base/url.h"
#include "discovery/base/clock.h"
#include "state.h"

void state_wheel_clear(struct state_wheel *w)
{
    free(w->digest);
    free(w->name);
    text_clear(&w->bytes);
    *w = (struct state_wheel){0};
}

void state_later_clear(struct state_later *l)
{
    free(l->machine);
    free(l->host);
    free(l->fleet);
    strings_clear(&l->agents);
    strings_clear(&l->wish);
    free(l->spec);
    free(l->version);
    free(l->wheel);
    free(l->reason);
    *l = (struct state_later){0};
}

void state_laters_clear(struct state_laters *l)
{
    for (size_t i = 0; i < l->count; i++)
        state_later_clear(&l->items[i]);
    free(l->items);
    *l = (struct state_laters){0};
}

/* --- writing --------------------------------------------------------------- */

static int put_wheel(struct state *s, const struct state_wheel *wheel, struct error *err)
{
    CLEANUP_STATEMENT sqlite3_stmt *st = NULL;
    int r = state_prepare(s, "INSERT INTO later_wheels VALUES(?,?,?3) ON CONFLICT DO NOTHING", &st,
                          err, "ss", wheel->digest, wheel->name);

    if (r < 0)
        return r;
    if (wheel->bytes.size > INT_MAX ||
        sqlite3_bind_blob(st, 3, text_str(&wheel->bytes), (int)wheel->bytes.size, SQLITE_TRANSIENT))
        return error_sys(err, -ENOMEM, "cannot keep the wheel");
    return state_step(s, st, err);
}

static int put_list(struct state *s, const char *sql, int64_t entry, const struct strings *list,
                    struct error *err)
{
    int r = 0;

    for (size_t i = 0; i < list->count && r == 0; i++)
        r = state_run(s, err, sql, "iis", entry, (int64_t)i, list->items[i]);
    return r;
}

static int put_entry(struct state *s, const struct state_later *l, const char *wheel,
                     struct error *err)
{
    CLEANUP_TEXT struct text spec = TEXT_INIT;
    int64_t entry;
    int r;

    url_add_without_password(&spec, l->spec ? l->spec : "");
    if (text_error(&spec) < 0)
        return error_sys(err, -ENOMEM, "cannot queue a machine");
    r = state_run(s, err,
                  "INSERT INTO later(machine, host, fleet, spec, version, wheel, since,"
                  " reason, reason_since) VALUES(?,?,?,?,?,?,?,?,?)",
                  "ssssssisi", l->machine, l->host, l->fleet, l->spec ? text_str(&spec) : NULL,
                  l->version, wheel, clock_ms(CLOCK_REALTIME),
                  l->reason ? l->reason : STATE_LATER_OFF, l->reason_ms);
    if (r < 0)
        return r;
    entry = sqlite3_last_insert_rowid(s->db);
    r = put_list(s, "INSERT INTO later_agents VALUES(?,?,?)", entry, &l->agents, err);
    return r == 0 ? put_list(s, "INSERT INTO later_wishes VALUES(?,?,?)", entry, &l->wish, err) : r;
}

int state_later_put(struct state *s, const struct state_later *items, size_t n,
                    const struct state_wheel *wheel, struct error *err)
{
    CLEANUP_TRANSACTION struct transaction t = {0};
    int r = transaction_begin(s, true, &t, err);

    /* Before the wheel, which goes with the last entry that needs it. */
    for (size_t i = 0; i < n && r == 0; i++)
        r = state_run(s, err, "DELETE FROM later WHERE machine=?", "s", items[i].machine);
    if (r == 0)
        r = put_wheel(s, wheel, err);
    for (size_t i = 0; i < n && r == 0; i++)
        r = put_entry(s, &items[i], wheel->digest, err);
    return r == 0 ? transaction_end(&t, err) : r;
}

/* Who has claimed the entry; -ENOENT, without words. */
static int read_claim(struct state *s, int64_t entry, bool *ret_alive, struct error *err)
{
    CLEANUP_STATEMENT sqlite3_stmt *st = NULL;
    int r = state_prepare(s, "SELECT claim FROM later WHERE entry=?", &st, err, "i", entry);

    if (r == 0)
        r = state_step(s, st, err);
    if (r <= 0)
        return r < 0 ? r : -ENOENT;
    *ret_alive = state_process_alive((const char *)sqlite3_column_text(st, 0));
    return 0;
}

int state_later_claim(struct state *s, int64_t entry, struct error *err)
{
    CLEANUP_TRANSACTION struct transaction t = {0};
    char mark[STATE_PROCESS_MAX];
    bool alive = false;
    int r;

    state_process_mark(mark);
    r = transaction_begin(s, true, &t, err);
    if (r == 0)
        r = read_claim(s, entry, &alive, err);
    if (r == 0 && alive)
        return -EBUSY;
    if (r == 0)
        r = state_run(s, err, "UPDATE later SET claim=? WHERE entry=?", "si", mark, entry);
    return r == 0 ? transaction_end(&t, err) : r;
}

int state_later_done(struct state *s, int64_t entry, struct error *err)
{
    CLEANUP_TRANSACTION struct transaction t = {0};
    int r = transaction_begin(s, true, &t, err);

    if (r == 0)
        r = state_run(s, err, "DELETE FROM later WHERE entry=?", "i", entry);
    return r == 0 ? transaction_end(&t, err) : r;
}

int state_later_failed(struct state *s, int64_t entry, const char *reason, int64_t next_ms,
                       bool counts, struct error *err)
{
    CLEANUP_TRANSACTION struct transaction t = {0};
    int r = transaction_begin(s, false, &t, err);

    if (r == 0)
        r = state_run(s, err,
                      "UPDATE later SET claim=NULL, reason=?, reason_since=?, next=?,"
                      " tries=tries+? WHERE entry=?",
                      "siiii", reason, clock_ms(CLOCK_REALTIME), next_ms, (int64_t)counts, entry);
    return r == 0 ? transaction_end(&t, err) : r;
}

int state_later_release(struct state *s, int64_t entry, struct error *err)
{
    CLEANUP_TRANSACTION struct transaction t = {0};
    char mark[STATE_PROCESS_MAX];
    int r;

    state_process_mark(mark);
    r = transaction_begin(s, false, &t, err);
    if (r == 0)
        r = state_run(s, err, "UPDATE later SET claim=NULL WHERE entry=? AND claim=?", "is", entry,
                      mark);
    return r == 0 ? transaction_end(&t, err) : r;
}

int state_later_tell(struct state *s, int64_t entry, const char *reason, int64_t reason_ms,
                     struct error *err)
{
    CLEANUP_TRANSACTION struct transaction t = {0};
    int r = transaction_begin(s, false, &t, err);

    if (r == 0)
        r = state_run(s, err,
                      "UPDATE later SET reason=?1, reason_since=?2,"
                      " next=CASE ?1 WHEN '" STATE_LATER_OFF "' THEN 0 ELSE next END"
                      " WHERE entry=?3",
                      "sii", reason, reason_ms, entry);
    return r == 0 ? transaction_end(&t, err) : r;
}

int state_later_retry(struct state *s, int64_t entry, struct error *err)
{
    CLEANUP_TRANSACTION struct transaction t = {0};
    int r = transaction_begin(s, false, &t, err);

    if (r == 0)
        r = state_run(s, err, "UPDATE later SET next=0 WHERE entry=?", "i", entry);
    return r == 0 ? transaction_end(&t, err) : r;
}

int state_later_drop(struct state *s, const char *machine, struct error *err)
{
    CLEANUP_TRANSACTION struct transaction t = {0};
    int r = transaction_begin(s, true, &t, err);

    if (r == 0)
        r = state_run(s, err, "DELETE FROM later WHERE machine=?", "s", machine);
    if (r == 0 && sqlite3_changes(s->db) == 0)
        return -ENOENT;
    return r == 0 ? transaction_end(&t, err) : r;
}

/* --- reading --------------------------------------------------------------- */

static int read_entry(struct state *s, sqlite3_stmt *st, struct state_later *ret, struct error *err)
{
    const char *claim = (const char *)sqlite3_column_text(st, 12);
    char mark[STATE_PROCESS_MAX];
    bool failed = false;
    CLEANUP(state_later_clear)
    struct state_later l = {
        .entry = sqlite3_column_int64(st, 0),
        .machine = state_column(st, 1, &failed),
        .host = state_column(st, 2, &failed),
        .fleet = state_column(st, 3, &failed),
        .spec = state_column(st, 4, &failed),
        .version = state_column(st, 5, &failed),
        .wheel = state_column(st, 6, &failed),
        .since_ms = sqlite3_column_int64(st, 7),
        .tries = (unsigned)sqlite3_column_int(st, 8),
        .next_ms = sqlite3_column_int64(st, 9),
        .reason = state_column(st, 10, &failed),
        .reason_ms = sqlite3_column_int64(st, 11),
        .claimed = state_process_alive(claim),
    };
    int r;

    if (failed || !l.machine || !l.wheel || !l.reason)
        return error_sys(err, -ENOMEM, "cannot read the queue");
    state_process_mark(mark);
    l.own = claim && strcmp(claim, mark) == 0;
    r = state_strings(s, &l.agents, err,
                      "SELECT agent FROM later_agents WHERE entry=? ORDER BY position", "i",
                      l.entry);
    if (r == 0)
        r = state_strings(s, &l.wish, err,
                          "SELECT wish FROM later_wishes WHERE entry=? ORDER BY position", "i",
                          l.entry);
    if (r < 0)
        return r;
    *ret = l;
    l = (struct state_later){0};
    return 0;
}

int state_later_list(struct state *s, struct state_laters *ret, struct error *err)
{
    CLEANUP_STATEMENT sqlite3_stmt *st = NULL;
    CLEANUP(state_laters_clear) struct state_laters list = {0};
    int r = state_prepare(s,
                          "SELECT entry, machine, host, fleet, spec, version, wheel, since, tries,"
                          " next, reason, reason_since, claim FROM later ORDER BY host, machine",
                          &st, err, "");

    while (r == 0 && (r = state_step(s, st, err)) > 0) {
        struct state_later *items = reallocarray(list.items, list.count + 1, sizeof(*items));

        if (!items)
            return error_sys(err, -ENOMEM, "cannot read the queue");
        list.items = items;
        r = read_entry(s, st, &items[list.count], err);
        if (r == 0)
            list.count++;
    }
    if (r < 0)
        return r;
    state_laters_clear(ret);
    *ret = list;
    list = (struct state_laters){0};
    return 0;
}

int state_later_wheel(struct state *s, const char *digest, struct state_wheel *ret,
                      struct error *err)
{
    CLEANUP_STATEMENT sqlite3_stmt *st = NULL;
    CLEANUP(state_wheel_clear) struct state_wheel w = {0};
    bool failed = false;
    int r = state_prepare(s, "SELECT digest, name, bytes FROM later_wheels WHERE digest=?", &st,
                          err, "s", digest);

    if (r == 0)
        r = state_step(s, st, err);
    if (r <= 0)
        return r < 0 ? r : -ENOENT;
    w.digest = state_column(st, 0, &failed);
    w.name = state_column(st, 1, &failed);
    text_add(&w.bytes, sqlite3_column_blob(st, 2), (size_t)sqlite3_column_bytes(st, 2));
    if (failed || !w.digest || !w.name || text_error(&w.bytes) < 0)
        return error_sys(err, -ENOMEM, "cannot read the wheel");
    *ret = w;
    w = (struct state_wheel){0};
    return 0;
}
