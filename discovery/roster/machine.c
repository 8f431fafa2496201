#include "machine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *machine_fleet(const struct machine *m)
{
    return m->advert.fleet ? m->advert.fleet : ADVERT_FLEET_DEFAULT;
}

void machine_clear(struct machine *m)
{
    advert_clear(&m->advert);
    free(m->host);
    free(m->instance);
    free(m->addresses);
}

static int copy_string(char **to, const char *from)
{
    if (!from)
        return 0;
    *to = strdup(from);
    return *to ? 0 : -ENOMEM;
}

static int copy_advert(struct advert *to, const struct advert *from)
{
    CLEANUP(advert_clear) struct advert copy = ADVERT_INIT;

    memcpy(copy.id, from->id, sizeof(copy.id));
    copy.state = from->state;
    copy.seq = from->seq;
    if (strings_copy(&copy.agents, &from->agents) < 0 ||
        copy_string(&copy.fleet, from->fleet) < 0 || copy_string(&copy.user, from->user) < 0 ||
        copy_string(&copy.hostkey, from->hostkey) < 0 || copy_string(&copy.os, from->os) < 0 ||
        copy_string(&copy.arch, from->arch) < 0 || copy_string(&copy.python, from->python) < 0 ||
        copy_string(&copy.model, from->model) < 0 || copy_string(&copy.pydcop, from->pydcop) < 0 ||
        copy_string(&copy.error, from->error) < 0 ||
        copy_string(&copy.signature, from->signature) < 0)
        return -ENOMEM;
    advert_clear(to);
    *to = copy;
    copy = ADVERT_INIT;
    return 0;
}

int machine_copy(const struct machine *m, struct machine *ret)
{
    struct machine copy = *m;

    copy.advert = ADVERT_INIT;
    copy.host = copy.instance = NULL;
    copy.addresses = calloc(m->n_addresses + 1, sizeof(*copy.addresses));
    if (!copy.addresses || copy_advert(&copy.advert, &m->advert) < 0 ||
        copy_string(&copy.host, m->host) < 0 || copy_string(&copy.instance, m->instance) < 0) {
        machine_clear(&copy);
        return -ENOMEM;
    }
    if (m->n_addresses)
        memcpy(copy.addresses, m->addresses, m->n_addresses * sizeof(*copy.addresses));
    *ret = copy;
    return 0;
}

int machine_update(struct machine *m, const struct sighting *s)
{
    bool changed = m->port != s->port;

    m->port = s->port;
    if (!advert_equal(&m->advert, s->advert)) {
        if (copy_advert(&m->advert, s->advert) < 0)
            return -ENOMEM;
        changed = true;
    }
    m->advert.seq = s->advert->seq;
    if (!string_equal(m->advert.signature, s->advert->signature)) {
        free(TAKE_PTR(m->advert.signature));
        if (copy_string(&m->advert.signature, s->advert->signature) < 0)
            return -ENOMEM;
    }
    if (s->host && !string_equal(m->host, s->host)) {
        char *host = strdup(s->host);

        if (!host)
            return -ENOMEM;
        free(m->host);
        m->host = host;
        changed = true;
    }
    return changed;
}

/* Lower is better. */
static int address_rank(const struct address *a, const struct address_order *order)
{
    int protocol = a->family == AF_INET ? 0 : address_is_link_local(a) ? 2 : 1;
    int reach = 2;

    for (size_t i = 0; i < order->n_networks && reach > 1; i++)
        if (network_has(&order->networks[i], a))
            reach = 1;
    for (size_t i = 0; i < order->n_answering && reach > 0; i++)
        if (address_equal(a, &order->answering[i]))
            reach = 0;
    return order->probed ? 3 * reach + protocol : 3 * protocol + reach;
}

static bool address_before(const struct address *a, const struct address *b,
                           const struct address_order *order)
{
    int ranks = address_rank(a, order) - address_rank(b, order);
    int bytes = memcmp(a->bytes, b->bytes, 16);

    if (ranks != 0)
        return ranks < 0;
    return bytes != 0 ? bytes < 0 : a->interface < b->interface;
}

void addresses_insert(struct address *list, size_t *count, const struct address *a,
                      const struct address_order *order)
{
    size_t at = 0;

    while (at < *count && address_before(&list[at], a, order))
        at++;
    if (at < *count && address_equal(&list[at], a))
        return;
    if (at == ROSTER_ADDRESSES_MAX)
        return;
    if (*count < ROSTER_ADDRESSES_MAX)
        (*count)++;
    for (size_t i = *count - 1; i > at; i--)
        list[i] = list[i - 1];
    list[at] = *a;
}

int machine_set_addresses(struct machine *m, const struct address *list, size_t count)
{
    bool same = count == m->n_addresses;
    struct address *copy;

    for (size_t i = 0; same && i < count; i++)
        same = address_equal(&list[i], &m->addresses[i]);
    if (same)
        return 0;
    copy = reallocarray(NULL, count, sizeof(*copy));
    if (!copy)
        return -ENOMEM;
    memcpy(copy, list, count * sizeof(*copy));
    free(m->addresses);
    m->addresses = copy;
    m->n_addresses = count;
    return 1;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Digits as numbers; equal numbers with more zeros in front come later. */
static int natural_compare(const char *a, const char *b)
{
    const char *whole_a = a, *whole_b = b;

    while (*a && *b) {
        size_t n_a = 0, n_b = 0;
        int order;

        if (!is_digit(*a) || !is_digit(*b)) {
            if (*a != *b)
                return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
            a++, b++;
            continue;
        }
        while (*a == '0' && is_digit(a[1]))
            a++;
        while (*b == '0' && is_digit(b[1]))
            b++;
        while (is_digit(a[n_a]))
            n_a++;
        while (is_digit(b[n_b]))
            n_b++;
        order = n_a != n_b ? (n_a < n_b ? -1 : 1) : memcmp(a, b, n_a);
        if (order != 0)
            return order;
        a += n_a, b += n_b;
    }
    if (*a || *b)
        return *a ? 1 : -1;
    return strcmp(whole_a, whole_b);
}

int machine_compare(const struct machine *a, const struct machine *b)
{
    size_t n_a = a->advert.agents.count, n_b = b->advert.agents.count;
    int order = a->untrusted - b->untrusted; /* claims come last */

    if (order == 0)
        order = (n_a == 0) - (n_b == 0);

    if (order == 0 && n_a > 0)
        order = natural_compare(a->advert.agents.items[0], b->advert.agents.items[0]);
    if (order == 0)
        order = strcmp(a->advert.id, b->advert.id);
    if (order == 0)
        order = strcmp(a->advert.hostkey ? a->advert.hostkey : "",
                       b->advert.hostkey ? b->advert.hostkey : "");
    if (order == 0)
        order = b->verified - a->verified;
    if (order == 0)
        order = (a->clone > b->clone) - (a->clone < b->clone);
    return order;
}
