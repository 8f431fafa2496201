#include <errno.h>
#include <string.h>
#include <strings.h>

#include "database.h"
#include "discovery/base/clock.h"
#include "state.h"

void state_machine_clear(struct state_machine *m)
{
    free(m->id);
    free(m->fingerprint);
    free(m->host);
    free(m->fleet);
    free(m->address);
    free(m->user);
    free(m->arch);
    free(m->os);
    free(m->version);
    free(m->digest);
    free(m->agents_address);
    strings_clear(&m->agents);
    *m = (struct state_machine){0};
}

void state_machines_clear(struct state_machines *machines)
{
    for (size_t i = 0; i < machines->count; i++)
        state_machine_clear(&machines->items[i]);
    free(machines->items);
    *machines = (struct state_machines){0};
}

void state_forgotten_clear(struct state_forgotten *f)
{
    strings_clear(&f->names);
    *f = (struct state_forgotten){0};
}

int state_machine_put(struct state *s, const struct state_machine *m, struct error *err)
{
    CLEANUP_TRANSACTION struct transaction t = {0};
    int r = transaction_begin(s, false, &t, err);

    if (r == 0)
        r = state_run(
            s, err,
            "INSERT INTO machines VALUES(?1,?2,?3,?4,?5,nullif(?6,0),?7,?8,?9,?10,?11,"
            " ?12,?12,?13,CASE ?14 WHEN 0 THEN NULL ELSE ?14>0 END) ON CONFLICT(id) DO UPDATE SET"
            " fingerprint=coalesce(excluded.fingerprint, fingerprint),"
            " host=coalesce(excluded.host, host), fleet=coalesce(excluded.fleet, fleet),"
            " address=coalesce(excluded.address, address),"
            " port=coalesce(excluded.port, port), user=coalesce(excluded.user, user),"
            " arch=coalesce(excluded.arch, arch), os=coalesce(excluded.os, os),"
            " version=coalesce(excluded.version, version),"
            " digest=coalesce(excluded.digest, digest), last_seen=excluded.last_seen,"
            " agents_address=coalesce(excluded.agents_address, agents_address),"
            " by_hand=coalesce(excluded.by_hand, by_hand)",
            "sssssisssssisi", m->id, m->fingerprint, m->host, m->fleet, m->address,
            (int64_t)m->port, m->user, m->arch, m->os, m->version, m->digest,
            clock_ms(CLOCK_REALTIME), m->agents_address, (int64_t)m->by_hand);
    return r < 0 ? r : transaction_end(&t, err);
}

/* --- reading ------------------------------------------------------------------ */

#define MACHINE_COLUMNS                                                                            \
    "id, fingerprint, host, fleet, address, port, user, arch, os, version, digest,"                \
    " first_seen, last_seen, agents_address, by_hand,"                                             \
    " EXISTS (SELECT 1 FROM pins WHERE retired IS NULL AND"                                        \
    "  (pins.id=machines.id OR pins.fingerprint=machines.fingerprint))"

static int read_machine(struct state *s, sqlite3_stmt *st, struct state_machine *ret,
                        struct error *err)
{
    bool failed = false;
    CLEANUP(state_machine_clear)
    struct state_machine m = {
        .id = state_column(st, 0, &failed),
        .fingerprint = state_column(st, 1, &failed),
        .host = state_column(st, 2, &failed),
        .fleet = state_column(st, 3, &failed),
        .address = state_column(st, 4, &failed),
        .port = (uint16_t)sqlite3_column_int(st, 5),
        .user = state_column(st, 6, &failed),
        .arch = state_column(st, 7, &failed),
        .os = state_column(st, 8, &failed),
        .version = state_column(st, 9, &failed),
        .digest = state_column(st, 10, &failed),
        .first_seen_ms = sqlite3_column_int64(st, 11),
        .last_seen_ms = sqlite3_column_int64(st, 12),
        .agents_address = state_column(st, 13, &failed),
        .by_hand = sqlite3_column_type(st, 14) == SQLITE_NULL ? 0
                   : sqlite3_column_int(st, 14) != 0          ? 1
                                                              : -1,
        .accepted = sqlite3_column_int(st, 15) != 0,
    };
    int r;

    if (failed || !m.id)
        return error_sys(err, -ENOMEM, "cannot read the machines");
    r = state_strings(s, &m.agents, err,
                      "SELECT agent FROM names WHERE id=? AND held=1 ORDER BY fleet, position", "s",
                      m.id);
    if (r < 0)
        return r;
    *ret = m;
    m = (struct state_machine){0};
    return 0;
}

int state_machine_get(struct state *s, const char *id, struct state_machine *ret, struct error *err)
{
    CLEANUP_STATEMENT sqlite3_stmt *st = NULL;
    int r =
        state_prepare(s, "SELECT " MACHINE_COLUMNS " FROM machines WHERE id=?", &st, err, "s", id);

    if (r == 0)
        r = state_step(s, st, err);
    if (r <= 0)
        return r < 0 ? r : -ENOENT;
    return read_machine(s, st, ret, err);
}

int state_machine_list(struct state *s, struct state_machines *ret, struct error *err)
{
    CLEANUP_STATEMENT sqlite3_stmt *st = NULL;
    CLEANUP(state_machines_clear) struct state_machines machines = {0};
    int r = state_prepare(s, "SELECT " MACHINE_COLUMNS " FROM machines ORDER BY host, id", &st, err,
                          "");

    while (r == 0 && (r = state_step(s, st, err)) > 0) {
        struct state_machine *items;

        items = reallocarray(machines.items, machines.count + 1, sizeof(*items));
        if (!items)
            return error_sys(err, -ENOMEM, "cannot read the machines");
        machines.items = items;
        r = read_machine(s, st, &items[machines.count], err);
        if (r == 0)
            machines.count++;
    }
    if (r < 0)
        return r;
    state_machines_clear(ret);
    *ret = machines;
    machines = (struct state_machines){0};
    return 0;
}

/* "rpi-1" and "rpi-1.local" are both ways to write each of them. */
static bool is_host(const char *host, const char *word)
{
    size_t label = strcspn(host, ".");

    return strcasecmp(host, word) == 0 ||
           (strlen(word) == label && strncasecmp(host, word, label) == 0) ||
           (label > 0 && !host[label] && strncasecmp(host, word, label) == 0 &&
            strcasecmp(word + label, ".local") == 0);
}

static int find_by_host(struct state *s, const char *word, struct strings *ret, struct error *err)
{
    CLEANUP(state_machines_clear) struct state_machines machines = {0};
    int r = state_machine_list(s, &machines, err);

    for (size_t i = 0; i < machines.count && r == 0; i++) {
        const struct state_machine *m = &machines.items[i];

        if (m->host && is_host(m->host, word) && strings_add(ret, m->id) < 0)
            r = error_sys(err, -ENOMEM, "cannot read the machines");
    }
    return r;
}

int state_find_ids(struct state *s, const char *word, struct strings *ret, struct error *err)
{
    CLEANUP_STRINGS struct strings found = {0};
    int r = state_strings(
        s, &found, err,
        "SELECT id FROM machines WHERE id=?1 UNION SELECT id FROM pins"
        " WHERE id=?1 UNION SELECT id FROM seqs WHERE id=?1 UNION SELECT id FROM names"
        " WHERE id=?1",
        "s", word);

    if (r == 0 && found.count == 0)
        r = state_strings(s, &found, err,
                          "SELECT DISTINCT id FROM names WHERE agent=? AND held=1 ORDER BY id", "s",
                          word);
    if (r == 0 && found.count == 0)
        r = find_by_host(s, word, &found, err);
    if (r < 0)
        return r;
    strings_clear(ret);
    *ret = found;
    found = (struct strings){0};
    return 0;
}

/* --- forgetting ---------------------------------------------------------------- */

static int delete_rows(struct state *s, const char *sql, const char *id, size_t *ret,
                       struct error *err)
{
    int r = state_run(s, err, sql, "s", id);

    *ret = r == 0 ? (size_t)sqlite3_changes(s->db) : 0;
    return r;
}

int state_forget(struct state *s, const char *id, struct state_forgotten *ret, struct error *err)
{
    CLEANUP_TRANSACTION struct transaction t = {0};
    CLEANUP(state_forgotten_clear) struct state_forgotten f = {0};
    size_t names;
    int r = transaction_begin(s, true, &t, err);

    if (r == 0)
        r = state_strings(s, &f.names, err,
                          "SELECT agent FROM names WHERE id=? ORDER BY fleet, position, agent", "s",
                          id);
    if (r == 0)
        r = delete_rows(s, "DELETE FROM names WHERE id=?", id, &names, err);
    if (r == 0)
        r = delete_rows(s, "DELETE FROM pins WHERE id=?", id, &f.pins, err);
    if (r == 0)
        r = delete_rows(s, "DELETE FROM seqs WHERE id=?", id, &f.seqs, err);
    if (r == 0)
        r = delete_rows(s, "DELETE FROM machines WHERE id=?", id, &f.machines, err);
    if (r == 0)
        r = state_run(s, err, "DELETE FROM later WHERE machine=?", "s", id);
    if (r == 0 && f.names.count + f.pins + f.seqs + f.machines == 0)
        return -ENOENT;
    if (r == 0)
        r = transaction_end(&t, err);
    if (r < 0)
        return r;
    state_forgotten_clear(ret);
    *ret = f;
    f = (struct state_forgotten){0};
    return 0;
}

/* --- seq ----------------------------------------------------------------------- */

int state_seq_check(struct state *s, const char *id, const char *fingerprint, uint64_t seq,
                    struct error *err)
{
    CLEANUP_STATEMENT sqlite3_stmt *st = NULL;
    int r = state_prepare(s, "SELECT seq FROM seqs WHERE id=? AND fingerprint=?", &st, err, "ss",
                          id, fingerprint);

    if (r == 0)
        r = state_step(s, st, err);
    if (r <= 0)
        return r;
    return (uint64_t)sqlite3_column_int64(st, 0) > seq ? -ESTALE : 0;
}

int state_seq_put(struct state *s, const char *id, const char *fingerprint, uint64_t seq,
                  struct error *err)
{
    CLEANUP_TRANSACTION struct transaction t = {0};
    int r;

    if (seq > INT64_MAX)
        return error_set(err, -ERANGE, "the seq of %s is out of range", id);
    r = transaction_begin(s, false, &t, err);
    if (r == 0)
        r = state_run(s, err,
                      "INSERT INTO seqs VALUES(?,?,?) ON CONFLICT(id, fingerprint)"
                      " DO UPDATE SET seq=max(seq, excluded.seq)",
                      "ssi", id, fingerprint, (int64_t)seq);
    return r < 0 ? r : transaction_end(&t, err);
}
