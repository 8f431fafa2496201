#include "twins.h"

#include <string.h>

#include "arp.h"
#include "discovery/base/clock.h"
#include "observe.h"

static bool has_address(const struct machine *record, const struct address *a)
{
    for (size_t i = 0; record && i < record->n_addresses; i++)
        if (address_equal(&record->addresses[i], a))
            return true;
    return false;
}

/* Is it seen at another address than the machine of a record with the same MAC address?  One
 * on another link shares no switch with it, and nothing is lost. */
static bool is_alike(const struct view_machine *first, const struct view_machine *other)
{
    return first != other && first->record && !first->own && !other->own && other->near &&
           first->link != 0 && first->link == other->link && first->probe.n_macs == 1 &&
           other->probe.n_macs == 1 && memcmp(first->probe.macs[0], other->probe.macs[0], 6) == 0 &&
           !has_address(first->record, &other->address) &&
           !has_address(other->record, &first->address);
}

static size_t find_alike(const struct view_machine *machines, size_t n, size_t at)
{
    for (size_t i = 0; i < n; i++)
        /* Of two with records, the first is the one that the other is compared with. */
        if (is_alike(&machines[i], &machines[at]) && !(machines[at].record && i > at))
            return i + 1;
    return 0;
}

void twins_find(struct view_machine *machines, size_t n)
{
    const int64_t end = clock_ms(CLOCK_MONOTONIC) + TWINS_MS;
    size_t asked = 0;

    observe_macs(machines, n);
    arp_find_links(machines, n);
    for (size_t i = 0; i < n; i++)
        machines[i].twin =
            machines[i].beside && machines[i].record ? 0 : find_alike(machines, n, i);
    for (size_t i = 0; i < n && asked < TWINS_MAX; i++)
        if (machines[i].twin > 0) {
            arp_cross(&machines[machines[i].twin - 1], &machines[i], end);
            asked++;
        }
}
