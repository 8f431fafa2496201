/* The message about a pattern that matches nothing. */
#include <errno.h>
#include <string.h>

#include "discovery/base/cleanup.h"
#include "discovery/match/suggest.h"
#include "limit-private.h"

enum { SHOWN_NAMES_MAX = 12, SHOWN_BYTES_MAX = 400, SHOWN_PATTERN_MAX = 80 };

void limit_add_shown(struct text *to, const char *name)
{
    size_t size = strlen(name);
    CLEANUP_FREE char *cut = NULL;

    if (size > SHOWN_PATTERN_MAX) {
        size = SHOWN_PATTERN_MAX;
        while (size > 0 && ((unsigned char)name[size] & 0xc0) == 0x80)
            size--;
    }
    cut = strndup(name, size);
    if (cut)
        text_add_printable(to, cut);
    if (name[size])
        text_adds(to, "…");
}

/* The names that a pattern can match, in order: of each machine the agents, or, without
 * agents, its host name or id; NULL after the last one. */
static const char *nth_name(const struct limit_item *items, size_t n, size_t wanted)
{
    for (size_t i = 0; i < n; i++) {
        size_t count = items[i].agents->count;

        if (wanted < count)
            return items[i].agents->items[wanted];
        wanted -= count;
        if (count > 0)
            continue;
        if (wanted == 0)
            return items[i].host ? items[i].host : items[i].id ? items[i].id : "?";
        wanted--;
    }
    return NULL;
}

static void add_names(struct text *to, const struct limit_item *items, size_t n)
{
    size_t shown = 0, all = 0;

    while (nth_name(items, n, all))
        all++;
    for (; shown < all && shown < SHOWN_NAMES_MAX && to->size < SHOWN_BYTES_MAX; shown++) {
        text_adds(to, shown ? ", " : "");
        limit_add_shown(to, nth_name(items, n, shown));
    }
    if (shown < all)
        text_addf(to, " … and %zu more", all - shown);
}

struct nearest {
    struct suggest_fold wanted;
    const char *name;
    unsigned distance;
};

static void try_name(struct nearest *best, const char *name)
{
    struct suggest_fold f;
    unsigned limit, distance;

    if (!name || !*name)
        return;
    suggest_fold(name, &f);
    limit = suggest_limit(f.count > best->wanted.count ? f.count : best->wanted.count);
    distance = suggest_distance(&f, &best->wanted, limit);
    if (distance > limit || (best->name && distance >= best->distance))
        return;
    best->name = name;
    best->distance = distance;
}

static void add_nearest(struct text *to, const char *pattern, const struct limit_item *items,
                        size_t n)
{
    struct nearest best = {.name = NULL};

    suggest_fold(pattern, &best.wanted);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < items[i].agents->count; j++)
            try_name(&best, items[i].agents->items[j]);
        try_name(&best, items[i].host);
        try_name(&best, items[i].id);
        for (size_t j = 0; items[i].labels && j < items[i].labels->count; j++)
            try_name(&best, items[i].labels->items[j]);
    }
    if (!best.name)
        return;
    text_adds(to, " (did you mean ");
    limit_add_shown(to, best.name);
    text_adds(to, "?)");
}

int limit_fail_no_match(const struct limit_pattern *p, const struct limit_item *items, size_t n,
                        struct error *err)
{
    CLEANUP_TEXT struct text shown = TEXT_INIT, near = TEXT_INIT, names = TEXT_INIT;

    limit_add_shown(&shown, p->glob);
    add_nearest(&near, p->glob, items, n);
    add_names(&names, items, n);
    if (names.size == 0)
        return error_set(err, -EINVAL,
                         "%sno agent or machine matches \"%s\": none was found at all",
                         p->place ? p->place : "--limit: ", text_str(&shown));
    return error_set(err, -EINVAL, "%sno agent or machine matches \"%s\"%s; there are %s",
                     p->place ? p->place : "--limit: ", text_str(&shown), text_str(&near),
                     text_str(&names));
}
