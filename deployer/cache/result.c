#include "result.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

void cache_results_clear(struct cache_results *r)
{
    for (size_t i = 0; i < r->count; i++) {
        struct cache_result *c = &r->items[i];

        free(c->name);
        strings_clear(&c->origins);
        strings_clear(&c->missing);
        strings_clear(&c->warnings);
        text_clear(&c->why);
    }
    free(r->items);
    strings_clear(&r->unread);
    *r = (struct cache_results){0};
}

struct cache_result *cache_results_add(struct cache_results *r, const char *name)
{
    struct cache_result *grown = reallocarray(r->items, r->count + 1, sizeof(*grown));
    char *copy = strdup(name);

    if (grown)
        r->items = grown;
    if (!grown || !copy) {
        free(copy);
        return NULL;
    }
    r->items[r->count] = (struct cache_result){.name = copy};
    return &r->items[r->count++];
}

static bool is_ok(const struct cache_result *c)
{
    return c->missing.count == 0 && c->why.size == 0;
}

bool cache_results_ok(const struct cache_results *r)
{
    for (size_t i = 0; i < r->count; i++)
        if (!is_ok(&r->items[i]))
            return false;
    return r->unread.count == 0;
}

void cache_add_bytes(struct text *t, uint64_t bytes)
{
    if (bytes >= 1000 * 1000 * 1000)
        text_addf(t, "%.1f GB", (double)bytes / 1e9);
    else if (bytes >= 1000 * 1000)
        text_addf(t, "%.1f MB", (double)bytes / 1e6);
    else
        text_addf(t, "%.1f kB", (double)bytes / 1e3);
}

/* --- for a person ------------------------------------------------------------------ */

static void add_list(struct text *t, const struct strings *items, size_t most)
{
    for (size_t i = 0; i < items->count && i < most; i++) {
        text_adds(t, i ? ", " : "");
        text_add_printable(t, items->items[i]);
    }
    if (items->count > most)
        text_addf(t, " and %zu more", items->count - most);
}

static void add_system(struct text *t, const struct cache_result *c, bool primed)
{
    text_add_printable(t, c->name);
    if (is_ok(c) && c->files == 0) {
        text_adds(t, ": nothing is needed: all that a deploy installs is installed\n");
    } else if (is_ok(c)) {
        text_addf(t, ": %s, %zu files, ", primed ? "cached" : "complete", c->files);
        cache_add_bytes(t, c->bytes);
        if (primed && c->origins.count > 0) {
            text_adds(t, ", from ");
            add_list(t, &c->origins, CACHE_MISSING_SHOWN);
        }
        text_addc(t, '\n');
    } else {
        if (c->missing.count > 0) {
            text_addf(t, ": %zu missing: ", c->missing.count);
            add_list(t, &c->missing, CACHE_MISSING_SHOWN);
        } else {
            text_adds(t, c->warnings.count > 0 ? ": not available without the sources below"
                                               : ": not available");
        }
        if (c->why.size > 0)
            text_addf(t, " (%s)", text_str(&c->why));
        text_addc(t, '\n');
    }
    for (size_t i = 0; i < c->warnings.count && i < CACHE_MISSING_SHOWN; i++) {
        text_adds(t, "  source not used: ");
        text_add_printable(t, c->warnings.items[i]);
        text_addc(t, '\n');
    }
}

int cache_results_text(const struct cache_results *r, bool primed, struct text *ret)
{
    for (size_t i = 0; i < r->count; i++)
        add_system(ret, &r->items[i], primed);
    for (size_t i = 0; i < r->unread.count; i++) {
        text_adds(ret, "not asked: ");
        text_add_printable(ret, r->unread.items[i]);
        text_addc(ret, '\n');
    }
    return text_error(ret);
}

/* --- for a program ------------------------------------------------------------------ */

static json_t *list_json(const struct strings *items)
{
    json_t *list = json_array();

    for (size_t i = 0; i < items->count; i++)
        (void)json_array_append_new(list, json_string(items->items[i]));
    return list;
}

static json_t *system_json(const struct cache_result *c)
{
    json_t *o = json_pack("{s:s, s:b, s:I, s:I, s:o, s:o, s:o}", "name", c->name, "ok", is_ok(c),
                          "files", (json_int_t)c->files, "bytes", (json_int_t)c->bytes, "origins",
                          list_json(&c->origins), "missing", list_json(&c->missing), "warnings",
                          list_json(&c->warnings));

    if (o && c->why.size > 0)
        (void)json_object_set_new(o, "why", json_string(text_str(&c->why)));
    return o;
}

int cache_results_json(const struct cache_results *r, struct text *ret)
{
    json_t *systems = json_array(), *all;
    CLEANUP_FREE char *text = NULL;

    for (size_t i = 0; i < r->count; i++)
        (void)json_array_append_new(systems, system_json(&r->items[i]));
    all = json_pack("{s:i, s:b, s:o, s:o}", "version", 1, "ok", cache_results_ok(r), "systems",
                    systems, "unread", list_json(&r->unread));
    text = all ? json_dumps(all, JSON_INDENT(2)) : NULL;
    json_decref(all);
    text_adds(ret, text ? text : "");
    text_addc(ret, '\n');
    return text ? text_error(ret) : -ENOMEM;
}
