/*
 * Shared by the files of the inventory reader: the variables that are used, and
 * the groups and hosts before they become machines.  Private to
 * deployer/inventory/.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "discovery/base/keyset.h"
#include "hosts.h"
#include "nodes.h"

/* What a variable sets. */
enum hosts_field {
    HOSTS_ADDRESS,
    HOSTS_PORT,
    HOSTS_USER,
    HOSTS_PASSWORD,
    HOSTS_BECOME_PASSWORD,
    HOSTS_KEY,
    HOSTS_CONNECTION,
    HOSTS_AGENT,
    HOSTS_AGENTS,
    HOSTS_CACHES,
    HOSTS_APT_PORT,
    HOSTS_PIP_PORT,
};

enum { HOSTS_VARIABLES = 20 };

/* Values by variable; borrowed from the tree; NULL: not given. */
struct hosts_vars {
    const struct hosts_node *values[HOSTS_VARIABLES];
};

/* A variable's index in hosts_vars, -1 for one that is not used. */
int hosts_variable(const char *key);

/* The value of a field and the name of its variable.  Of several variables for
 * the field, the one that Ansible's ssh plugin uses; nulls are ignored.  NULL:
 * none. */
const struct hosts_node *hosts_vars_get(const struct hosts_vars *v, enum hosts_field field,
                                        const char **ret_name);

/* Copies the values of `from` into `to`, where they replace others. */
void hosts_vars_merge(struct hosts_vars *to, const struct hosts_vars *from);

/* Why the variable is not used, as " (…)"; "" without a reason to show; NULL when
 * no warning is needed. */
const char *hosts_unused_why(const char *key, const struct hosts_node *value);

/* Does the text contain a Jinja template? */
bool hosts_is_template(const char *text);

struct hosts_group {
    const char *name; /* borrowed from the tree, or "all" */
    struct yaml_mark mark;
    long priority;
    unsigned depth; /* of the longest path from `all` */
    struct hosts_vars vars;
    bool parents[HOSTS_GROUPS_MAX]; /* direct ones; all ancestors after hosts_inventory_fill */
};

struct hosts_line {
    char *name;
    struct yaml_mark mark;
    uint16_t port; /* after the name; 0: none */
    struct hosts_vars vars;
    bool groups[HOSTS_GROUPS_MAX];
};

struct hosts_inventory {
    struct yaml_reader *y; /* for places in messages; borrowed, as is err */
    struct error *err;
    struct hosts_group *groups; /* the first is `all` */
    size_t n_groups;
    struct hosts_line *lines;
    size_t n_lines, visits;   /* visits: groups read, including those that aliases repeat */
    struct keyset by_name;    /* a line's name to its index + 1 */
    struct strings unused;    /* keys that have a warning already */
    struct strings *warnings; /* borrowed */
};

void hosts_inventory_clear(struct hosts_inventory *v);

/* Reads groups and hosts from the file's top level, then computes the depth and
 * the ancestors of each group. */
int hosts_inventory_fill(struct hosts_inventory *v, const struct hosts_node *root);

/* A host's variables, merged with those of its groups. */
void hosts_inventory_vars(const struct hosts_inventory *v, const struct hosts_line *line,
                          struct hosts_vars *ret);

/* Adds "FILE:LINE: " and the message to the warnings, up to HOSTS_WARNINGS_MAX. */
int hosts_warn(struct hosts_inventory *v, struct yaml_mark at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Makes machines from the hosts. */
int hosts_build(struct hosts_inventory *v, struct hosts *ret);
