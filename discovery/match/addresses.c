/* What is wrong with the addresses of machines that match. */
#include <errno.h>
#include <stdlib.h>

#include "discovery/base/keyset.h"
#include "match-private.h"

/* The best IPv4 address, or NULL. */
static const struct address *ipv4_of(const struct machine *m)
{
    for (size_t i = 0; i < m->n_addresses; i++)
        if (m->addresses[i].family == AF_INET)
            return &m->addresses[i];
    return NULL;
}

/* Several agents of one machine are one machine. */
static int take_pair(struct match *m, struct keyset *seen, const struct machine *machine)
{
    const struct address *a = ipv4_of(machine);
    void **slot;

    if (!a) {
        m->n_without_ipv4 += machine->n_addresses > 0;
        return 0;
    }
    slot = keyset_slot(seen, a->bytes, 4);
    if (!slot)
        return -ENOMEM;
    if (*slot && *slot != machine)
        m->shared[m->n_shared++] = (struct match_shared){*slot, machine};
    *slot = (void *)(uintptr_t)machine;
    return 0;
}

int match_check_addresses(struct match *m)
{
    CLEANUP_KEYSET struct keyset seen = {0};
    int r = 0;

    m->shared = calloc(m->n_matched + 1, sizeof(*m->shared));
    if (!m->shared)
        return -ENOMEM;
    for (size_t i = 0; r == 0 && i < m->n_matched; i++)
        r = take_pair(m, &seen, m->matched[i].machine);
    return r;
}

static int warn_without_ipv4(struct match *m, struct text *words)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < m->n_matched; i++) {
        const struct machine *machine = m->matched[i].machine;
        char label[MACHINE_LABEL_MAX];

        if (machine->n_addresses == 0 || ipv4_of(machine))
            continue;
        text_addf(
            words,
            "%s (%s) has no IPv4 address, and pyDCOP supports only IPv4; give it one (DHCP, or "
            "a fixed address)",
            machine_label(machine, label), m->matched[i].agent);
        r = match_add_warning(m, words);
    }
    return r;
}

int match_warn_addresses(struct match *m, struct text *words)
{
    int r = warn_without_ipv4(m, words);

    for (size_t i = 0; r == 0 && i < m->n_shared; i++) {
        char first[MACHINE_LABEL_MAX], second[MACHINE_LABEL_MAX], address[ADDRESS_TEXT_MAX];

        address_format(ipv4_of(m->shared[i].first), address);
        text_addf(
            words,
            "%s and %s have the same IPv4 address, %s: only one of them can be reached there; "
            "give one of them another",
            machine_label(m->shared[i].first, first), machine_label(m->shared[i].second, second),
            address);
        r = match_add_warning(m, words);
    }
    return r;
}
