#include "outside.h"

#include "deployer/target/fleet-networks.h"

const struct machine_facts *outside_find(const struct facts *f, size_t machine)
{
    const char *reaches = facts_get(&f->machines[machine], "reaches");

    if (!reaches || !facts_get(&f->machines[machine], "deployed"))
        return NULL;
    for (size_t i = 0; i < f->count; i++) {
        const struct machine_facts *other = &f->machines[i];
        const char *address = facts_get(other, "address");

        if (i != machine && address && facts_get(other, "deployed") &&
            !fleet_networks_have(reaches, address))
            return other;
    }
    return NULL;
}

void outside_tell(const struct machine_facts *other, struct text *ret)
{
    text_adds(ret, "its agents may not talk to ");
    text_add_printable(ret, facts_get(other, "address"));
    text_adds(ret, " (");
    text_add_printable(ret, *other->agents ? other->agents : "?");
    text_addc(ret, ')');
}

bool outside_none(const struct facts *f, size_t machine, struct text *why)
{
    const struct machine_facts *other = outside_find(f, machine);

    if (!other)
        return true;
    outside_tell(other, why);
    text_adds(why, ", " OUTSIDE_ADVICE);
    return false;
}
