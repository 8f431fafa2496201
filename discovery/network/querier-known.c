/* The machines that are known are asked for by their names, and always have a place. */
#include <stdio.h>
#include <string.h>

#include "querier-private.h"

enum {
    NAMES_MAX = 32, /* asked for in a second; the others in the next ones */
    ALL_MS = 1000,  /* from when all were asked for until it begins again; then twice … */
    ALL_MAX_MS = 300 * 1000, /* … as long each time, up to this */
    SECOND_MS = 1000,
};

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

/* A machine that is off costs ever less, also in a flood, when there is a question each moment. */
static bool begins_again(struct querier *q, uint64_t now)
{
    if (q->known_next > 0)
        return true;
    if (now < q->known_due)
        return false;
    q->known_pause = q->known_pause == 0               ? ALL_MS
                     : q->known_pause < ALL_MAX_MS / 2 ? 2 * q->known_pause
                                                       : ALL_MAX_MS;
    q->known_due = now + q->known_pause;
    return true;
}

void querier_ask_known(struct querier *q, bool openly)
{
    const struct known_id *at = NULL;
    uint64_t now = querier_now_ms(q);
    size_t n = 0;
    const char *id;

    if (now >= q->names_start + SECOND_MS) {
        q->names_start = now;
        q->names = 0;
    }
    if (!begins_again(q, now))
        return;
    for (; q->known && (id = known_walk(q->known, &at)); n++) {
        char name[sizeof(ADVERT_INSTANCE_PREFIX) + ADVERT_ID_LENGTH];

        (void)snprintf(name, sizeof(name), ADVERT_INSTANCE_PREFIX "%s", id);
        if (n < q->known_next || is_heard(q, name))
            continue;
        if (q->names == NAMES_MAX) {
            q->known_next = n;
            return;
        }
        q->names++;
        querier_send(q, name, -1);
        if (openly)
            querier_send_openly(q, name);
    }
    q->known_next = 0;
}
