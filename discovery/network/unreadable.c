#include "unreadable.h"

#include <string.h>

void unreadable_clear(struct unreadable *u)
{
    strings_clear(&u->lines);
    strings_clear(&u->instances);
}

static char *make_line(const struct sighting *s, const char *reason)
{
    CLEANUP_TEXT struct text t = TEXT_INIT;
    char address[ADDRESS_TEXT_MAX] = "";

    if (s->n_addresses > 0)
        address_format(&s->addresses[0], address);
    text_addf(&t, "%s (%s): %s", s->host ? s->host : s->key.name,
              !*address && s->key.domain ? s->key.domain : address, reason ? reason : "");
    return text_take(&t);
}

/* The place of the instance, or the number of them. */
static size_t find_instance(const struct unreadable *u, const char *instance)
{
    size_t at = 0;

    while (at < u->instances.count && strcmp(u->instances.items[at], instance) != 0)
        at++;
    return at;
}

void unreadable_add(struct unreadable *u, const struct sighting *s, const char *reason)
{
    size_t at = find_instance(u, s->key.name);
    CLEANUP_FREE char *line = make_line(s, reason);

    if (!line || at == UNREADABLE_MAX)
        return;
    if (at < u->instances.count) {
        free(u->lines.items[at]);
        u->lines.items[at] = TAKE_PTR(line);
        return;
    }
    if (strings_add(&u->lines, line) < 0 || strings_add(&u->instances, s->key.name) == 0)
        return;
    free(u->lines.items[--u->lines.count]);
}

/* The last takes the place of the one that goes. */
static void remove_at(struct strings *s, size_t at)
{
    free(s->items[at]);
    s->items[at] = s->items[--s->count];
}

void unreadable_remove(struct unreadable *u, const char *instance)
{
    size_t at = find_instance(u, instance);

    if (at == u->instances.count)
        return;
    remove_at(&u->lines, at);
    remove_at(&u->instances, at);
}

const struct strings *unreadable_lines(const struct unreadable *u)
{
    return &u->lines;
}
