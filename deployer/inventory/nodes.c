#include "nodes.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "discovery/base/keyset.h"

struct build {
    struct yaml_reader *y;
    struct hosts_source *t;
    struct error *err;
    struct hosts_node *open; /* the innermost list or map whose end has not been read; NULL: none */
};

static void node_free(struct hosts_node *n)
{
    if (n->text) {
        explicit_bzero(n->text, n->size);
        free(n->text);
    }
    free(n->items);
    free(n);
}

int hosts_source_new(const char *name, struct hosts_source **ret, struct error *err)
{
    CLEANUP_HOSTS_SOURCE struct hosts_source *s = calloc(1, sizeof(*s));

    if (s)
        s->name = strdup(name);
    if (!s || !s->name)
        return error_sys(err, -ENOMEM, "cannot read the inventory");
    *ret = TAKE_PTR(s);
    return 0;
}

void hosts_source_free(struct hosts_source *s)
{
    if (!s)
        return;
    for (struct hosts_node *next; s->nodes; s->nodes = next) {
        next = s->nodes->next;
        node_free(s->nodes);
    }
    yaml_anchors_clear(&s->anchors);
    if (s->y)
        yaml_reader_close(s->y);
    free(s->name);
    free(s);
}

static int no_memory(struct build *b)
{
    (void)error_sys(b->err, -ENOMEM, "cannot read the inventory");
    return -ENOMEM;
}

/* A macro, so that the static analyzer also sees that it never returns 0. */
#define fail_at(b, at, ...) ((void)yaml_reader_fail((b)->y, at, (b)->err, __VA_ARGS__), -EBADMSG)

bool hosts_node_is_null(const struct hosts_node *n)
{
    return n->kind == YAML_KIND_SCALAR && n->type == YAML_TYPE_NULL;
}

const struct hosts_node *hosts_node_get(const struct hosts_node *map, const char *key)
{
    for (size_t i = 0; map->kind == YAML_KIND_MAP && i + 1 < map->count; i += 2)
        if (map->items[i]->type == YAML_TYPE_STRING && strcmp(map->items[i]->text, key) == 0)
            return map->items[i + 1];
    return NULL;
}

void hosts_node_place(const struct hosts_node *n, struct text *ret)
{
    if (n->from->y)
        yaml_reader_place(n->from->y, n->mark, ret);
    else if (n->from->lines)
        text_addf(ret, "%s:%u:%u", n->from->name, n->mark.line + 1, n->mark.column + 1);
    else
        text_adds(ret, n->from->name);
}

int hosts_node_fail(const struct hosts_node *n, struct error *err, const char *format, ...)
{
    CLEANUP_TEXT struct text place = TEXT_INIT;
    char words[ERROR_TEXT_MAX];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(words, sizeof(words), format, args);
    va_end(args);
    hosts_node_place(n, &place);
    return error_set(err, -EBADMSG, "%s: %s", text_str(&place), words);
}

static int count_node(struct build *b, struct yaml_mark mark)
{
    if (b->t->n_nodes++ < HOSTS_NODES_MAX)
        return 0;
    return fail_at(b, mark, "more than %d values, merged ones included", HOSTS_NODES_MAX);
}

int hosts_node_append(struct hosts_node *to, struct hosts_node *item)
{
    if ((to->count & (to->count - 1)) == 0) {
        struct hosts_node **items =
            reallocarray(to->items, to->count ? to->count * 2 : 1, sizeof(struct hosts_node *));

        if (!items)
            return -ENOMEM;
        to->items = items;
    }
    to->items[to->count++] = item;
    return 0;
}

static int node_add(struct build *b, struct hosts_node *to, struct hosts_node *item)
{
    if (hosts_node_append(to, item) < 0)
        return no_memory(b);
    return count_node(b, item->mark);
}

/* Tags that Ansible's loader adds to PyYAML's. */
static bool read_ansible_tag(struct hosts_node *n, const char *tag)
{
    if (!tag)
        return false;
    n->unsafe = strcmp(tag, "!unsafe") == 0;
    n->vault = strcmp(tag, "!vault") == 0 || strcmp(tag, "!vault-encrypted") == 0;
    return n->unsafe || n->vault;
}

static int set_text(struct hosts_node *n, const char *text, size_t size)
{
    n->text = malloc(size + 1);
    if (!n->text)
        return -ENOMEM;
    memcpy(n->text, text, size);
    n->text[size] = '\0';
    n->size = size;
    return 0;
}

struct hosts_node *hosts_node_new(struct hosts_source *s, enum yaml_kind kind,
                                  struct yaml_mark mark, const char *text, size_t size)
{
    struct hosts_node *n = calloc(1, sizeof(*n));

    if (!n)
        return NULL;
    n->from = s;
    n->kind = kind;
    n->mark = mark;
    n->type = YAML_TYPE_STRING;
    n->next = s->nodes;
    s->nodes = n;
    s->n_nodes++;
    return kind == YAML_KIND_SCALAR && set_text(n, text, size) < 0 ? NULL : n;
}

static int fill_scalar(struct build *b, struct hosts_node *n, const struct yaml_item *item)
{
    const char *words;

    if (set_text(n, item->text, item->size) < 0)
        return no_memory(b);
    if (read_ansible_tag(n, item->tag))
        return 0; /* a string */
    words = yaml_scalar_type(item, &n->type);
    return words ? fail_at(b, item->mark, "this value %s", words) : 0;
}

static int make_node(struct build *b, const struct yaml_item *item, struct hosts_node **ret)
{
    struct hosts_node *n = calloc(1, sizeof(*n));
    const char *words;

    if (!n)
        return no_memory(b);
    n->from = b->t;
    n->next = b->t->nodes;
    b->t->nodes = n;
    n->kind = item->kind;
    n->mark = item->mark;
    *ret = n;
    if (n->kind == YAML_KIND_SCALAR)
        return fill_scalar(b, n, item);
    n->open = true;
    if (yaml_is_other(item) || yaml_is_tuple(item))
        return fail_at(b, item->mark, "only plain lists and maps are allowed in an inventory");
    words = read_ansible_tag(n, item->tag) ? NULL : yaml_collection_check(item);
    return words ? fail_at(b, item->mark, "this value %s", words) : 0;
}

static int keep_anchor(struct build *b, const struct yaml_item *item, struct hosts_node *n)
{
    int r = yaml_anchors_add(&b->t->anchors, b->y, item, n, b->err);

    if (r == -ENOMEM)
        return no_memory(b);
    if (r == 0 && b->t->anchors.by_name.count > HOSTS_ANCHORS_MAX)
        return fail_at(b, item->mark, "more than %d anchors", HOSTS_ANCHORS_MAX);
    return r;
}

static int resolve_alias(struct build *b, const struct yaml_item *item, struct hosts_node **ret)
{
    struct hosts_node *n = yaml_anchors_find(&b->t->anchors, b->y, item, b->err);

    if (!n)
        return -EBADMSG;
    if (n->open)
        return fail_at(b, item->mark, "the alias *%s is part of the value that it refers to",
                       item->anchor);
    *ret = n;
    return 0;
}

/* The bytes by which keys are compared. */
static const char *key_text(const struct hosts_node *key)
{
    return key->text;
}

/* Adds a pair to a merged map, as PyYAML (flatten_mapping) does: it replaces an
 * earlier pair with the same key, at the earlier pair's place.  `seen` has the
 * place of each key. */
static int put_pair(struct build *b, struct keyset *seen, struct hosts_node *to,
                    struct hosts_node *key, struct hosts_node *value)
{
    void **slot = keyset_slot(seen, key_text(key), key->size);
    int r;

    if (!slot)
        return no_memory(b);
    if (*slot) { /* its index in `items`, plus 1 */
        size_t at = (size_t)(uintptr_t)*slot - 1;

        assert(to->items && at + 1 < to->count);
        to->items[at] = key;
        to->items[at + 1] = value;
        return count_node(b, key->mark);
    }
    *slot = (void *)(uintptr_t)(to->count + 1);
    r = node_add(b, to, key);
    return r < 0 ? r : node_add(b, to, value);
}

static int put_map(struct build *b, struct keyset *seen, struct hosts_node *to,
                   const struct hosts_node *from, struct yaml_mark mark)
{
    int r = 0;

    if (from->kind != YAML_KIND_MAP)
        return fail_at(b, mark, "only a map, or a list of maps, can be merged");
    for (size_t i = 0; r == 0 && i + 1 < from->count; i += 2)
        r = put_pair(b, seen, to, from->items[i], from->items[i + 1]);
    return r;
}

static bool is_merge(const struct hosts_node *key)
{
    return key->type == YAML_TYPE_MERGE;
}

static int check_duplicate_keys(struct build *b, const struct hosts_node *map)
{
    CLEANUP_KEYSET struct keyset seen = {0};
    CLEANUP_TEXT struct text shown = TEXT_INIT, place = TEXT_INIT;

    for (size_t i = 0; i < map->count; i += 2) {
        struct hosts_node *key = map->items[i], *first;
        void **slot = keyset_slot(&seen, key_text(key), key->size);

        if (!slot)
            return no_memory(b);
        first = *slot;
        *slot = key;
        if (!first || is_merge(key))
            continue;
        text_add_printable(&shown, key->text);
        yaml_reader_place(b->y, first->mark, &place);
        return fail_at(b, key->mark,
                       "duplicate key \"%.80s\", first at %s; Ansible would ignore the first",
                       text_str(&shown), text_str(&place));
    }
    return 0;
}

/* At a map's end: replaces its pairs by those of the maps that it merges (a list of them from the
 * last to the first), then its own. */
static int apply_merge_keys(struct build *b, struct hosts_node *map)
{
    CLEANUP_KEYSET struct keyset seen = {0};
    struct hosts_node flat = {0};
    bool merges = false;
    int r = check_duplicate_keys(b, map);

    for (size_t i = 0; i < map->count; i += 2)
        merges = merges || is_merge(map->items[i]);
    if (r < 0 || !merges)
        return r;
    for (size_t i = 0; r == 0 && i < map->count; i += 2) {
        const struct hosts_node *value = map->items[i + 1];

        if (!is_merge(map->items[i]))
            continue;
        if (value->kind != YAML_KIND_LIST)
            r = put_map(b, &seen, &flat, value, map->items[i]->mark);
        for (size_t j = value->kind == YAML_KIND_LIST ? value->count : 0; r == 0 && j > 0; j--)
            r = put_map(b, &seen, &flat, value->items[j - 1], map->items[i]->mark);
    }
    for (size_t i = 0; r == 0 && i < map->count; i += 2)
        if (!is_merge(map->items[i]))
            r = put_pair(b, &seen, &flat, map->items[i], map->items[i + 1]);
    if (r < 0) {
        free(flat.items);
        return r;
    }
    free(map->items);
    map->items = flat.items;
    map->count = flat.count;
    return 0;
}

static int put_value(struct build *b, const struct yaml_item *item, struct hosts_node *n)
{
    struct hosts_node *into = b->open;

    if (!into) {
        b->t->root = n;
        return 0;
    }
    if (into->kind == YAML_KIND_MAP && into->count % 2 == 0 && n->kind != YAML_KIND_SCALAR)
        return fail_at(b, item->mark, "a list or map cannot be a key");
    return node_add(b, into, n);
}

static int add_item(struct build *b, const struct yaml_item *item)
{
    struct hosts_node *n = NULL;
    int r;

    if (item->kind == YAML_KIND_CLOSE) {
        n = b->open;
        assert(n); /* the reader closes only what it opened */
        b->open = n->up;
        n->up = NULL;
        n->open = false;
        return n->kind == YAML_KIND_MAP ? apply_merge_keys(b, n) : 0;
    }
    if (item->kind == YAML_KIND_ALIAS) {
        r = resolve_alias(b, item, &n);
        return r < 0 ? r : put_value(b, item, n);
    }
    r = make_node(b, item, &n);
    if (r == 0)
        r = put_value(b, item, n);
    if (r == 0 && item->anchor)
        r = keep_anchor(b, item, n);
    if (r == 0 && n->open) {
        n->up = b->open;
        b->open = n;
    }
    return r;
}

int hosts_source_read_yaml(struct hosts_source *s, const void *data, size_t size, struct error *err)
{
    struct build b = {.t = s, .err = err};
    struct yaml_item item;
    int r = yaml_reader_open_memory(&s->y, s->name, data, size, err);

    if (r < 0)
        return r;
    b.y = s->y;
    yaml_reader_secret(s->y);
    for (;;) {
        r = yaml_reader_next(s->y, &item, err);
        if (r < 0)
            return r;
        if (item.kind == YAML_KIND_END)
            return 0;
        r = add_item(&b, &item);
        if (r < 0)
            return r;
    }
}
