/*
 * The anchors of one document: finds by name what a reader has made of the node.
 * An anchor that is given twice, and an alias without an earlier anchor, are
 * errors with their place.
 *
 * A value: start with {0}, yaml_anchors_clear.  One thread at a time.
 */
#pragma once

#include <stddef.h>

#include "discovery/base/error.h"
#include "discovery/base/keyset.h"
#include "reader.h"

struct yaml_anchor;

struct yaml_anchors {
    struct keyset by_name;
    struct yaml_anchor *last;
    size_t size; /* bytes of names and places, which count for the reader's bound */
};

void yaml_anchors_clear(struct yaml_anchors *a);

/* Keeps `node`, which is borrowed, under the item's anchor.  -EBADMSG when the
 * anchor is given twice; -ENOMEM with `err` untouched. */
int yaml_anchors_add(struct yaml_anchors *a, const struct yaml_reader *y,
                     const struct yaml_item *item, void *node, struct error *err);

/* The node that the alias names; NULL, with `err` set, when there is none. */
void *yaml_anchors_find(const struct yaml_anchors *a, const struct yaml_reader *y,
                        const struct yaml_item *item, struct error *err);
