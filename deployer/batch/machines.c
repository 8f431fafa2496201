#include "machines.h"

#include <errno.h>
#include <stdlib.h>

static void forget_cast(struct batch_machine *m, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        strings_clear(&m[i].players);
        strings_clear(&m[i].roles);
    }
}

void batch_machines_clear(struct batch_machine *m, size_t count)
{
    forget_cast(m, count);
    for (size_t i = 0; i < count; i++)
        strings_clear(&m[i].names);
}

static bool plays(const struct batch_machine *m, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strings_has(&m[i].players, name))
            return true;
    return false;
}

static bool has_role(const struct batch_machine *m, size_t count, const char *agent)
{
    for (size_t i = 0; i < count; i++)
        if (strings_has(&m[i].roles, agent))
            return true;
    return false;
}

static int add(struct batch_machine *m, const char *name, const char *agent)
{
    return strings_add(&m->players, name) < 0 || strings_add(&m->roles, agent) < 0 ? -ENOMEM : 0;
}

/* Those whose names the problem has. */
static int cast_as_themselves(struct batch_machine *m, size_t count, const struct strings *agents)
{
    int r = 0;

    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < m[i].names.count && !m[i].busy && r == 0; k++) {
            const char *name = m[i].names.items[k];

            if (strings_has(agents, name) && !plays(m, count, name))
                r = add(&m[i], name, name);
        }
    return r;
}

static int cast_others(struct batch_machine *m, size_t count, const struct strings *agents)
{
    size_t next = 0;
    int r = 0;

    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < m[i].names.count && !m[i].busy && r == 0; k++) {
            const char *name = m[i].names.items[k];

            while (next < agents->count && has_role(m, count, agents->items[next]))
                next++;
            if (next < agents->count && !plays(m, count, name))
                r = add(&m[i], name, agents->items[next]);
        }
    while (next < agents->count && has_role(m, count, agents->items[next]))
        next++;
    return r < 0 ? r : next == agents->count;
}

int batch_machines_cast(struct batch_machine *m, size_t count, const struct strings *agents)
{
    int r;

    forget_cast(m, count);
    r = cast_as_themselves(m, count, agents);
    if (r == 0)
        r = cast_others(m, count, agents);
    if (r <= 0)
        forget_cast(m, count);
    return r;
}
