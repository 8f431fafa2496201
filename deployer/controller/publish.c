/* Events to the listeners. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "discovery/base/digest.h"
#include "private.h"

void publish_for(struct controller *c, const char *event, enum event_audience audience,
                 json_t *value)
{
    char *text = value ? json_dumps(value, ANSWER_JSON) : NULL;

    json_decref(value);
    if (!text)
        return;
    (void)events_add(c->web.events, event, text, audience);
    c->metrics.events++;
    free(text);
    if (c->web.http)
        http_wake(c->web.http);
}

void publish(struct controller *c, const char *event, json_t *value)
{
    publish_for(c, event, EVENT_FOR_ALL, value);
}

/* A digest of what is shown of its work. */
static void digest_shown_work(const struct member *m, char ret[static DIGEST_LENGTH + 1])
{
    struct digest d;
    CLEANUP_TEXT struct text t = TEXT_INIT;

    text_addf(&t, "%d %d %" PRIi64 " %d %p %p %u %u %" PRIi64 " %p %p %u %d", (int)m->state,
              (int)m->standing.state, m->again_ms, (int)m->at_work, (const void *)m->verb,
              (const void *)m->phase, m->number, m->total, m->run, (const void *)m->outcome,
              (const void *)m->pending, m->ledger.failures, (int)m->ledger.held);
    digest_init(&d);
    digest_adds(&d, text_str(&t));
    digest_adds(&d, m->step);
    digest_adds(&d, m->why);
    digest_adds(&d, m->detail);
    digest_adds(&d, m->standing.pin ? m->standing.pin : "");
    digest_adds(&d, m->standing.why ? m->standing.why : "");
    for (size_t i = 0; i < m->assigned.count; i++)
        digest_adds(&d, m->assigned.items[i]);
    digest_end(&d, ret);
}

void publish_machine(struct controller *c, struct member *m, const char *change)
{
    json_t *o = json_pack("{s:s, s:o}", "change", change, "machine", view_machine(c, m));

    digest_shown_work(m, m->shown);
    publish(c, "machine", o);
}

void publish_work(struct controller *c, struct member *m)
{
    char now[DIGEST_LENGTH + 1];

    digest_shown_work(m, now);
    if (strcmp(now, m->shown) != 0)
        publish_machine(c, m, "work");
}

void publish_status(struct controller *c)
{
    json_t *status = view_status(c);
    char *text = status ? json_dumps(status, JSON_COMPACT) : NULL;

    if (text && (!c->published.status || strcmp(text, c->published.status) != 0)) {
        free(c->published.status);
        c->published.status = text;
        publish(c, "status", status);
        return;
    }
    free(text);
    json_decref(status);
}
