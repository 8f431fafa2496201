/*
 * An inventory file as a bounded tree of YAML nodes.  Aliases are resolved, `<<`
 * is merged as PyYAML does, duplicate keys are errors.  All nodes live as long as
 * the tree; with aliases, a node may be in several places of it.  The nodes'
 * texts are wiped with the tree, because some are passwords.
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
    HOSTS_NODES_MAX = 200000, /* including merged ones, each time they are merged */
    HOSTS_ANCHORS_MAX = 1000,
};

struct hosts_node {
    enum yaml_kind kind; /* SCALAR, LIST or MAP */
    struct yaml_mark mark;
    enum yaml_type type; /* of a scalar */
    bool unsafe;         /* !unsafe: Ansible evaluates no templates in it */
    bool vault;          /* !vault: encrypted */
    bool open;           /* its end has not been read */
    char *text;          /* of a scalar, NUL-terminated, may hold NULs */
    size_t size;
    struct hosts_node **items; /* of a list; of a map: key, value, key, value … */
    size_t count;
    struct hosts_node *up;   /* while it is open: the list or map that it is in */
    struct hosts_node *next; /* in the list of all nodes */
};

struct hosts_tree {
    struct hosts_node *nodes;
    struct hosts_node *root;     /* NULL: nothing in the file */
    struct yaml_anchors anchors; /* of struct hosts_node */
    size_t n_nodes;
};

void hosts_tree_clear(struct hosts_tree *t);

/* Reads the whole file.  -EBADMSG with "FILE:LINE:COLUMN: " and the reason, -ENOMEM. */
int hosts_tree_read(struct yaml_reader *y, struct hosts_tree *ret, struct error *err);

/* The value of a string key of a map; NULL: there is none. */
const struct hosts_node *hosts_node_get(const struct hosts_node *map, const char *key);

/* A scalar that is null. */
bool hosts_node_is_null(const struct hosts_node *n);
