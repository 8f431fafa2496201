#include "match-private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
/* The default one does not compile without warnings. */
#define HASH_FUNCTION(key, size, hash) HASH_FNV(key, size, hash)
#include <uthash.h>

#include "suggest.h"

/* One agent of the problem, while the machines are compared with it. */
struct slot {
    const char *agent;
    const struct machine *online, *offline; /* the first of each */
    size_t n_online;
    struct match_duplicate *duplicate;
    UT_hash_handle hh;
};

struct slots {
    struct slot *items;
    size_t count;
    struct slot *by_name; /* hash */
};

static void slots_clear(struct slots *s)
{
    HASH_CLEAR(hh, s->by_name);
    free(s->items);
}

/* An array for at most `count` items; not NULL when there are none. */
static void *array_new(size_t count, size_t size)
{
    return calloc(count ? count : 1, size);
}

static struct slot *slot_find(struct slots *s, const char *agent)
{
    struct slot *slot = NULL;

    HASH_FIND(hh, s->by_name, agent, strlen(agent), slot);
    return slot;
}

static int slots_fill(struct slots *s, const struct strings *agents)
{
    s->items = array_new(agents->count, sizeof(*s->items));
    if (!s->items)
        return -ENOMEM;
    for (size_t i = 0; i < agents->count; i++) {
        struct slot *slot = &s->items[s->count];

        if (slot_find(s, agents->items[i]))
            continue; /* the agent is listed already */
        slot->agent = agents->items[i];
        HASH_ADD_KEYPTR(hh, s->by_name, slot->agent, strlen(slot->agent), slot);
        if (!slot_find(s, slot->agent))
            return -ENOMEM;
        s->count++;
    }
    return 0;
}

static size_t count_names(const struct machine *const *machines, size_t n)
{
    size_t names = 0;

    for (size_t i = 0; i < n; i++)
        names += machines[i]->advert.agents.count;
    return names;
}

/* Allocates the arrays for the largest possible result. */
static int match_reserve(struct match *m, const struct slots *s,
                         const struct machine *const *machines, size_t n)
{
    m->matched = array_new(s->count, sizeof(*m->matched));
    m->duplicates = array_new(s->count, sizeof(*m->duplicates));
    m->claims = array_new(count_names(machines, n), sizeof(*m->claims));
    m->offline = array_new(s->count, sizeof(*m->offline));
    m->missing = array_new(s->count, sizeof(*m->missing));
    m->unexpected = array_new(count_names(machines, n), sizeof(*m->unexpected));
    m->unassigned = array_new(n, sizeof(*m->unassigned));
    m->unverified = array_new(n, sizeof(*m->unverified));
    return m->matched && m->duplicates && m->claims && m->offline && m->missing && m->unexpected &&
                   m->unassigned && m->unverified
               ? 0
               : -ENOMEM;
}

static void take_name(struct match *m, struct slots *s, const struct machine *machine,
                      const char *agent)
{
    struct slot *slot = slot_find(s, agent);

    if (slot && machine_is_there(machine)) {
        if (slot->n_online++ == 0)
            slot->online = machine;
    } else if (slot) {
        if (!slot->offline)
            slot->offline = machine;
    } else if (machine_is_there(machine))
        m->unexpected[m->n_unexpected++] =
            (struct match_unexpected){.agent = agent, .machine = machine};
}

/* Names that several machines have. */
static int collect_duplicates(struct match *m, struct slots *s,
                              const struct machine *const *machines, size_t n)
{
    for (size_t i = 0; i < s->count; i++) {
        struct slot *slot = &s->items[i];

        if (slot->n_online < 2)
            continue;
        slot->duplicate = &m->duplicates[m->n_duplicates];
        slot->duplicate->agent = slot->agent;
        slot->duplicate->machines = array_new(slot->n_online, sizeof(struct machine *));
        if (!slot->duplicate->machines)
            return -ENOMEM;
        m->n_duplicates++;
    }
    for (size_t i = 0; m->n_duplicates > 0 && i < n; i++) {
        const struct strings *agents = &machines[i]->advert.agents;

        if (machines[i]->untrusted)
            continue;
        for (size_t j = 0; machine_is_there(machines[i]) && j < agents->count; j++) {
            struct slot *slot = slot_find(s, agents->items[j]);

            if (slot && slot->duplicate)
                slot->duplicate->machines[slot->duplicate->count++] = machines[i];
        }
    }
    return 0;
}

/* The only one of them that holds the name; NULL: none, or several. */
static const struct machine *find_holder(const struct match_duplicate *d,
                                         const struct match_holders *holders)
{
    const struct machine *holder = NULL;

    for (size_t i = 0; i < d->count; i++) {
        if (!holders->holds(d->machines[i], d->agent, holders->arg))
            continue;
        if (holder)
            return NULL;
        holder = d->machines[i];
    }
    return holder;
}

/* A name that has a holder is no duplicate: its other machines only claim it. */
static void settle_claims(struct match *m, struct slots *s, const struct match_holders *holders)
{
    size_t kept = 0;

    for (size_t i = 0; i < m->n_duplicates; i++) {
        struct match_duplicate *d = &m->duplicates[i];
        struct slot *slot = slot_find(s, d->agent);
        const struct machine *holder = find_holder(d, holders);

        if (!holder) {
            m->duplicates[kept++] = *d;
            continue;
        }
        for (size_t j = 0; j < d->count; j++)
            if (d->machines[j] != holder)
                m->claims[m->n_claims++] = (struct match_claim){d->agent, d->machines[j], holder};
        free(d->machines);
        slot->online = holder;
        slot->n_online = 1;
    }
    m->n_duplicates = kept;
}

/* All names but those that several machines have. */
static void sort_slots(struct match *m, const struct slots *s)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct slot *slot = &s->items[i];

        if (slot->n_online == 1)
            m->matched[m->n_matched++] = (struct match_pair){slot->agent, slot->online};
        else if (slot->n_online == 0 && slot->offline)
            m->offline[m->n_offline++] = (struct match_pair){slot->agent, slot->offline};
        else if (slot->n_online == 0)
            m->missing[m->n_missing++] = slot->agent;
    }
}

int match_make(const struct machine *const *machines, size_t n_machines,
               const struct problem *problem, const struct match_holders *holders,
               struct match *ret)
{
    CLEANUP(match_clear) struct match m = {.problem = problem};
    CLEANUP(slots_clear) struct slots slots = {0};

    if (slots_fill(&slots, &problem->agents) < 0 ||
        match_reserve(&m, &slots, machines, n_machines) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < n_machines; i++) {
        const struct machine *machine = machines[i];

        if (machine->untrusted) {
            if (machine->online) /* nobody asks it */
                m.unverified[m.n_unverified++] = machine;
            continue;
        }
        for (size_t j = 0; j < machine->advert.agents.count; j++)
            take_name(&m, &slots, machine, machine->advert.agents.items[j]);
        if (machine_is_there(machine) && machine->beacon && machine->advert.agents.count == 0)
            m.unassigned[m.n_unassigned++] = machine;
    }
    if (collect_duplicates(&m, &slots, machines, n_machines) < 0)
        return -ENOMEM;
    if (holders)
        settle_claims(&m, &slots, holders);
    sort_slots(&m, &slots);
    if (match_check_addresses(&m) < 0)
        return -ENOMEM;
    *ret = m;
    m = MATCH_INIT;
    return 0;
}

bool match_ok(const struct match *m, bool strict)
{
    if (m->n_missing > 0 || m->n_duplicates > 0 || m->n_offline > 0 || m->n_without_ipv4 > 0)
        return false;
    return !strict ||
           (m->n_unexpected == 0 && m->n_unassigned == 0 && m->n_claims == 0 && m->n_shared == 0);
}

void match_clear(struct match *m)
{
    for (size_t i = 0; i < m->n_duplicates; i++)
        free(m->duplicates[i].machines);
    free(m->duplicates);
    free(m->claims);
    free(m->matched);
    free(m->offline);
    free(m->missing);
    free(m->unexpected);
    free(m->unassigned);
    free(m->unverified);
    free(m->shared);
    strings_clear(&m->warnings);
    *m = MATCH_INIT;
}
