/* Which machine answers at an address. */
#include <string.h>
#include <sys/socket.h>

#include "liveness-private.h"

static struct watched *find_holder(const struct liveness *l, const struct address *a)
{
    const struct address key = address_key(a);
    struct watched *w;

    HASH_FIND(hh_holder, l->holders, &key, sizeof(key), w);
    return w;
}

void holding_end(struct watched *w)
{
    if (w->holds)
        HASH_DELETE(hh_holder, w->liveness->holders, w);
    w->holds = false;
}

void holding_begin(struct watched *w, const struct address *a)
{
    struct liveness *l = w->liveness;
    struct watched *before = find_holder(l, a);

    w->answered_at = *a;
    if (before == w)
        return;
    if (before)
        holding_end(before);
    holding_end(w);
    w->held = address_key(a);
    HASH_ADD(hh_holder, l->holders, held, sizeof(w->held), w);
    w->holds = w->hh_holder.tbl != NULL; /* no memory: TCP answers count as before */
}

static bool is_another(const struct watched *w, const struct watched *holder)
{
    return holder && (strcmp(holder->id, w->id) != 0 || holder->clone != w->clone);
}

bool holding_is_anothers(const struct watched *w, const struct address *a)
{
    if (is_another(w, find_holder(w->liveness, a)))
        return true;
    for (size_t i = 0; i < w->n_addresses; i++) {
        const struct watched *holder = find_holder(w->liveness, &w->addresses[i]);

        if (is_another(w, holder) && probe_find_address(holder, a) != SIZE_MAX)
            return true;
    }
    return false;
}
