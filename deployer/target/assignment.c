#include "assignment.h"

#include <errno.h>
#include <string.h>

const char *assignment_reason_text(enum assignment_reason reason)
{
    switch (reason) {
    case ASSIGNMENT_HELD:
        return "it had this name before";
    case ASSIGNMENT_HOST:
        return "its host name is that name";
    case ASSIGNMENT_NEXT:
        return "";
    }
    return "";
}

void assignments_clear(struct assignments *a)
{
    free(a->items);
    free(a->reserved);
    free(a->left);
    free(a->idle);
    *a = (struct assignments){0};
}

/* The names that are still missing, and the machines without a name; an entry that was
 * assigned becomes NULL. */
struct plan {
    const struct machine **machines; /* by host name */
    size_t n_machines;
    const char **names; /* in the problem's order */
    size_t n_names;
    struct assignments *out;
};

static const struct state_name *record_of(const struct state_names *names, const char *agent)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->items[i].agent, agent) == 0)
            return &names->items[i];
    return NULL;
}

static void assign_name(struct plan *p, size_t machine, size_t name, enum assignment_reason reason)
{
    p->out->items[p->out->count++] = (struct assignment){
        .machine = p->machines[machine], .agent = p->names[name], .reason = reason};
    p->machines[machine] = NULL;
    p->names[name] = NULL;
}

/* Does the host's name, without its domain, equal the agent's? */
static bool is_named_like(const struct machine *m, const char *agent)
{
    size_t size = m->host ? strcspn(m->host, ".") : 0;

    return size > 0 && strlen(agent) == size && strncmp(m->host, agent, size) == 0;
}

static void assign_recorded(struct plan *p, const struct state_names *records)
{
    for (size_t n = 0; n < p->n_names; n++) {
        const struct state_name *record = record_of(records, p->names[n]);
        bool given = false;

        for (size_t m = 0; m < p->n_machines && record && !given; m++) {
            if (!p->machines[m] || strcmp(p->machines[m]->advert.id, record->id) != 0)
                continue;
            assign_name(p, m, n, ASSIGNMENT_HELD);
            given = true;
        }
        if (record && record->now && !given) {
            p->out->reserved[p->out->n_reserved++] = record;
            p->names[n] = NULL;
        }
    }
}

static void assign_by_host(struct plan *p)
{
    for (size_t n = 0; n < p->n_names; n++)
        for (size_t m = 0; m < p->n_machines && p->names[n]; m++)
            if (p->machines[m] && is_named_like(p->machines[m], p->names[n]))
                assign_name(p, m, n, ASSIGNMENT_HOST);
}

static void assign_in_order(struct plan *p)
{
    size_t m = 0;

    for (size_t n = 0; n < p->n_names; n++) {
        if (!p->names[n])
            continue;
        while (m < p->n_machines && !p->machines[m])
            m++;
        if (m < p->n_machines)
            assign_name(p, m, n, ASSIGNMENT_NEXT);
        else
            p->out->left[p->out->n_left++] = p->names[n];
    }
    for (; m < p->n_machines; m++)
        if (p->machines[m])
            p->out->idle[p->out->n_idle++] = p->machines[m];
}

/* By host name, digits as numbers, then by id. */
static int compare_machines(const void *a, const void *b)
{
    const struct machine *x = *(const struct machine *const *)a;
    const struct machine *y = *(const struct machine *const *)b;
    int r = strverscmp(x->host ? x->host : "", y->host ? y->host : "");

    return r != 0 ? r : strcmp(x->advert.id, y->advert.id);
}

int assignments_plan(const struct match *match, const struct state_names *records,
                     struct assignments *ret)
{
    CLEANUP(assignments_clear) struct assignments out = {0};
    CLEANUP_FREE const struct machine **machines =
        calloc(match->n_unassigned + 1, sizeof(*machines));
    CLEANUP_FREE const char **names = calloc(match->n_missing + 1, sizeof(*names));
    struct plan p = {.machines = machines,
                     .n_machines = match->n_unassigned,
                     .names = names,
                     .n_names = match->n_missing,
                     .out = &out};

    out.items = calloc(match->n_missing + 1, sizeof(*out.items));
    out.reserved = calloc(match->n_missing + 1, sizeof(*out.reserved));
    out.left = calloc(match->n_missing + 1, sizeof(*out.left));
    out.idle = calloc(match->n_unassigned + 1, sizeof(*out.idle));
    if (!machines || !names || !out.items || !out.reserved || !out.left || !out.idle)
        return -ENOMEM;
    for (size_t i = 0; i < match->n_unassigned; i++)
        machines[i] = match->unassigned[i];
    for (size_t i = 0; i < match->n_missing; i++)
        names[i] = match->missing[i];
    qsort(machines, match->n_unassigned, sizeof(*machines), compare_machines);
    assign_recorded(&p, records);
    assign_by_host(&p);
    assign_in_order(&p);
    *ret = out;
    out = (struct assignments){0};
    return 0;
}
