#include "absent.h"

#include <errno.h>
#include <string.h>

#include "deployer/target/limit.h"

static bool is_target(const struct program *p, const struct state_machine *m)
{
    for (size_t i = 0; i < p->targets.count; i++)
        if (string_equal(p->targets.items[i].id, m->id) ||
            string_equal(p->targets.items[i].hostkey, m->id))
            return true;
    return false;
}

static bool holds_wanted_name(const struct program *p, const struct state_machine *m)
{
    for (size_t i = 0; i < m->agents.count; i++)
        if (strings_has(&p->problem.agents, m->agents.items[i]))
            return true;
    return false;
}

/* A pattern that names nothing is an error to limit_apply; here it selects nothing. */
static bool is_limited_to(const struct limit *limit, const struct state_machine *m)
{
    char *address[] = {m->address};
    const struct strings labels = {address, 1};
    struct limit_item item = {
        .id = m->id, .host = m->host, .agents = &m->agents, .labels = m->address ? &labels : NULL};
    struct error none;
    bool selected = limit_apply(limit, &item, 1, &none) == 0 && item.selected;

    limit_items_clear(&item, 1);
    return selected;
}

static bool is_selected(const struct program *p, const struct limit *limit,
                        const struct state_machine *m)
{
    if (is_target(p, m) || (p->options.fleet && !string_equal(p->options.fleet, m->fleet)))
        return false;
    if (p->options.problems.count > 0 && !holds_wanted_name(p, m))
        return false;
    return p->options.limits.count == 0 || is_limited_to(limit, m);
}

int absent_find(struct program *p, struct state_machines *ret, struct error *err)
{
    CLEANUP(limit_clear) struct limit limit = LIMIT_INIT;
    CLEANUP(state_machines_clear) struct state_machines all = {0};
    size_t kept = 0;
    int r = 0;

    if (p->options.inventory)
        return 0;
    if (p->options.limits.count > 0)
        r = limit_parse(&p->options.limits, &limit, err);
    if (r == 0)
        r = state_machine_list(p->state, &all, err);
    for (size_t i = 0; i < all.count && r == 0; i++) {
        struct state_machine m = all.items[i];

        all.items[i] = (struct state_machine){0};
        if (is_selected(p, &limit, &m))
            all.items[kept++] = m;
        else
            state_machine_clear(&m);
    }
    if (r < 0)
        return r;
    all.count = kept;
    *ret = all;
    all = (struct state_machines){0};
    return 0;
}
