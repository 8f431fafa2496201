/* The schema of the state database, and how older ones become it. */
#include <errno.h>
#include <stdio.h>

#include "database.h"
#include "state.h"

/* Each entry upgrades the schema by one version.  Entries never change; a new version
 * is a new entry. */
static const char *const migrations[] = {
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
    "CREATE TABLE settings(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;",
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
    /* Version 1 recorded only those machines of a run that had ended. */
    "INSERT INTO run_targets SELECT run, result, machine, host, agent FROM results WHERE step='';"
    "INSERT INTO machines(id, fingerprint, host, first_seen, last_seen)"
    "  SELECT id, fingerprint, (SELECT host FROM results WHERE machine=id AND host<>''"
    "   ORDER BY result DESC LIMIT 1), created, max(created, coalesce((SELECT max(ended)"
    "   FROM results WHERE machine=id AND step='' AND status IN ('ok', 'changed', 'failed')), 0))"
    "  FROM pins WHERE retired IS NULL;",
    "CREATE TABLE later_wheels("
    "  digest TEXT PRIMARY KEY, name TEXT NOT NULL, bytes BLOB NOT NULL);"
    "CREATE TABLE later("
    "  entry INTEGER PRIMARY KEY AUTOINCREMENT, machine TEXT NOT NULL UNIQUE, host TEXT,"
    "  fleet TEXT, spec TEXT, version TEXT, wheel TEXT NOT NULL REFERENCES later_wheels,"
    "  since INTEGER NOT NULL, tries INTEGER NOT NULL DEFAULT 0, next INTEGER NOT NULL DEFAULT 0,"
    "  reason TEXT NOT NULL, reason_since INTEGER NOT NULL, claim TEXT);"
    "CREATE TABLE later_agents("
    "  entry INTEGER NOT NULL REFERENCES later ON DELETE CASCADE, position INTEGER NOT NULL,"
    "  agent TEXT NOT NULL, PRIMARY KEY(entry, position)) WITHOUT ROWID;"
    "CREATE TABLE later_wishes("
    "  entry INTEGER NOT NULL REFERENCES later ON DELETE CASCADE, position INTEGER NOT NULL,"
    "  wish TEXT NOT NULL, PRIMARY KEY(entry, position)) WITHOUT ROWID;"
    "CREATE TRIGGER later_wheels_unused AFTER DELETE ON later BEGIN"
    "  DELETE FROM later_wheels WHERE digest=OLD.wheel"
    "   AND NOT EXISTS (SELECT 1 FROM later WHERE wheel=OLD.wheel); END;"
    "ALTER TABLE machines ADD COLUMN agents_address TEXT;",
    "ALTER TABLE machines ADD COLUMN by_hand INTEGER;", /* 1: yes, 0: no, NULL: not known */
};

static int read_version(struct state *s, int *ret, struct error *err)
{
    CLEANUP_STATEMENT sqlite3_stmt *st = NULL;
    int r = state_prepare(s, "PRAGMA user_version", &st, err, "");

    if (r == 0)
        r = state_step(s, st, err);
    if (r < 0)
        return r;
    *ret = sqlite3_column_int(st, 0);
    return 0;
}

/* What was there stays beside the new one.  Nobody else writes meanwhile: the caller has begun
 * its transaction. */
static int keep_old(struct state *s, int version, struct error *err)
{
    CLEANUP_FREE char *to = NULL;

    if (version <= 0) /* it was empty */
        return 0;
    if (asprintf(&to, "%s.schema-%d", s->path, version) < 0) {
        to = NULL;
        return error_sys(err, -ENOMEM, "cannot upgrade %s", s->path);
    }
    return state_copy(s, to, err);
}

int state_migrate(struct state *s, struct error *err)
{
    CLEANUP_TRANSACTION struct transaction t = {0};
    const int newest = ARRAY_SIZE(migrations);
    char pragma[64];
    int version, r;

    r = read_version(s, &version, err);
    if (r < 0 || version == newest)
        return r;
    r = transaction_begin(s, true, &t, err);
    if (r == 0) /* another process may have upgraded it */
        r = read_version(s, &version, err);
    if (r < 0)
        return r;
    if (version > newest)
        return error_set(err, -ENOTSUP,
                         "%s was written by a newer dcop (schema %d, this one knows %d); use that "
                         "one, or another --state-dir",
                         s->path, version, newest);
    r = version < newest ? keep_old(s, version, err) : 0;
    for (; version < newest && r == 0; version++)
        r = state_execute(s, migrations[version < 0 ? 0 : version], err);
    (void)snprintf(pragma, sizeof(pragma), "PRAGMA user_version=%d", newest);
    if (r == 0)
        r = state_execute(s, pragma, err);
    return r != 0 ? r : transaction_end(&t, err);
}
