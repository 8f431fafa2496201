/* What the browser's thread hands over. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "browser-private.h"

void browser_event_free(struct browser_event *e)
{
    if (!e)
        return;
    free((char *)e->sighting.key.name);
    free((char *)e->sighting.key.domain);
    free((char *)e->sighting.host);
    advert_clear(&e->advert);
    free(e->reason);
    free(e);
}

void browser_push_event(struct browser *b, struct browser_event *e)
{
    e->pending = b->pending;
    for (;;) {
        struct pollfd stop = {.fd = b->stop_fd, .events = POLLIN};
        int r = queue_push(b->queue, e);

        if (r == 0)
            return;
        if (poll(&stop, 1, 5) > 0) {
            browser_event_free(e);
            return;
        }
    }
}

struct browser_event *browser_make_event(enum browser_event_type type, const struct tuple *t)
{
    CLEANUP(browser_event_free_p) struct browser_event *e = calloc(1, sizeof(*e));

    if (!e)
        return NULL;
    e->type = type;
    if (!t)
        return TAKE_PTR(e);
    e->sighting.key = t->key;
    e->sighting.key.name = strdup(t->key.name);
    e->sighting.key.domain = strdup(t->key.domain);
    if (!e->sighting.key.name || !e->sighting.key.domain)
        return NULL;
    return TAKE_PTR(e);
}

void browser_push_news(struct browser *b, enum browser_event_type type, const struct tuple *t,
                       const char *reason)
{
    struct browser_event *e = browser_make_event(type, t);

    if (!e)
        return;
    e->reason = reason ? strdup(reason) : NULL;
    browser_push_event(b, e);
}

void browser_push_limit(struct browser *b, enum browser_event_type type, const struct tuple *t,
                        enum avahi_limit limit)
{
    struct browser_event *e = browser_make_event(type, t);

    if (!e)
        return;
    e->limit = limit;
    browser_push_event(b, e);
}

bool browser_is_limit(struct browser *b, int error)
{
    enum avahi_limit limit = avahi_limit_of(error);

    if (limit == AVAHI_LIMIT_NONE)
        return false;
    if (!b->told_limit[limit])
        browser_push_limit(b, BROWSER_LIMIT, NULL, limit);
    b->told_limit[limit] = true;
    b->refused = limit;
    return true;
}
