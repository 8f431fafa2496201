/* The machines that are known are asked for by their names, and always have a place. */
#include <stdio.h>
#include <string.h>

#include "querier-private.h"

enum { NAMES_MAX = 32 }; /* asked for with each question; the others with the next ones */

void querier_know(struct querier *q, const struct known *known)
{
    q->known = known;
}

bool querier_knows(const struct querier *q, const char *instance)
{
    return q->known && known_has_instance(q->known, instance);
}

static bool is_heard(const struct querier *q, const char *name)
{
    for (size_t i = 0; i < q->links.count; i++) {
        const struct instance *found = instance_find(q, (int)q->links.items[i].interface, name);

        if (found && instance_is_complete(found))
            return true;
    }
    return false;
}

void querier_ask_known(struct querier *q, bool openly)
{
    const struct known_id *at = NULL;
    size_t n = 0, asked = 0;
    const char *id;

    for (; q->known && (id = known_walk(q->known, &at)); n++) {
        char name[sizeof(ADVERT_INSTANCE_PREFIX) + ADVERT_ID_LENGTH];

        (void)snprintf(name, sizeof(name), ADVERT_INSTANCE_PREFIX "%s", id);
        if (n < q->known_next || is_heard(q, name))
            continue;
        querier_send(q, name, -1);
        if (openly)
            querier_send_openly(q, name);
        if (++asked == NAMES_MAX) {
            q->known_next = n + 1;
            return;
        }
    }
    q->known_next = 0;
}
