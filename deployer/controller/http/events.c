#include "events.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "discovery/base/text.h"

enum { BOOT_MAX = 16 };

struct events {
    char boot[BOOT_MAX + 1];
    struct event ring[EVENTS_KEPT]; /* by number modulo the size */
    uint64_t last, first;           /* first to last are kept; if first > last, none */
    size_t bytes;
};

struct events *events_new(const char *boot)
{
    struct events *e = calloc(1, sizeof(*e));

    if (!e)
        return NULL;
    (void)snprintf(e->boot, sizeof(e->boot), "%s", boot);
    e->first = 1;
    return e;
}

static void drop_first(struct events *e)
{
    struct event *event = &e->ring[e->first % EVENTS_KEPT];

    e->bytes -= event->size;
    free(event->frame);
    *event = (struct event){0};
    e->first++;
}

void events_free(struct events *e)
{
    if (!e)
        return;
    while (e->first <= e->last)
        drop_first(e);
    free(e);
}

void events_id(const struct events *e, uint64_t number, char ret[static EVENTS_ID_MAX])
{
    (void)snprintf(ret, EVENTS_ID_MAX, "%s-%" PRIu64, e->boot, number);
}

int events_add(struct events *e, const char *name, const char *data, enum event_audience audience)
{
    CLEANUP_TEXT struct text frame = TEXT_INIT;
    char id[EVENTS_ID_MAX];
    size_t size;
    char *bytes;

    events_id(e, e->last + 1, id);
    text_addf(&frame, "id: %s\nevent: %s\ndata: ", id, name);
    text_adds(&frame, data);
    text_adds(&frame, "\n\n");
    size = frame.size;
    bytes = text_take(&frame);
    if (!bytes) { /* leaves a gap, so that no client believes that it has all events */
        while (e->first <= e->last)
            drop_first(e);
        e->last++;
        e->first = e->last + 1;
        return -ENOMEM;
    }
    while (e->first <= e->last &&
           (e->last - e->first + 1 >= EVENTS_KEPT || e->bytes + size > EVENTS_BYTES_MAX))
        drop_first(e);
    e->last++;
    e->ring[e->last % EVENTS_KEPT] =
        (struct event){.number = e->last, .frame = bytes, .size = size, .audience = audience};
    e->bytes += size;
    return 0;
}

uint64_t events_last(const struct events *e)
{
    return e->last;
}

const struct event *events_find(const struct events *e, uint64_t number)
{
    return number >= e->first && number <= e->last ? &e->ring[number % EVENTS_KEPT] : NULL;
}

int events_resume(const struct events *e, const char *id, uint64_t *ret_number)
{
    size_t size = strlen(e->boot);
    uint64_t number = 0;
    const char *digits;

    if (strncmp(id, e->boot, size) != 0 || id[size] != '-')
        return -ENOENT;
    digits = id + size + 1;
    if (!*digits || strlen(digits) > 18 || strspn(digits, "0123456789") != strlen(digits))
        return -ENOENT;
    for (; *digits; digits++)
        number = number * 10 + (uint64_t)(*digits - '0');
    if (number > e->last || number + 1 < e->first)
        return -ENOENT;
    *ret_number = number;
    return 0;
}
