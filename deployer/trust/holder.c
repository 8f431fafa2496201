#include "holder.h"

#include "known-machine.h"

static bool has_pinned_key(struct state *s, const struct machine *m)
{
    CLEANUP(known_machine_clear) struct known_machine k = {0};

    return state_pin_list(s, m->advert.id, &k.pins, NULL) == 0 && m->advert.hostkey &&
           string_equal(known_machine_pin(&k), m->advert.hostkey);
}

static bool holds(const struct machine *m, const char *agent, void *arg)
{
    CLEANUP_FREE char *id = NULL;
    bool now = false;

    return state_name_holder(arg, machine_fleet(m), agent, &id, &now, NULL) == 0 && now &&
           string_equal(id, m->advert.id) && has_pinned_key(arg, m);
}

struct match_holders holders_of(struct state *s)
{
    return (struct match_holders){.holds = holds, .arg = s};
}
