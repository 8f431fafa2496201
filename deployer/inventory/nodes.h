/*
 * An inventory file as a tree of YAML nodes, bounded: anchors resolved, `<<`
 * merged as PyYAML does, doubled keys refused.  Nodes, also those that an
 * alias names twice, live as long as the tree; their texts are wiped with it,
 * because some are passwords.
 *
 * One thread at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "discovery/base/error.h"
#include "discovery/yaml/anchors.h"
#include "discovery/yaml/reader.h"
#include "discovery/yaml/types.h"

enum {
    HOSTS_NODES_MAX = 200000, /* with those that are merged, each time */
    HOSTS_ANCHORS_MAX = 1000,
};

struct hosts_node {
    enum yaml_kind kind; /* SCALAR, LIST or MAP */
    struct yaml_mark mark;
    enum yaml_type type; /* of a scalar */
    bool unsafe;         /* !unsafe: Ansible takes it literally, templates and all */
    bool vault;          /* !vault: encrypted */
    bool open;           /* its end has not been read */
    char *text;          /* of a scalar, NUL-terminated, may hold NULs */
    size_t size;
    struct hosts_node **items; /* of a list; of a map: key, value, key, value … */
    size_t count;
    struct hosts_node *up;   /* while it is open: the list or map that it is in */
    struct hosts_node *next; /* all nodes, for the tree */
};

struct hosts_tree {
    struct hosts_node *nodes;
    struct hosts_node *root;     /* NULL: nothing in the file */
    struct yaml_anchors anchors; /* of struct hosts_node */
    size_t n_nodes;
};

void hosts_tree_clear(struct hosts_tree *t);

/* Reads to the end.  -EBADMSG with place and words, -ENOMEM. */
int hosts_tree_read(struct yaml_reader *y, struct hosts_tree *ret, struct error *err);

/* The value of a string key of a map; NULL: there is none. */
const struct hosts_node *hosts_node_get(const struct hosts_node *map, const char *key);

/* A scalar that is null. */
bool hosts_node_is_null(const struct hosts_node *n);
