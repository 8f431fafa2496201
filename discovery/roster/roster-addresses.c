/* The addresses of a machine: those of its records, those that answered, their order. */
#include <errno.h>
#include <string.h>

#include "machine.h"
#include "roster-private.h"

enum { ANSWERS_LATELY_S = 15 }; /* longer ago than that before the last one does not count */

void entry_note_answer(struct entry *e, const struct address *a, struct timespec now)
{
    size_t at = 0;

    if (!a)
        return;
    while (at < e->n_answers && !address_equal(&e->answers[at].address, a))
        at++;
    if (at == e->n_answers && e->n_answers < ANSWERS_MAX)
        e->n_answers++;
    else if (at == e->n_answers)
        at--;
    for (; at > 0; at--)
        e->answers[at] = e->answers[at - 1];
    e->answers[0] = (struct answer){*a, now};
}

/* Has a probe asked its addresses lately? */
static bool is_probed(const struct entry *e)
{
    return e->probed && e->n_answers > 0 &&
           e->answers[0].at.tv_sec - e->probed_at.tv_sec <= ANSWERS_LATELY_S;
}

/* Those that answered lately. */
static size_t answering(const struct entry *e, struct address ret[static ANSWERS_MAX])
{
    size_t n = 0;

    while (n < e->n_answers &&
           e->answers[0].at.tv_sec - e->answers[n].at.tv_sec <= ANSWERS_LATELY_S) {
        ret[n] = e->answers[n].address;
        n++;
    }
    return n;
}

/* A direct record over IPv4 brings all addresses, one over IPv6 those of IPv6, so
 * Avahi's are older.  Not so where records are signed: whoever replays one may name
 * other addresses. */
static bool is_outdated(const struct entry *e, const struct tuple *t, const struct address *a)
{
    if (t->direct || e->machine.verified)
        return false;
    for (const struct tuple *other = e->tuples; other; other = other->next)
        for (size_t i = 0; other->direct && i < other->n_addresses; i++)
            if (other->addresses[i].family == a->family || other->addresses[i].family == AF_INET)
                return true;
    return false;
}

int entry_merge_addresses(const struct roster *r, struct entry *e)
{
    struct address list[ROSTER_ADDRESSES_MAX] = {0}, answered[ANSWERS_MAX];
    const struct address_order order = {answered, answering(e, answered), is_probed(e), r->networks,
                                        r->n_networks};
    size_t count = 0;

    for (const struct tuple *t = e->tuples; t; t = t->next)
        if (t->own_name && !is_outdated(e, t, &t->addresses[0]))
            addresses_insert(list, &count, &t->addresses[0], &order);
    for (const struct tuple *t = e->tuples; t; t = t->next)
        for (size_t i = 0; i < t->n_addresses && count < ROSTER_ADDRESSES_MAX; i++)
            if (!is_outdated(e, t, &t->addresses[i]))
                addresses_insert(list, &count, &t->addresses[i], &order);
    if (count == 0) /* gone: the last known addresses stay on display */
        return 0;
    return machine_set_addresses(&e->machine, list, count);
}

static bool has_answered(const struct entry *e, const struct address *a)
{
    for (size_t i = 0; i < e->n_answers; i++)
        if (address_equal(&e->answers[i].address, a))
            return true;
    return false;
}

/* The place of the address that makes room: the oldest that never answered. */
static size_t find_oldest(const struct tuple *t)
{
    for (size_t i = t->n_addresses; i > 0; i--)
        if (!has_answered(t->entry, &t->addresses[i - 1]))
            return i - 1;
    return t->n_addresses - 1;
}

/* Puts it in front.  1 when an earlier one had to make room. */
static int set_address(struct tuple *t, const struct address *a)
{
    size_t at = 0;
    int lost = 0;

    while (at < t->n_addresses && !address_equal(&t->addresses[at], a))
        at++;
    if (at == ROSTER_ADDRESSES_MAX) {
        at = find_oldest(t);
        lost = 1;
    } else if (at == t->n_addresses) {
        t->n_addresses++;
    }
    for (; at > 0; at--)
        t->addresses[at] = t->addresses[at - 1];
    t->addresses[0] = *a;
    return lost;
}

void tuple_set_addresses(struct tuple *t, const struct sighting *s)
{
    if (!s->verified || t->by_hand) /* the state's word is nobody's replay */
        t->n_addresses = 0;
    for (size_t i = s->n_addresses; i > 0; i--)
        if (set_address(t, &s->addresses[i - 1]) > 0)
            break;
}
