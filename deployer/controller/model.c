/* What the service knows about its machines. */
#include <errno.h>
#include <string.h>

#include "private.h"

void model_clear(struct controller *c)
{
    match_clear(&c->evaluation.match);
    c->evaluation.match = MATCH_INIT;
    assignments_clear(&c->evaluation.assignments);
    state_names_clear(&c->evaluation.names);
    c->evaluation.names = (struct state_names){0};
    c->evaluation.due = true;
}

int model_agents(const struct controller *c, const struct member *m, struct strings *ret)
{
    const struct strings *names = &m->machine.advert.agents;

    if (m->assigned.count > 0)
        return strings_copy(ret, &m->assigned);
    if (!c->has_problem)
        return strings_copy(ret, names);
    for (size_t a = 0; a < names->count; a++)
        for (size_t i = 0; i < c->evaluation.match.n_matched; i++) {
            if (c->evaluation.match.matched[i].machine != &m->machine ||
                strcmp(c->evaluation.match.matched[i].agent, names->items[a]) != 0)
                continue;
            if (strings_add(ret, names->items[a]) < 0)
                return -ENOMEM;
            break;
        }
    return 0;
}

void model_find_standing(struct controller *c, struct member *m)
{
    struct consent consent = {.given = c->settings.deploy.accept_new};
    struct error err = {0};

    if (standing_find(c->state, &m->machine, consent, &m->standing, &err) < 0)
        controller_set_trouble(&c->troubles.state, err.text);
    else
        controller_set_trouble(&c->troubles.state, NULL);
}
