#include "tree.h"

#include <errno.h>
#include <string.h>

enum { BLOCK_SIZE = 64 << 10 };

struct tree_block {
    struct tree_block *next;
    size_t used, size;
    _Alignas(max_align_t) char bytes[];
};

enum level { LEVEL_NONE, LEVEL_NAMES, LEVEL_FULL };

/* A collection that is being read. */
struct frame {
    struct tree_node *node; /* NULL: nothing of it is kept */
    enum yaml_kind kind;
    enum level level;
    bool at_value;     /* a key has been read, its value comes next */
    bool merging;      /* that value is merged; of a list: its items are */
    enum level wanted; /* of that value */
    struct tree_entry *entry;
};

struct build {
    struct yaml_reader *y;
    struct problem_tree *t;
    struct error *err;
    struct text scratch;
    struct frame frames[YAML_DEPTH_MAX];
    size_t depth;
};

void problem_tree_clear(struct problem_tree *t)
{
    for (struct tree_block *next; t->blocks; t->blocks = next) {
        next = t->blocks->next;
        free(t->blocks);
    }
    yaml_anchors_clear(&t->anchors);
    *t = (struct problem_tree){0};
}

/* Allocates zeroed memory that lives as long as the tree. */
static void *tree_alloc(struct build *b, size_t size)
{
    struct problem_tree *t = b->t;
    struct tree_block *block = t->blocks;
    char *p;

    size = (size + _Alignof(max_align_t) - 1) & ~(_Alignof(max_align_t) - 1);
    if (!block || block->size - block->used < size) {
        size_t room = size > BLOCK_SIZE ? size : BLOCK_SIZE;

        block = malloc(sizeof(*block) + room);
        if (!block)
            return NULL;
        *block = (struct tree_block){.next = t->blocks, .size = room};
        t->blocks = block;
        t->size += room;
    }
    p = block->bytes + block->used;
    block->used += size;
    memset(p, 0, size);
    return p;
}

static int no_memory(struct build *b)
{
    return error_sys(b->err, -ENOMEM, "cannot read the problem");
}

static int check_size(struct build *b, const struct yaml_item *item)
{
    if (b->t->size + b->t->anchors.size <= PROBLEM_TREE_MAX)
        return 0;
    return yaml_reader_fail(b->y, item->mark, b->err, "more than %d MiB of names and anchors",
                            PROBLEM_TREE_MAX >> 20);
}

static int keep_scalar(struct build *b, const struct yaml_item *item, enum yaml_type type,
                       struct tree_scalar *ret)
{
    size_t key_size, extra;
    char *p;

    /* A string's key is "s" and itself: one copy serves both. */
    text_reset(&b->scratch);
    if (type == YAML_TYPE_STRING || type == YAML_TYPE_VALUE) {
        key_size = item->size + 1;
        extra = 0;
    } else {
        yaml_add_key(&b->scratch, type, item->text, item->size);
        key_size = b->scratch.size;
        extra = item->size + 1;
    }
    p = text_error(&b->scratch) < 0 ? NULL : tree_alloc(b, key_size + extra + 1);
    if (!p)
        return no_memory(b);
    if (extra == 0)
        *p = 's';
    else
        memcpy(p, text_str(&b->scratch), key_size);
    *ret = (struct tree_scalar){.key = p,
                                .key_size = (uint32_t)key_size,
                                .text = extra ? p + key_size : p + 1,
                                .text_size = (uint32_t)item->size,
                                .type = type};
    memcpy(p + (extra ? key_size : 1), item->text, item->size);
    return check_size(b, item);
}

static struct tree_node *make_node(struct build *b, const struct yaml_item *item)
{
    struct tree_node *node = tree_alloc(b, sizeof(*node));

    if (!node)
        return NULL;
    node->kind = item->kind;
    node->mark = item->mark;
    node->only_maps = item->kind == YAML_KIND_LIST;
    node->tuple = yaml_is_tuple(item);
    node->other = yaml_is_other(item);
    return node;
}

static void append_entry(struct tree_entries *list, struct tree_entry *entry)
{
    entry->prev = list->last;
    if (list->last)
        list->last->next = entry;
    else
        list->first = entry;
    list->last = entry;
}

static struct tree_entry *add_entry(struct build *b, struct frame *f, const struct yaml_item *item,
                                    const struct tree_scalar *scalar, bool merge)
{
    struct tree_entry *entry = tree_alloc(b, sizeof(*entry));

    if (!entry)
        return NULL;
    entry->owner = f->node;
    entry->mark = item->mark;
    if (scalar)
        entry->scalar = *scalar;
    append_entry(merge ? &f->node->merges : &f->node->entries, entry);
    return entry;
}

static struct frame *top_frame(struct build *b)
{
    return b->depth > 0 ? &b->frames[b->depth - 1] : NULL;
}

static bool is_key(const struct frame *f)
{
    return f && f->kind == YAML_KIND_MAP && !f->at_value;
}

/* How much to keep of a node that begins here. */
static enum level level_of(const struct frame *f, const struct yaml_item *item)
{
    if (!f || item->anchor)
        return LEVEL_FULL;
    if (f->kind == YAML_KIND_MAP)
        return f->at_value ? f->wanted : LEVEL_NONE;
    /* A list matters for its names, or because it lists maps to merge. */
    return item->kind == YAML_KIND_LIST ? LEVEL_NONE : f->level;
}

static int name_anchor(struct build *b, const struct yaml_item *item, struct tree_node *node)
{
    int r = item->anchor ? yaml_anchors_add(&b->t->anchors, b->y, item, node, b->err) : 0;

    if (r == -ENOMEM)
        return no_memory(b);
    return r < 0 ? r : check_size(b, item);
}

static int fail_scalar(struct build *b, const struct yaml_item *item, const char *why)
{
    CLEANUP_TEXT struct text shown = TEXT_INIT;

    if (item->tag) {
        yaml_add_tag(&shown, item->tag);
        text_adds(&shown, item->size > 0 ? " " : " without a value");
    }
    text_add_shown(&shown, item->text);
    return yaml_reader_fail(b->y, item->mark, b->err, "%s %s", text_str(&shown), why);
}

static int fail_collection(struct build *b, const struct yaml_item *item, const char *why)
{
    CLEANUP_TEXT struct text shown = TEXT_INIT;

    yaml_add_tag(&shown, item->tag);
    return yaml_reader_fail(b->y, item->mark, b->err, "this %s (%s) %s",
                            item->kind == YAML_KIND_LIST ? "list" : "map", text_str(&shown), why);
}

static bool key_is(const struct tree_scalar *s, const char *name)
{
    size_t n = strlen(name);

    return s->type == YAML_TYPE_STRING && s->text_size == n && memcmp(s->text, name, n) == 0;
}

/* A key has been read; `scalar` is NULL where it is not kept. */
static int take_key(struct build *b, struct frame *f, const struct yaml_item *item,
                    enum yaml_type type, const struct tree_scalar *scalar)
{
    f->at_value = true;
    f->merging = type == YAML_TYPE_MERGE;
    f->wanted = LEVEL_NONE;
    f->entry = NULL;
    if (!f->node)
        return 0;
    f->entry = add_entry(b, f, item, scalar, f->merging);
    if (!f->entry)
        return no_memory(b);
    if (f->merging)
        f->wanted = f->level;
    else if (f->level == LEVEL_FULL && scalar &&
             (key_is(scalar, "agents") || key_is(scalar, "variables") || key_is(scalar, "name") ||
              key_is(scalar, "objective")))
        f->wanted = LEVEL_NAMES;
    return check_size(b, item);
}

static int fail_merge(struct build *b, const struct yaml_item *item)
{
    return yaml_reader_fail(b->y, item->mark, b->err,
                            "\"<<\" can merge a map or a list of maps, nothing else");
}

/* Bounds the recursion of all later walks through what is merged. */
static int raise_height(struct build *b, const struct frame *f, struct yaml_mark at,
                        const struct tree_node *node)
{
    unsigned height;

    if (!f || !f->node || !node || (f->kind == YAML_KIND_MAP && !f->merging))
        return 0;
    height = node->height + (f->kind == YAML_KIND_MAP);
    if (f->node->height < height)
        f->node->height = height;
    if (f->node->height <= PROBLEM_MERGES_MAX)
        return 0;
    return yaml_reader_fail(b->y, at, b->err, "more than %d nested merges", PROBLEM_MERGES_MAX);
}

/* A value or an item begins, or an alias is one.  `node` is what is kept. */
static int take_node(struct build *b, struct frame *f, const struct yaml_item *item,
                     const struct tree_scalar *scalar, struct tree_node *node)
{
    if (!f) {
        b->t->root = node;
        return 0;
    }
    if (f->kind == YAML_KIND_MAP) {
        if (f->entry)
            f->entry->value = node;
        f->at_value = false;
        return 0;
    }
    if (!f->node)
        return 0;
    f->entry = add_entry(b, f, item, scalar, false);
    if (!f->entry)
        return no_memory(b);
    f->entry->value = node;
    return check_size(b, item);
}

static int on_scalar(struct build *b, const struct yaml_item *item)
{
    struct frame *f = top_frame(b);
    enum level level = level_of(f, item);
    struct tree_node *node = NULL;
    struct tree_scalar scalar = {0};
    enum yaml_type type;
    const char *why = yaml_scalar_type(item, &type);
    bool keep = level != LEVEL_NONE || (is_key(f) && f->node);
    int r = 0;

    if (why)
        return fail_scalar(b, item, why);
    if (!is_key(f)) {
        if (f && f->merging)
            return fail_merge(b, item);
        if (type == YAML_TYPE_MERGE || type == YAML_TYPE_VALUE)
            return fail_scalar(b, item, "has a special meaning in YAML here; quote it");
        if (f && f->node && f->kind == YAML_KIND_LIST)
            f->node->only_maps = false;
    }
    if (keep)
        r = keep_scalar(b, item, type, &scalar);
    if (r == 0 && level != LEVEL_NONE) {
        node = make_node(b, item);
        if (!node)
            return no_memory(b);
        node->scalar = scalar;
        r = name_anchor(b, item, node);
    }
    if (r < 0)
        return r;
    if (is_key(f))
        return take_key(b, f, item, type, keep ? &scalar : NULL);
    return take_node(b, f, item, keep ? &scalar : NULL, node);
}

static int on_alias(struct build *b, const struct yaml_item *item)
{
    struct frame *f = top_frame(b);
    struct tree_node *node = yaml_anchors_find(&b->t->anchors, b->y, item, b->err);
    bool scalar;

    if (!node)
        return -EBADMSG;
    scalar = node->kind == YAML_KIND_SCALAR;
    if (is_key(f)) {
        if (!scalar && (!node->tuple || node->open))
            return yaml_reader_fail(b->y, item->mark, b->err, "a list or map cannot be a key");
        return take_key(b, f, item, scalar ? node->scalar.type : YAML_TYPE_OTHER,
                        scalar ? &node->scalar : NULL);
    }
    if (f && f->merging) {
        if (node->open)
            return yaml_reader_fail(b->y, item->mark, b->err, "*%s is merged into itself",
                                    item->anchor);
        if (node->kind != YAML_KIND_MAP && (f->kind == YAML_KIND_LIST || !node->only_maps))
            return fail_merge(b, item);
    }
    if (f && f->node && f->kind == YAML_KIND_LIST && node->kind != YAML_KIND_MAP)
        f->node->only_maps = false;
    if (!node->open && raise_height(b, f, item->mark, node) < 0)
        return -EBADMSG;
    return take_node(b, f, item, scalar ? &node->scalar : NULL, node);
}

static int on_collection(struct build *b, const struct yaml_item *item)
{
    struct frame *f = top_frame(b);
    struct frame next = {.kind = item->kind, .level = level_of(f, item)};
    const char *why = yaml_collection_check(item);
    int r = 0;

    if (why)
        return fail_collection(b, item, why);
    if (is_key(f) && !yaml_is_tuple(item))
        return yaml_reader_fail(b->y, item->mark, b->err, "a list or map cannot be a key");
    if (f && !is_key(f) && f->merging) {
        if (f->kind == YAML_KIND_LIST && item->kind == YAML_KIND_LIST)
            return fail_merge(b, item);
        next.merging = item->kind == YAML_KIND_LIST;
    }
    if (f && f->node && f->kind == YAML_KIND_LIST && item->kind == YAML_KIND_LIST)
        f->node->only_maps = false;
    if (next.level != LEVEL_NONE) {
        next.node = make_node(b, item);
        if (!next.node)
            return no_memory(b);
        next.node->open = true;
        r = name_anchor(b, item, next.node);
    }
    if (r == 0)
        r = is_key(f) ? take_key(b, f, item, YAML_TYPE_OTHER, NULL)
                      : take_node(b, f, item, NULL, next.node);
    /* yaml_reader_next bounds the depth. */
    b->frames[b->depth++] = next;
    return r;
}

static int on_close(struct build *b, const struct yaml_item *item)
{
    struct tree_node *node = top_frame(b)->node;

    b->depth--;
    if (!node)
        return 0;
    node->open = false;
    return raise_height(b, top_frame(b), item->mark, node);
}

static int on_item(struct build *b, const struct yaml_item *item)
{
    switch (item->kind) {
    case YAML_KIND_SCALAR:
        return on_scalar(b, item);
    case YAML_KIND_ALIAS:
        return on_alias(b, item);
    case YAML_KIND_LIST:
    case YAML_KIND_MAP:
        return on_collection(b, item);
    case YAML_KIND_CLOSE:
        return on_close(b, item);
    case YAML_KIND_END:
        return 0;
    }
    return 0;
}

int problem_tree_read(struct yaml_reader *y, struct problem_tree *ret, struct error *err)
{
    struct problem_tree t = {0};
    struct build b = {.y = y, .t = &t, .err = err};
    struct yaml_item item = {.kind = YAML_KIND_SCALAR};
    int r = 0;

    while (r == 0 && item.kind != YAML_KIND_END) {
        r = yaml_reader_next(y, &item, err);
        if (r == 0)
            r = on_item(&b, &item);
    }
    text_clear(&b.scratch);
    if (r < 0) {
        problem_tree_clear(&t);
        return r;
    }
    *ret = t;
    return 0;
}
