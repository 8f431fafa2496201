#include "anchors.h"

#include <errno.h>
#include <string.h>

struct yaml_anchor {
    struct yaml_anchor *previous;
    void *node;
    struct yaml_mark mark;
    char name[];
};

void yaml_anchors_clear(struct yaml_anchors *a)
{
    keyset_clear(&a->by_name);
    for (struct yaml_anchor *previous; a->last; a->last = previous) {
        previous = a->last->previous;
        free(a->last);
    }
    a->size = 0;
}

static int fail_twice(const struct yaml_reader *y, const struct yaml_item *item,
                      const struct yaml_anchor *first, struct error *err)
{
    CLEANUP_TEXT struct text place = TEXT_INIT;

    yaml_reader_place(y, first->mark, &place);
    return yaml_reader_fail(y, item->mark, err, "the anchor &%s is given twice, first at %s",
                            item->anchor, text_str(&place));
}

int yaml_anchors_add(struct yaml_anchors *a, const struct yaml_reader *y,
                     const struct yaml_item *item, void *node, struct error *err)
{
    size_t length = strlen(item->anchor);
    const struct yaml_anchor *first = keyset_find(&a->by_name, item->anchor, length);
    struct yaml_anchor *anchor;
    void **slot;

    if (first)
        return fail_twice(y, item, first, err);
    anchor = malloc(sizeof(*anchor) + length + 1);
    if (!anchor)
        return -ENOMEM;
    *anchor = (struct yaml_anchor){.previous = a->last, .node = node, .mark = item->mark};
    memcpy(anchor->name, item->anchor, length + 1);
    a->last = anchor;
    slot = keyset_slot(&a->by_name, anchor->name, length);
    if (!slot)
        return -ENOMEM;
    *slot = anchor;
    a->size += sizeof(*anchor) + length + 1;
    return 0;
}

void *yaml_anchors_find(const struct yaml_anchors *a, const struct yaml_reader *y,
                        const struct yaml_item *item, struct error *err)
{
    const struct yaml_anchor *anchor = keyset_find(&a->by_name, item->anchor, strlen(item->anchor));

    if (anchor)
        return anchor->node;
    (void)yaml_reader_fail(y, item->mark, err, "no anchor &%s is defined before this *%s",
                           item->anchor, item->anchor);
    return NULL;
}
