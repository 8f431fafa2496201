/* Which machines the state database knows; deployer/state writes it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <sqlite3.h>

#include "discovery/base/file.h"
#include "known.h"

enum { BUSY_MS = 100, HOST_MAX = 255, SSH_DEFAULT_PORT = 22 };

static const char query[] =
    "SELECT id, fingerprint FROM pins WHERE retired IS NULL ORDER BY created DESC, pin DESC";

/* A database that is older than the column has none. */
static const char by_hand_query[] =
    "SELECT m.id, p.fingerprint, m.host, m.fleet, m.address, m.port, m.user, m.os, m.arch, "
    "m.version"
    " FROM machines AS m JOIN pins AS p ON p.id=m.id AND p.retired IS NULL"
    " WHERE m.by_hand=1 AND m.address IS NOT NULL AND p.fingerprint=coalesce(m.fingerprint,"
    " p.fingerprint) ORDER BY m.last_seen DESC, m.id LIMIT ?";

static const char names_query[] =
    "SELECT agent FROM names WHERE id=? AND fleet=? AND held=1 ORDER BY position";

static const char held_query[] =
    "SELECT id, fleet, agent FROM names WHERE held=1 ORDER BY position";

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

/* A copy of a column's text, where it is valid; NULL otherwise.  `failed` without memory. */
static char *read_text(sqlite3_stmt *st, int column, bool (*valid)(const char *), bool *failed)
{
    const char *text = (const char *)sqlite3_column_text(st, column);
    char *copy;

    if (!text || !*text || (valid && !valid(text)))
        return NULL;
    copy = strdup(text);
    *failed = *failed || !copy;
    return copy;
}

/* What a record could not say is not told by us either. */
static bool is_word(const char *text)
{
    return strlen(text) <= ADVERT_WORD_MAX && utf8_valid(text, strlen(text));
}

static bool is_host(const char *text)
{
    return strlen(text) <= HOST_MAX && utf8_valid(text, strlen(text));
}

static int read_names(sqlite3 *db, struct advert *a)
{
    const char *fleet = a->fleet ? a->fleet : ADVERT_FLEET_DEFAULT;
    CLEANUP(end_statement) sqlite3_stmt *st = NULL;
    int code;

    if (sqlite3_prepare_v2(db, names_query, -1, &st, NULL) != SQLITE_OK ||
        sqlite3_bind_text(st, 1, a->id, -1, SQLITE_STATIC) != SQLITE_OK ||
        sqlite3_bind_text(st, 2, fleet, -1, SQLITE_STATIC) != SQLITE_OK)
        return -EIO;
    while ((code = sqlite3_step(st)) == SQLITE_ROW && a->agents.count < ADVERT_AGENTS_MAX) {
        const char *name = (const char *)sqlite3_column_text(st, 0);

        if (name && advert_agent_valid(name, strlen(name)) && strings_add(&a->agents, name) < 0)
            return -ENOMEM;
    }
    return code == SQLITE_DONE || code == SQLITE_ROW ? 0 : -EIO;
}

/* 1: it is one, 0: it cannot be listed, -ENOMEM, -EIO. */
static int read_host(sqlite3 *db, sqlite3_stmt *st, struct known_host *h)
{
    const char *id = (const char *)sqlite3_column_text(st, 0);
    const char *address = (const char *)sqlite3_column_text(st, 4);
    bool failed = false;
    int port = sqlite3_column_int(st, 5), r;

    if (!id || !advert_id_valid(id) || !address || address_parse(address, &h->address) < 0)
        return 0;
    memcpy(h->advert.id, id, sizeof(h->advert.id));
    h->advert.hostkey = read_text(st, 1, advert_hostkey_valid, &failed);
    h->host = read_text(st, 2, is_host, &failed);
    h->advert.fleet = read_text(st, 3, advert_fleet_valid, &failed);
    if (string_equal(h->advert.fleet, ADVERT_FLEET_DEFAULT))
        free(TAKE_PTR(h->advert.fleet));
    h->port = port > 0 && port <= UINT16_MAX ? (uint16_t)port : SSH_DEFAULT_PORT;
    h->advert.user = read_text(st, 6, advert_user_valid, &failed);
    h->advert.os = read_text(st, 7, is_word, &failed);
    h->advert.arch = read_text(st, 8, is_word, &failed);
    h->advert.pydcop = read_text(st, 9, is_word, &failed);
    r = failed ? -ENOMEM : read_names(db, &h->advert);
    return r < 0 ? r : h->advert.hostkey != NULL;
}

static int read_by_hand(sqlite3 *db, struct known *k)
{
    CLEANUP(end_statement) sqlite3_stmt *st = NULL;
    int code, r = 0;

    if (sqlite3_prepare_v2(db, by_hand_query, -1, &st, NULL) != SQLITE_OK)
        return sqlite3_errcode(db) == SQLITE_ERROR ? 0 : -EIO;
    if (!k->hosts)
        k->hosts = calloc(KNOWN_BY_HAND_MAX, sizeof(*k->hosts));
    if (!k->hosts || sqlite3_bind_int(st, 1, KNOWN_BY_HAND_MAX) != SQLITE_OK)
        return -ENOMEM;
    while ((code = sqlite3_step(st)) == SQLITE_ROW && r >= 0 && k->n_hosts < KNOWN_BY_HAND_MAX) {
        struct known_host *h = &k->hosts[k->n_hosts];

        r = read_host(db, st, h);
        if (r > 0 && known_host_find(k, h->advert.id))
            r = 0; /* of an earlier read */
        k->n_hosts += r > 0;
        if (r <= 0) {
            advert_clear(&h->advert);
            free(h->host);
            *h = (struct known_host){0};
        }
    }
    return r < 0 ? r : code == SQLITE_DONE || code == SQLITE_ROW ? 0 : -EIO;
}

/* Which names the ids hold.  A database that is older than the table has none. */
static int read_held(sqlite3 *db, struct known *k)
{
    CLEANUP(end_statement) sqlite3_stmt *st = NULL;
    int code, r = 0;

    if (sqlite3_prepare_v2(db, held_query, -1, &st, NULL) != SQLITE_OK)
        return sqlite3_errcode(db) == SQLITE_ERROR ? 0 : -EIO;
    while ((code = sqlite3_step(st)) == SQLITE_ROW && r == 0) {
        const char *id = (const char *)sqlite3_column_text(st, 0);
        const char *fleet = (const char *)sqlite3_column_text(st, 1);
        const char *agent = (const char *)sqlite3_column_text(st, 2);

        r = id && fleet && agent ? known_add_name(k, id, fleet, agent) : -ENOMEM;
    }
    return r < 0 ? r : code == SQLITE_DONE ? 0 : -EIO;
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
    if (r == 0 && code == SQLITE_DONE)
        r = read_held(db, k);
    if (r == 0 && code == SQLITE_DONE)
        r = read_by_hand(db, k);
    if (r == -EIO || code != SQLITE_DONE)
        return fail(db, path, err);
    return r < 0 ? error_sys(err, r, "cannot read which machines are known from %s", path) : 0;
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
