/*
 * What one file says, as a bounded tree of YAML nodes; other formats become the
 * same nodes.  In YAML, aliases are resolved, `<<` is merged as PyYAML does,
 * duplicate keys are errors.  All nodes live as long as their source; with aliases,
 * a node may be in several places of the tree.  The nodes' texts are wiped with it,
 * because some are passwords.
 *
 * One thread at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "discovery/base/error.h"
#include "discovery/base/text.h"
#include "discovery/yaml/anchors.h"
#include "discovery/yaml/reader.h"
#include "discovery/yaml/types.h"

enum {
    HOSTS_NODES_MAX = 200000, /* including merged ones, each time they are merged */
    HOSTS_ANCHORS_MAX = 1000,
};

struct hosts_source;

struct hosts_node {
    const struct hosts_source *from;
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

/* A file, and the nodes that were read from it. */
struct hosts_source {
    char *name;            /* for messages */
    struct yaml_reader *y; /* that of a YAML file, for places; NULL: another format */
    bool lines;            /* without y: marks have lines and columns */
    struct hosts_node *nodes;
    struct hosts_node *root;     /* NULL: nothing in the file */
    struct yaml_anchors anchors; /* of struct hosts_node */
    size_t n_nodes;
    struct hosts_source *next;
};

/* -ENOMEM. */
int hosts_source_new(const char *name, struct hosts_source **ret, struct error *err);
void hosts_source_free(struct hosts_source *s);
DEFINE_CLEANUP(struct hosts_source *, hosts_source_free);
#define CLEANUP_HOSTS_SOURCE CLEANUP(hosts_source_free_p)

/* Reads a whole YAML file.  -EBADMSG with "FILE:LINE:COLUMN: " and the reason, -ENOMEM. */
int hosts_source_read_yaml(struct hosts_source *s, const void *data, size_t size,
                           struct error *err);

/* Adds a node that is in no list or map yet; a scalar is a string, its text copied.  NULL:
 * out of memory. */
struct hosts_node *hosts_node_new(struct hosts_source *s, enum yaml_kind kind,
                                  struct yaml_mark mark, const char *text, size_t size);
/* Adds to a list or map.  -ENOMEM. */
int hosts_node_append(struct hosts_node *to, struct hosts_node *item);

/* Appends "FILE:LINE:COLUMN", or what is known of it. */
void hosts_node_place(const struct hosts_node *n, struct text *ret);

/* Stores the node's place, ": " and the message; returns -EBADMSG. */
int hosts_node_fail(const struct hosts_node *n, struct error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The value of a string key of a map; NULL: there is none. */
const struct hosts_node *hosts_node_get(const struct hosts_node *map, const char *key);

/* A scalar that is null. */
bool hosts_node_is_null(const struct hosts_node *n);
