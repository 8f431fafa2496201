#include "outside.h"

#include "deployer/target/fleet-networks.h"

bool outside_none(const struct facts *f, size_t machine, struct text *why)
{
    const char *reaches = facts_get(&f->machines[machine], "reaches");

    if (!reaches || !facts_get(&f->machines[machine], "deployed"))
        return true;
    for (size_t i = 0; i < f->count; i++) {
        const struct machine_facts *other = &f->machines[i];
        const char *address = facts_get(other, "address");

        if (i == machine || !address || !facts_get(other, "deployed") ||
            fleet_networks_have(reaches, address))
            continue;
        text_adds(why, "its agents may not talk to ");
        text_add_printable(why, address);
        text_adds(why, " (");
        text_add_printable(why, *other->agents ? other->agents : "?");
        text_adds(why, "): a machine or a link that came after the last deploy; deploy to all "
                       "machines again, which restarts nothing");
        return false;
    }
    return true;
}
