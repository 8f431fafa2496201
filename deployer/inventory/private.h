/*
 * What the parts of the inventory reader share: the variables that count, and
 * the groups and hosts before they become machines.  Private to
 * deployer/hosts*.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "discovery/base/keyset.h"
#include "hosts.h"
#include "nodes.h"

/* What a variable is for. */
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

/* A variable's number, -1 for one that is not used. */
int hosts_variable(const char *key);

/* The value that Ansible's ssh takes of those for a field, nulls aside, and
 * the variable's name; NULL: none. */
const struct hosts_node *hosts_vars_get(const struct hosts_vars *v, enum hosts_field field,
                                        const char **ret_name);

/* Those of `from` over those of `to`. */
void hosts_vars_merge(struct hosts_vars *to, const struct hosts_vars *from);

/* Why the variable is not used, as " (…)"; "" when there is no more to say;
 * NULL when it need not be told. */
const char *hosts_unused_why(const char *key, const struct hosts_node *value);

/* Would Jinja do something with it? */
bool hosts_is_template(const char *text);

struct hosts_group {
    const char *name; /* borrowed from the tree, or "all" */
    struct yaml_mark mark;
    long priority;
    unsigned depth; /* of the longest way from `all` */
    struct hosts_vars vars;
    bool parents[HOSTS_GROUPS_MAX]; /* all above it, once settled */
};

struct hosts_line {
    char *name;
    struct yaml_mark mark;
    uint16_t port; /* behind the name; 0: none */
    struct hosts_vars vars;
    bool groups[HOSTS_GROUPS_MAX];
};

struct hosts_inventory {
    struct yaml_reader *y; /* for places; borrowed, as is err */
    struct error *err;
    struct hosts_group *groups; /* the first is `all` */
    size_t n_groups;
    struct hosts_line *lines;
    size_t n_lines, visits;
    struct keyset by_name;    /* a line's name to its index + 1 */
    struct strings unused;    /* keys that were told */
    struct strings *warnings; /* borrowed */
};

void hosts_inventory_clear(struct hosts_inventory *v);

/* Fills groups and hosts from the file's top level, then sorts the groups in
 * the order in which their variables count. */
int hosts_inventory_fill(struct hosts_inventory *v, const struct hosts_node *root);

/* A host's variables, with those of its groups. */
void hosts_inventory_vars(const struct hosts_inventory *v, const struct hosts_line *line,
                          struct hosts_vars *ret);

/* Adds "FILE:LINE: " and the words to the warnings, up to HOSTS_WARNINGS_MAX. */
int hosts_warn(struct hosts_inventory *v, struct yaml_mark at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Makes the machines. */
int hosts_build(struct hosts_inventory *v, struct hosts *ret);
