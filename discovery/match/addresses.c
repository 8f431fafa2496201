#include "addresses.h"

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

/* One that is known not to have one. */
static bool lacks_ipv4(const struct machine *m)
{
    return m->n_addresses > 0 && !ipv4_of(m);
}

/* Compares with those before; 1 and the pair, when another one has its address, 0,
 * -ENOMEM.  Several agents of one machine are one machine. */
static int find_pair(struct keyset *seen, const struct machine *machine, struct match_shared *ret)
{
    const struct address *a = ipv4_of(machine);
    void **slot = a ? keyset_slot(seen, a->bytes, 4) : NULL;
    bool found;

    if (!slot)
        return a ? -ENOMEM : 0;
    found = *slot && *slot != machine;
    if (found)
        *ret = (struct match_shared){*slot, machine};
    *slot = (void *)(uintptr_t)machine;
    return found;
}

static void add_without_ipv4(struct text *t, const struct machine *m, const char *agent)
{
    char label[MACHINE_LABEL_MAX];

    text_adds(t, machine_label(m, label));
    if (agent)
        text_addf(t, " (%s)", agent);
    text_adds(t, " has no IPv4 address, and pyDCOP supports only IPv4; give it one (DHCP, or a "
                 "fixed address)");
}

static void add_shared(struct text *t, const struct match_shared *s)
{
    char first[MACHINE_LABEL_MAX], second[MACHINE_LABEL_MAX], address[ADDRESS_TEXT_MAX];

    address_format(ipv4_of(s->first), address);
    text_addf(t,
              "%s and %s have the same IPv4 address, %s: only one of them can be reached there; "
              "give one of them another",
              machine_label(s->first, first), machine_label(s->second, second), address);
}

int match_check_addresses(struct match *m)
{
    CLEANUP_KEYSET struct keyset seen = {0};
    int r = 0;

    m->shared = calloc(m->n_matched + 1, sizeof(*m->shared));
    if (!m->shared)
        return -ENOMEM;
    for (size_t i = 0; r >= 0 && i < m->n_matched; i++) {
        m->n_without_ipv4 += lacks_ipv4(m->matched[i].machine);
        r = find_pair(&seen, m->matched[i].machine, &m->shared[m->n_shared]);
        m->n_shared += r > 0;
    }
    return r < 0 ? r : 0;
}

int match_warn_addresses(struct match *m, struct text *words)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < m->n_matched; i++) {
        if (!lacks_ipv4(m->matched[i].machine))
            continue;
        add_without_ipv4(words, m->matched[i].machine, m->matched[i].agent);
        r = match_add_warning(m, words);
    }
    for (size_t i = 0; r == 0 && i < m->n_shared; i++) {
        add_shared(words, &m->shared[i]);
        r = match_add_warning(m, words);
    }
    return r;
}

/* Moves the sentence, the `number`th of its kind, to the list, as long as there is
 * room. */
static int say(struct strings *to, struct text *words, size_t number)
{
    int r = text_error(words);

    if (r == 0 && number <= ADDRESSES_SAID_MAX)
        r = strings_add(to, text_str(words));
    text_reset(words);
    return r;
}

static int say_how_many_more(struct strings *to, struct text *words, size_t number,
                             const char *what)
{
    if (number <= ADDRESSES_SAID_MAX)
        return 0;
    text_addf(words, "%zu more %s", number - ADDRESSES_SAID_MAX, what);
    return say(to, words, 0);
}

static bool is_looked_at(const struct machine *m)
{
    return machine_is_there(m) && m->beacon && !m->untrusted;
}

int addresses_explain(const struct machine *const *machines, size_t n, struct strings *ret)
{
    CLEANUP_KEYSET struct keyset seen = {0};
    CLEANUP_TEXT struct text words = TEXT_INIT;
    size_t n_without = 0, n_shared = 0;
    int r = 0;

    for (size_t i = 0; r >= 0 && i < n; i++) {
        struct match_shared pair;

        if (!is_looked_at(machines[i]))
            continue;
        if (lacks_ipv4(machines[i])) {
            add_without_ipv4(&words, machines[i], NULL);
            r = say(ret, &words, ++n_without);
            continue;
        }
        r = find_pair(&seen, machines[i], &pair);
        if (r > 0) {
            add_shared(&words, &pair);
            r = say(ret, &words, ++n_shared);
        }
    }
    if (r >= 0)
        r = say_how_many_more(ret, &words, n_without, "have no IPv4 address");
    if (r >= 0)
        r = say_how_many_more(ret, &words, n_shared, "have an IPv4 address that another one has");
    return r < 0 ? r : 0;
}
