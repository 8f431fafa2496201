/*
 * The names in a problem file: its nodes as PyYAML composes them, but only those
 * that can contain agents and variables.  Constraints are checked and dropped.
 *
 * Kept are, level FULL: the top level and whatever has an anchor (it may be
 * merged into the top level, or be the agents); level NAMES: the values of
 * `agents` and `variables`.  Of a map at either level the keys are kept; the
 * values only of `<<`, and at FULL of `name`, `agents` and `variables`; of a
 * list the items.  So each key and item of the file is kept at most once, within
 * the bound PROBLEM_TREE_MAX.
 *
 * All nodes live as long as the tree.  Not for concurrent use.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "discovery/base/error.h"
#include "discovery/yaml/anchors.h"
#include "discovery/yaml/reader.h"
#include "discovery/yaml/types.h"

enum {
    PROBLEM_TREE_MAX = 256 << 20, /* bytes of what is kept */
    PROBLEM_MERGES_MAX = 64       /* maps merged into maps merged into maps … */
};

/* A scalar: the bytes of yaml_add_key, and how it is written. */
struct tree_scalar {
    const char *key;  /* NULL: this is not a scalar */
    const char *text; /* NUL-terminated */
    uint32_t key_size, text_size;
    enum yaml_type type;
};

struct tree_node;

/* A pair of a map, an item of a list, or a `<<` of a map. */
struct tree_entry {
    struct tree_entry *next, *prev;
    struct tree_scalar scalar;     /* the key, or the item */
    const struct tree_node *owner; /* the map or list it stands in */
    struct tree_node *value;       /* what is kept of it, else NULL */
    struct yaml_mark mark;
};

struct tree_entries {
    struct tree_entry *first, *last;
};

struct tree_node {
    enum yaml_kind kind; /* SCALAR, LIST or MAP */
    struct yaml_mark mark;
    struct tree_scalar scalar;
    struct tree_entries entries; /* pairs or items */
    struct tree_entries merges;  /* of a map */
    unsigned visit;              /* for walks: the last walk that came here */
    unsigned height;             /* how deep what it merges, or lists, is merged */
    bool open;                   /* its end has not been read yet */
    bool only_maps;              /* of a list: can be merged */
    bool tuple;
    bool other; /* a set, !!omap or !!pairs: not a dict or list in Python */
};

struct tree_block;

struct problem_tree {
    struct tree_block *blocks;
    size_t size;
    struct yaml_anchors anchors; /* of struct tree_node */
    struct tree_node *root;      /* NULL: nothing in the file */
};

void problem_tree_clear(struct problem_tree *t);

/* Reads to the end.  Refuses what PyYAML refuses, and merging an alias to a
 * node that contains it. */
int problem_tree_read(struct yaml_reader *y, struct problem_tree *ret, struct error *err);
