#include "resume.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum kind { TEXT, FILE_PATH, MAYBE_PATH, LIST, FILES, FLAG, NUMBER };

/* No number that is kept is larger. */
enum { NUMBER_MAX = HEALTHY_MAX_S };

/* The options that are kept; one row, one option. */
static const struct kept {
    const char *key;
    enum kind kind;
    size_t offset;
} kept[] = {
#define KEPT(field, kind)                                                                          \
    {                                                                                              \
#field, kind, offsetof(struct deploy_options, field)                                       \
    }
    KEPT(problems, FILES), KEPT(inventory, FILE_PATH), KEPT(limits, LIST),
    KEPT(from, FILE_PATH), KEPT(spec, MAYBE_PATH),     KEPT(fleet, TEXT),
    KEPT(deps, TEXT),      KEPT(orchestrator, TEXT),   KEPT(user, TEXT),
    KEPT(keys, FILES),     KEPT(ui, FILE_PATH),        KEPT(browser, FLAG),
    KEPT(domain, TEXT),    KEPT(partial, FLAG),        KEPT(strict, FLAG),
    KEPT(set_clock, FLAG), KEPT(canary, TEXT),         KEPT(healthy_s, NUMBER),
    KEPT(no_start, FLAG),
#undef KEPT
};

static const void *field(const struct deploy_options *o, const struct kept *k)
{
    return (const char *)o + k->offset;
}

static void *field_of(struct deploy_options *o, const struct kept *k)
{
    return (char *)o + k->offset;
}

/* An absolute path is valid in any working directory; a value that is not a file
 * (a requirement, "-") stays as it is. */
static int add_path(struct strings *wish, const char *key, const char *path)
{
    char whole[PATH_MAX];

    return state_wish_add(wish, key, realpath(path, whole) ? whole : path);
}

static int add_list(struct strings *wish, const struct kept *k, const struct strings *list)
{
    int r = 0;

    for (size_t i = 0; i < list->count && r == 0; i++)
        r = k->kind == FILES ? add_path(wish, k->key, list->items[i])
                             : state_wish_add(wish, k->key, list->items[i]);
    return r;
}

int resume_wish(const struct deploy_options *o, struct strings *ret, struct error *err)
{
    int r = 0;

    for (size_t i = 0; i < ARRAY_SIZE(kept) && r == 0; i++) {
        const struct kept *k = &kept[i];
        const char *text;
        char number[16];

        switch (k->kind) {
        case LIST:
        case FILES:
            r = add_list(ret, k, field(o, k));
            break;
        case FLAG:
            if (*(const bool *)field(o, k))
                r = state_wish_add(ret, k->key, "yes");
            break;
        case NUMBER:
            (void)snprintf(number, sizeof(number), "%u", *(const unsigned *)field(o, k));
            if (*(const unsigned *)field(o, k))
                r = state_wish_add(ret, k->key, number);
            break;
        case TEXT:
        case FILE_PATH:
        case MAYBE_PATH:
            memcpy(&text, field(o, k), sizeof(text));
            if (!text)
                break;
            /* "pydcop" names the package of the index, even where a folder has that name. */
            r = k->kind == FILE_PATH || (k->kind == MAYBE_PATH && strchr(text, '/'))
                    ? add_path(ret, k->key, text)
                    : state_wish_add(ret, k->key, text);
            break;
        }
    }
    return r < 0 ? error_sys(err, r, "cannot record the run") : 0;
}

/* A value from the command line takes precedence over the kept one. */
static int restore_option(struct deploy_options *o, const struct kept *k,
                          const struct strings *wish)
{
    const char *value = state_wish_get(wish, k->key, 0), *text;
    struct strings *list = field_of(o, k);
    long number;
    int r = 0;

    switch (k->kind) {
    case LIST:
    case FILES:
        if (list->count > 0)
            return 0;
        for (size_t n = 0; (value = state_wish_get(wish, k->key, n)) && r == 0; n++)
            r = strings_add(list, value);
        break;
    case FLAG:
        *(bool *)field_of(o, k) |= value != NULL;
        break;
    case NUMBER:
        if (*(unsigned *)field_of(o, k) == 0 && value &&
            parse_number(value, 1, NUMBER_MAX, &number, NULL) == 0)
            *(unsigned *)field_of(o, k) = (unsigned)number;
        break;
    case TEXT:
    case FILE_PATH:
    case MAYBE_PATH:
        memcpy(&text, field_of(o, k), sizeof(text));
        if (!text && value)
            memcpy(field_of(o, k), &value, sizeof(value));
        break;
    }
    return r;
}

int resume_fill(struct deploy_options *o, const struct strings *wish)
{
    int r = 0;

    for (size_t i = 0; i < ARRAY_SIZE(kept) && r == 0; i++)
        r = restore_option(o, &kept[i], wish);
    return r;
}

int resume_last(struct state *s, struct deploy_options *o, struct resumption *ret,
                struct error *err)
{
    int r = state_run_last_asked(s, &ret->run, err);

    if (r == -ENOENT)
        return error_set(err, r, "there is no run to resume");
    if (r == 0)
        r = state_run_unfinished(s, ret->run.number, &ret->left, err);
    if (r < 0)
        return r;
    if (resume_fill(o, &ret->run.wish) < 0)
        return error_sys(err, -ENOMEM, "cannot resume");
    o->verb = ret->run.verb;
    return 0;
}

void resumption_clear(struct resumption *r)
{
    state_run_clear(&r->run);
    state_targets_clear(&r->left);
}
