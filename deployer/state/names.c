#include <errno.h>

#include "database.h"
#include "discovery/base/clock.h"
#include "state.h"

int state_name_holder(struct state *s, const char *fleet, const char *agent, char **ret_id,
                      bool *ret_now, struct error *err)
{
    CLEANUP_STATEMENT sqlite3_stmt *st = NULL;
    bool failed = false;
    char *id;
    int r = state_prepare(s, "SELECT id, held FROM names WHERE fleet=? AND agent=?", &st, err, "ss",
                          fleet, agent);

    if (r == 0)
        r = state_step(s, st, err);
    if (r <= 0)
        return r < 0 ? r : -ENOENT;
    id = state_column(st, 0, &failed);
    if (!id)
        return error_sys(err, -ENOMEM, "cannot read the names");
    *ret_id = id;
    if (ret_now)
        *ret_now = sqlite3_column_int(st, 1) != 0;
    return 0;
}

int state_names_set(struct state *s, const char *fleet, const char *id,
                    const struct strings *agents, struct error *err)
{
    CLEANUP_TRANSACTION struct transaction t = {0};
    int64_t now = clock_ms(CLOCK_REALTIME);
    int r = transaction_begin(s, true, &t, err);

    if (r == 0)
        r = state_run(s, err,
                      "UPDATE names SET held=0, changed=? WHERE fleet=? AND id=? AND held=1", "iss",
                      now, fleet, id);
    for (size_t i = 0; i < agents->count && r == 0; i++)
        r = state_run(s, err,
                      "INSERT INTO names(fleet, agent, id, position, held, changed)"
                      " VALUES(?,?,?,?,1,?) ON CONFLICT(fleet, agent) DO UPDATE SET"
                      " id=excluded.id, position=excluded.position, held=1,"
                      " changed=excluded.changed",
                      "sssii", fleet, agents->items[i], id, (int64_t)i, now);
    return r < 0 ? r : transaction_end(&t, err);
}

int state_names_get(struct state *s, const char *fleet, const char *id, struct strings *ret,
                    struct error *err)
{
    return state_strings(
        s, ret, err, "SELECT agent FROM names WHERE fleet=? AND id=? AND held=1 ORDER BY position",
        "ss", fleet, id);
}

int state_name_release(struct state *s, const char *fleet, const char *agent, struct error *err)
{
    CLEANUP_TRANSACTION struct transaction t = {0};
    int r = transaction_begin(s, true, &t, err);

    if (r == 0)
        r = state_run(s, err,
                      "UPDATE names SET held=0, changed=? WHERE fleet=? AND agent=? AND held=1",
                      "iss", clock_ms(CLOCK_REALTIME), fleet, agent);
    if (r < 0)
        return r;
    if (sqlite3_changes(s->db) == 0)
        return -ENOENT;
    return transaction_end(&t, err);
}

static void name_clear(struct state_name *name)
{
    free(name->agent);
    free(name->id);
}

void state_names_clear(struct state_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        name_clear(&names->items[i]);
    free(names->items);
    *names = (struct state_names){0};
}

static int read_name(sqlite3_stmt *st, struct state_name *ret, struct error *err)
{
    bool failed = false;

    *ret = (struct state_name){
        .agent = state_column(st, 0, &failed),
        .id = state_column(st, 1, &failed),
        .now = sqlite3_column_int(st, 2) != 0,
        .changed_ms = sqlite3_column_int64(st, 3),
    };
    if (!failed)
        return 0;
    name_clear(ret);
    return error_sys(err, -ENOMEM, "cannot read the names");
}

int state_name_list(struct state *s, const char *fleet, struct state_names *ret, struct error *err)
{
    CLEANUP_STATEMENT sqlite3_stmt *st = NULL;
    CLEANUP(state_names_clear) struct state_names names = {0};
    int r = state_prepare(s,
                          "SELECT agent, id, held, changed FROM names WHERE fleet=?"
                          " ORDER BY agent",
                          &st, err, "s", fleet);

    while (r == 0 && (r = state_step(s, st, err)) > 0) {
        struct state_name *items = reallocarray(names.items, names.count + 1, sizeof(*items));

        if (!items)
            return error_sys(err, -ENOMEM, "cannot read the names");
        names.items = items;
        r = read_name(st, &items[names.count], err);
        if (r == 0)
            names.count++;
    }
    if (r < 0)
        return r;
    state_names_clear(ret);
    *ret = names;
    names = (struct state_names){0};
    return 0;
}
