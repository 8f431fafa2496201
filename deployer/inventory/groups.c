/* An inventory's groups and hosts, as Ansible reads them
 * (plugins/inventory/yaml.py, inventory/group.py, inventory/helpers.py). */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "name-range.h"
#include "private.h"

enum {
    VISITS_MAX = 100000,
    NAMES_MAX = 64 * HOSTS_MAX,
    GROUPS_DEPTH_MAX = 32,
    PRIORITY_MAX = 1000000
};

void hosts_inventory_clear(struct hosts_inventory *v)
{
    for (size_t i = 0; i < v->n_lines; i++)
        free(v->lines[i].name);
    free(v->lines);
    free(v->groups);
    keyset_clear(&v->by_name);
    strings_clear(&v->unused);
    for (struct hosts_source *next; v->sources; v->sources = next) {
        next = v->sources->next;
        hosts_source_free(v->sources);
    }
    *v = (struct hosts_inventory){0};
}

static int no_memory(struct hosts_inventory *v)
{
    return error_sys(v->err, -ENOMEM, "cannot read the inventory");
}

#define fail_at_node(v, at, ...) hosts_node_fail(at, (v)->err, __VA_ARGS__)

/* A copy that is safe to print; the caller frees it. */
static char *printable_copy(const char *text)
{
    CLEANUP_TEXT struct text t = TEXT_INIT;

    text_add_shown(&t, text);
    return text_take(&t);
}

int hosts_warn(struct hosts_inventory *v, const struct hosts_node *at, const char *format, ...)
{
    CLEANUP_TEXT struct text place = TEXT_INIT, line = TEXT_INIT;
    CLEANUP_FREE char *words = NULL;
    va_list args;
    int r;

    if (v->warnings->count == HOSTS_WARNINGS_MAX)
        return 0;
    hosts_node_place(at, &place);
    if (text_error(&place) < 0)
        return no_memory(v);
    if (at->from->y || at->from->lines)
        *strrchr(place.data, ':') = '\0'; /* the column */
    text_add_printable(&line, place.data);
    va_start(args, format);
    r = vasprintf(&words, format, args);
    va_end(args);
    if (r < 0) {
        words = NULL;
        return no_memory(v);
    }
    text_addf(&line, ": %s", words);
    if (text_error(&line) < 0 || strings_add(v->warnings, text_str(&line)) < 0)
        return no_memory(v);
    return 0;
}

/* A group's or host's name must be a string without control characters or templates. */
static int check_name(struct hosts_inventory *v, const struct hosts_node *n, const char *what)
{
    CLEANUP_FREE char *name = printable_copy(n->text);

    if (n->type != YAML_TYPE_STRING)
        return fail_at_node(v, n, "the %s's name %s is %s in YAML; quote it: \"%s\"", what, name,
                            yaml_type_words(n->type), name);
    if (n->size == 0)
        return fail_at_node(v, n, "the %s's name is empty", what);
    for (size_t i = 0; i < n->size; i++)
        if ((unsigned char)n->text[i] < ' ' || n->text[i] == 0x7f)
            return fail_at_node(v, n, "the %s's name \"%s\" holds a control character", what, name);
    if (hosts_is_template(n->text))
        return fail_at_node(v, n, "the %s's name \"%s\" is a template, which is not evaluated here",
                            what, name);
    return 0;
}

static int find_group(const struct hosts_inventory *v, const char *name)
{
    for (size_t i = 0; i < v->n_groups; i++)
        if (strcmp(v->groups[i].name, name) == 0)
            return (int)i;
    return -1;
}

static int add_group(struct hosts_inventory *v, const struct hosts_node *name, int *ret)
{
    int r = check_name(v, name, "group");

    *ret = find_group(v, name->text);
    if (r == 0 && *ret >= 0 && !v->groups[*ret].at)
        v->groups[*ret].at = name;
    if (r < 0 || *ret >= 0)
        return r;
    if (v->n_groups == HOSTS_GROUPS_MAX)
        return fail_at_node(v, name, "more than %d groups", HOSTS_GROUPS_MAX);
    *ret = (int)v->n_groups++;
    v->groups[*ret] = (struct hosts_group){.name = name->text, .at = name, .priority = 1};
    return 0;
}

/* Warns once for each key that is not used. */
static int warn_unused_key(struct hosts_inventory *v, const struct hosts_node *key,
                           const struct hosts_node *value)
{
    const char *why = hosts_unused_why(key->text, value);
    CLEANUP_FREE char *name = printable_copy(key->text);

    if (!name)
        return no_memory(v);
    if (!why || v->unused.count == HOSTS_WARNINGS_MAX || strings_has(&v->unused, name))
        return 0;
    if (strings_add(&v->unused, name) < 0)
        return no_memory(v);
    return hosts_warn(v, key, "%s is not used%s", name, why);
}

static int read_var(struct hosts_inventory *v, const struct hosts_node *key,
                    const struct hosts_node *value, struct hosts_vars *to)
{
    int i = key->type == YAML_TYPE_STRING ? hosts_variable(key->text) : -1;

    if (i < 0)
        return warn_unused_key(v, key, value);
    to->values[i] = value;
    return 0;
}

int hosts_read_file_var(struct hosts_inventory *v, const struct hosts_node *key,
                        const struct hosts_node *value, struct hosts_vars *to)
{
    const char *why = key->type == YAML_TYPE_STRING && hosts_variable(key->text) < 0
                          ? hosts_unused_why(key->text, value)
                          : NULL;

    if (why && !*why && strncmp(key->text, "ansible_", 8) != 0)
        return 0;
    return read_var(v, key, value, to);
}

static int read_priority(struct hosts_inventory *v, const struct hosts_node *value,
                         struct hosts_group *g)
{
    char *end;
    long priority;

    if (value->kind != YAML_KIND_SCALAR || value->size == 0)
        return fail_at_node(v, value, "ansible_group_priority must be a number");
    priority = strtol(value->text, &end, 10);
    if (*end || priority < -PRIORITY_MAX || priority > PRIORITY_MAX)
        return fail_at_node(v, value, "ansible_group_priority must be a number");
    g->priority = priority;
    return 0;
}

static int read_group_vars(struct hosts_inventory *v, const struct hosts_node *vars, size_t group)
{
    int r = 0;

    if (vars->kind != YAML_KIND_MAP)
        return fail_at_node(v, vars, "`vars` must be a map: NAME: VALUE");
    for (size_t i = 0; r == 0 && i < vars->count; i += 2) {
        const struct hosts_node *key = vars->items[i], *value = vars->items[i + 1];

        if (strcmp(key->text, "ansible_group_priority") == 0)
            r = read_priority(v, value, &v->groups[group]);
        else
            r = read_var(v, key, value, &v->groups[group].vars);
    }
    return r;
}

/* Finds the host of that name, or adds it. */
static int add_line(struct hosts_inventory *v, const struct hosts_node *at, const char *name,
                    uint16_t port, struct hosts_line **ret)
{
    void *there = keyset_find(&v->by_name, name, strlen(name));
    struct hosts_line *line;
    void **slot;

    if (there) {
        *ret = &v->lines[(uintptr_t)there - 1];
        return 0;
    }
    if (v->n_lines == HOSTS_MAX)
        return fail_at_node(v, at, "more than %d hosts", HOSTS_MAX);
    if ((v->n_lines & (v->n_lines - 1)) == 0) {
        line = reallocarray(v->lines, v->n_lines ? v->n_lines * 2 : 1, sizeof(*line));
        if (!line)
            return no_memory(v);
        v->lines = line;
    }
    line = &v->lines[v->n_lines];
    *line = (struct hosts_line){.name = strdup(name), .at = at, .port = port};
    slot = line->name ? keyset_slot(&v->by_name, line->name, strlen(line->name)) : NULL;
    if (!slot) {
        free(line->name);
        return no_memory(v);
    }
    *slot = (void *)(uintptr_t)(++v->n_lines);
    *ret = line;
    return 0;
}

static int read_host(struct hosts_inventory *v, const struct hosts_node *key,
                     const struct hosts_node *value, size_t group)
{
    CLEANUP_STRINGS struct strings names = {0};
    CLEANUP_FREE char *name = printable_copy(key->text);
    struct hosts_vars vars = {0};
    const char *what;
    uint16_t port;
    int r = check_name(v, key, "host");

    if (r < 0)
        return r;
    if (v->exact && strings_add(&names, key->text) < 0)
        return no_memory(v);
    port = 0;
    what = v->exact ? NULL : hosts_name_expand(key->text, &names, &port);
    if (what)
        return fail_at_node(v, key, "the host's name \"%s\" %s", name, what);
    v->n_names += names.count;
    if (v->n_names > NAMES_MAX)
        return fail_at_node(v, key, "hosts are named more than %d times up to here", NAMES_MAX);
    if (value && !hosts_node_is_null(value) && value->kind != YAML_KIND_MAP)
        return fail_at_node(v, value, "the value of the host \"%s\" must be a map: NAME: VALUE",
                            name);
    for (size_t i = 0; value && r == 0 && i < value->count; i += 2)
        r = read_var(v, value->items[i], value->items[i + 1], &vars);
    for (size_t i = 0; r == 0 && i < names.count; i++) {
        struct hosts_line *line = NULL;

        r = add_line(v, key, names.items[i], port, &line);
        if (r < 0)
            return r;
        hosts_groups_add(&line->groups, group);
        hosts_vars_merge(&line->vars, &vars);
    }
    return r;
}

static int read_group(struct hosts_inventory *v, const struct hosts_node *name,
                      const struct hosts_node *data, int parent, unsigned depth);

/* `hosts` or `children`: a map, or one name alone. */
static int read_members(struct hosts_inventory *v, const char *section,
                        const struct hosts_node *data, size_t group, unsigned depth)
{
    bool hosts = strcmp(section, "hosts") == 0;
    int r = 0;

    if (data->kind == YAML_KIND_SCALAR && data->type == YAML_TYPE_STRING)
        return hosts ? read_host(v, data, NULL, group)
                     : read_group(v, data, NULL, (int)group, depth + 1);
    if (data->kind != YAML_KIND_MAP)
        return fail_at_node(v, data, "`%s` must be a map: write \"NAME:\"%s", section,
                            data->kind == YAML_KIND_LIST ? ", not \"- NAME\"" : "");
    for (size_t i = 0; r == 0 && i < data->count; i += 2)
        r = hosts ? read_host(v, data->items[i], data->items[i + 1], group)
                  : read_group(v, data->items[i], data->items[i + 1], (int)group, depth + 1);
    return r;
}

static int read_section(struct hosts_inventory *v, const struct hosts_node *key,
                        const struct hosts_node *value, size_t group, unsigned depth)
{
    CLEANUP_FREE char *name = printable_copy(key->text);
    bool members = strcmp(key->text, "hosts") == 0 || strcmp(key->text, "children") == 0;

    if (members || strcmp(key->text, "vars") == 0) {
        if (hosts_node_is_null(value))
            return 0;
        return members ? read_members(v, key->text, value, group, depth)
                       : read_group_vars(v, value, group);
    }
    if (!name)
        return no_memory(v);
    if (strings_has(&v->unused, name) || v->unused.count == HOSTS_WARNINGS_MAX)
        return 0;
    if (strings_add(&v->unused, name) < 0)
        return no_memory(v);
    return hosts_warn(
        v, key, "%s is not used (in a group there can be `hosts`, `children` and `vars`)", name);
}

/* GROUPS_DEPTH_MAX bounds the recursion, VISITS_MAX the groups that aliases repeat. */
static int read_group(struct hosts_inventory *v, const struct hosts_node *name,
                      const struct hosts_node *data, int parent, unsigned depth)
{
    CLEANUP_FREE char *as_shown = printable_copy(name->text);
    int group, r = add_group(v, name, &group);

    if (r < 0)
        return r;
    if (depth > GROUPS_DEPTH_MAX)
        return fail_at_node(v, name, "groups are nested more than %d deep", GROUPS_DEPTH_MAX);
    if (v->visits++ > VISITS_MAX)
        return fail_at_node(v, name, "more than %d groups, including those that aliases repeat",
                            VISITS_MAX);
    if (parent >= 0 && group == 0)
        return fail_at_node(v, name, "`all` cannot be inside another group");
    if (parent >= 0)
        hosts_groups_add(&v->groups[group].parents, (size_t)parent);
    if (!data || hosts_node_is_null(data))
        return 0;
    if (data->kind != YAML_KIND_MAP)
        return fail_at_node(v, data,
                            "the group \"%s\" must be a map, with `hosts`, `children` or `vars`",
                            as_shown);
    for (size_t i = 0; r == 0 && i < data->count; i += 2)
        r = read_section(v, data->items[i], data->items[i + 1], (size_t)group, depth);
    return r;
}

/* Computes each group's depth, the length of the longest path from `all`: this
 * takes at most as many rounds as there are groups, unless a group is its own
 * ancestor. */
static int compute_depths(struct hosts_inventory *v)
{
    bool changed = true;

    for (size_t g = 1; g < v->n_groups; g++)
        hosts_groups_add(&v->groups[g].parents, 0);
    for (size_t round = 0; changed; round++) {
        changed = false;
        for (size_t g = 0; g < v->n_groups; g++)
            for (size_t p = 0; p < v->n_groups; p++) {
                struct hosts_group *child = &v->groups[g], *parent = &v->groups[p];

                if (!hosts_groups_has(&child->parents, p) || child->depth > parent->depth)
                    continue;
                if (round > v->n_groups) {
                    CLEANUP_FREE char *name = printable_copy(child->name);

                    return hosts_node_fail(child->at, v->err, "the group \"%s\" is inside itself",
                                           name);
                }
                child->depth = parent->depth + 1;
                changed = true;
            }
    }
    return 0;
}

/* Do b's variables override a's?  (Ansible's sort_groups.) */
static bool group_precedes(const struct hosts_group *a, const struct hosts_group *b)
{
    if (a->depth != b->depth)
        return a->depth < b->depth;
    if (a->priority != b->priority)
        return a->priority < b->priority;
    return strcmp(a->name, b->name) < 0;
}

/* From parents to children. */
static void order_groups(struct hosts_inventory *v)
{
    for (size_t g = 0; g < v->n_groups; g++) {
        size_t at = g;

        for (; at > 0 && group_precedes(&v->groups[g], &v->groups[v->order[at - 1]]); at--)
            v->order[at] = v->order[at - 1];
        v->order[at] = (uint8_t)g;
    }
}

/* Adds to each group's parents all its other ancestors.  In that order the parents have
 * theirs already. */
static void compute_ancestors(struct hosts_inventory *v)
{
    for (size_t i = 0; i < v->n_groups; i++) {
        struct hosts_groups *parents = &v->groups[v->order[i]].parents, direct = *parents;

        for (size_t p = 0; p < v->n_groups; p++)
            if (hosts_groups_has(&direct, p))
                hosts_groups_join(parents, &v->groups[p].parents);
    }
}

/* Ansible's reconcile_inventory: a host that is in no group but `all` is in `ungrouped`. */
static void complete_groups(struct hosts_inventory *v, struct hosts_line *line)
{
    struct hosts_groups direct = line->groups;
    bool grouped = false;

    for (size_t g = 2; g < v->n_groups; g++)
        if (hosts_groups_has(&direct, g)) {
            grouped = true;
            hosts_groups_join(&line->groups, &v->groups[g].parents);
        }
    hosts_groups_add(&line->groups, 0);
    if (!grouped)
        hosts_groups_add(&line->groups, 1);
}

int hosts_inventory_fill(struct hosts_inventory *v, const struct hosts_node *root)
{
    struct hosts_groups used = {0};
    int r = 0;

    v->groups = calloc(HOSTS_GROUPS_MAX, sizeof(*v->groups));
    if (!v->groups)
        return no_memory(v);
    v->groups[v->n_groups++] = (struct hosts_group){.name = "all", .priority = 1};
    v->groups[v->n_groups++] = (struct hosts_group){.name = "ungrouped", .priority = 1};
    for (size_t i = 0; r == 0 && i < root->count; i += 2)
        r = read_group(v, root->items[i], root->items[i + 1], -1, 0);
    if (r == 0)
        r = compute_depths(v);
    if (r < 0)
        return r;
    order_groups(v);
    compute_ancestors(v);
    for (size_t i = 0; i < v->n_lines; i++) {
        complete_groups(v, &v->lines[i]);
        hosts_groups_join(&used, &v->lines[i].groups);
    }
    for (size_t g = 0; g < v->n_groups; g++)
        v->groups[g].used = hosts_groups_has(&used, g);
    return v->n_lines > 0 ? 0 : fail_at_node(v, root, "the inventory contains no host");
}

/* The groups of a host, in v->order; returns how many. */
static size_t list_groups(const struct hosts_inventory *v, const struct hosts_line *line,
                          const struct hosts_group *ret[HOSTS_GROUPS_MAX])
{
    size_t n = 0;

    for (size_t i = 0; i < v->n_groups; i++)
        if (hosts_groups_has(&line->groups, v->order[i]))
            ret[n++] = &v->groups[v->order[i]];
    return n;
}

/* In the order of Ansible's VARIABLE_PRECEDENCE: files of `all` count more than what the
 * inventory says of any group, the inventory's host more than every group_vars. */
void hosts_inventory_vars(const struct hosts_inventory *v, const struct hosts_line *line,
                          struct hosts_vars *ret)
{
    const struct hosts_group *groups[HOSTS_GROUPS_MAX];
    size_t n = list_groups(v, line, groups);

    *ret = (struct hosts_vars){0};
    for (size_t g = 0; g < n; g++)
        hosts_vars_merge(ret, &groups[g]->vars);
    for (size_t i = 0; i < HOSTS_FOLDERS; i++)
        hosts_vars_merge(ret, &v->groups[0].files[i]);
    for (size_t i = 0; i < HOSTS_FOLDERS; i++)
        for (size_t g = 1; g < n; g++)
            hosts_vars_merge(ret, &groups[g]->files[i]);
    hosts_vars_merge(ret, &line->vars);
    for (size_t i = 0; i < HOSTS_FOLDERS; i++)
        hosts_vars_merge(ret, &line->files[i]);
}
