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
    HOSTS_AGENT_ADDRESS,
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

enum { HOSTS_VARIABLES = 21 };

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

/* A file's bytes, in one buffer that is never reallocated, so that all of it can be wiped. */
struct hosts_content {
    char *data; /* also for an empty file */
    size_t size;
};

void hosts_content_clear(struct hosts_content *c);
/* "-" is standard input.  -EFBIG, -ENOMEM, or an error of open(2) or read(2). */
int hosts_content_read(const char *path, struct hosts_content *ret, struct error *err);
/* What is not YAML, with clearer messages than the YAML parser's. */
int hosts_content_check(const char *name, const struct hosts_content *c, struct error *err);

/* Folders with group_vars and host_vars: the inventory's, and the one that the program runs in,
 * which counts more. */
enum { HOSTS_FOLDERS = 2 };

/* A set of groups, by their index. */
struct hosts_groups {
    uint64_t words[HOSTS_GROUPS_MAX / 64];
};

static inline bool hosts_groups_has(const struct hosts_groups *s, size_t group)
{
    return s->words[group / 64] >> group % 64 & 1;
}

static inline void hosts_groups_add(struct hosts_groups *s, size_t group)
{
    s->words[group / 64] |= UINT64_C(1) << group % 64;
}

static inline void hosts_groups_join(struct hosts_groups *to, const struct hosts_groups *from)
{
    for (size_t i = 0; i < sizeof(to->words) / sizeof(*to->words); i++)
        to->words[i] |= from->words[i];
}

struct hosts_group {
    const char *name;            /* borrowed from a node, or "all" */
    const struct hosts_node *at; /* where it is first named; NULL: nowhere */
    long priority;
    unsigned depth; /* of the longest path from `all` */
    struct hosts_vars vars;
    struct hosts_vars files[HOSTS_FOLDERS]; /* from group_vars */
    bool used;                              /* a host is in it */
    struct hosts_groups parents; /* direct ones; all ancestors after hosts_inventory_fill */
};

struct hosts_line {
    char *name;
    const struct hosts_node *at;
    uint16_t port; /* after the name; 0: none */
    struct hosts_vars vars;
    struct hosts_vars files[HOSTS_FOLDERS]; /* from host_vars */
    struct hosts_groups groups;             /* in itself; all ancestors, too, after _fill */
};

struct hosts_inventory {
    struct hosts_source
        *sources;      /* the files that nodes come from; the last one is the inventory */
    struct error *err; /* borrowed */
    const struct strings *folders; /* HOSTS_FOLDERS at most; borrowed; NULL: none */
    size_t n_files, files_size;    /* read from them */
    struct hosts_group *groups;    /* the first is `all`, the second `ungrouped` */
    size_t n_groups;
    uint8_t order[HOSTS_GROUPS_MAX]; /* indices of groups; later ones' variables override */
    struct hosts_line *lines;
    bool exact;               /* hosts' names are no patterns */
    size_t n_lines, n_names;  /* names: of hosts, as often as they are written */
    size_t visits;            /* groups read, including those that aliases repeat */
    struct keyset by_name;    /* a line's name to its index + 1 */
    struct strings unused;    /* keys that have a warning already */
    struct strings *warnings; /* borrowed */
};

/* Reads an inventory in INI, or a list of hosts, one a line: the source's root becomes what YAML
 * would have said.  -EBADMSG with "FILE:LINE:COLUMN: " and the reason, -ENOMEM. */
int hosts_source_read_ini(struct hosts_source *s, const void *data, size_t size, struct error *err);

/* Is this such a file?  By its first line, which in a map of YAML names a key. */
bool hosts_looks_like_ini(const char *data, size_t size);

/* "HOST,HOST,…" as Ansible's -i takes it. */
int hosts_source_read_list(struct hosts_source *s, const char *list, struct error *err);

/* Asks `ansible-inventory`.  -ENOENT: it is not installed; -EBADMSG with its own words. */
int hosts_source_read_by_ansible(struct hosts_source *s, const char *path, struct strings *warnings,
                                 struct error *err);

void hosts_inventory_clear(struct hosts_inventory *v);

/* Reads groups and hosts from the file's top level, then computes the depth and
 * the ancestors of each group, and each host's groups. */
int hosts_inventory_fill(struct hosts_inventory *v, const struct hosts_node *root);

/* Reads group_vars and host_vars of the groups and hosts from v->folders. */
int hosts_inventory_read_files(struct hosts_inventory *v);

/* Takes a variable from a file in group_vars or host_vars.  Unlike in an inventory, there is no
 * warning of variables that only a playbook could use. */
int hosts_read_file_var(struct hosts_inventory *v, const struct hosts_node *key,
                        const struct hosts_node *value, struct hosts_vars *to);

/* A host's variables, merged with those of its groups. */
void hosts_inventory_vars(const struct hosts_inventory *v, const struct hosts_line *line,
                          struct hosts_vars *ret);

/* Adds "FILE:LINE: " and the message to the warnings, up to HOSTS_WARNINGS_MAX. */
int hosts_warn(struct hosts_inventory *v, const struct hosts_node *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Makes machines from the hosts. */
int hosts_build(struct hosts_inventory *v, struct hosts *ret);
