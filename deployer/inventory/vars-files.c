/* Variables from group_vars and host_vars beside an inventory, as Ansible's plugin
 * host_group_vars finds them (plugins/vars/host_group_vars.py, parsing/dataloader.py:
 * find_vars_files). */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "discovery/base/file.h"
#include "private.h"

enum {
    FILES_MAX = 10000,
    FILES_BYTES_MAX = 16 << 20, /* of all files */
    FOLDERS_DEPTH_MAX = 8,
};

static const char *const endings[] = {"", ".yml", ".yaml", ".json"};

/* Where the variables of one group or host go. */
struct reading {
    struct hosts_inventory *v;
    struct hosts_vars *to;
};

static int no_memory(struct hosts_inventory *v)
{
    return error_sys(v->err, -ENOMEM, "cannot read the inventory");
}

static int take_variables(struct reading *r, const struct hosts_node *root)
{
    int result = 0;

    if (root->kind != YAML_KIND_MAP)
        return hosts_node_fail(root, r->v->err, "a file of variables must be a map: NAME: VALUE");
    for (size_t i = 0; result == 0 && i < root->count; i += 2)
        result = hosts_read_file_var(r->v, root->items[i], root->items[i + 1], r->to);
    return result;
}

static int read_file(struct reading *r, const char *path)
{
    struct hosts_inventory *v = r->v;
    CLEANUP(hosts_content_clear) struct hosts_content content = {0};
    CLEANUP_HOSTS_SOURCE struct hosts_source *s = NULL;
    int result;

    if (++v->n_files > FILES_MAX)
        return error_set(v->err, -EFBIG, "%s: more than %d files of variables", path, FILES_MAX);
    result = hosts_content_read(path, &content, v->err);
    if (result < 0)
        return result;
    v->files_size += content.size;
    if (v->files_size > FILES_BYTES_MAX)
        return error_set(v->err, -EFBIG, "%s: files of variables of more than %d MiB in all", path,
                         FILES_BYTES_MAX >> 20);
    result = hosts_content_check(path, &content, v->err);
    if (result == 0)
        result = hosts_source_new(path, &s, v->err);
    if (result == 0)
        result = hosts_source_read_yaml(s, content.data, content.size, v->err);
    if (result < 0 || !s->root || hosts_node_is_null(s->root))
        return result;
    s->next = v->sources;
    v->sources = s;
    return take_variables(r, TAKE_PTR(s)->root);
}

/* "" for a name without one. */
static const char *ending_of(const char *name)
{
    const char *dot = strrchr(name, '.');

    return dot ? dot : "";
}

static bool has_variables(const char *ending)
{
    for (size_t i = 0; i < ARRAY_SIZE(endings); i++)
        if (strcmp(ending, endings[i]) == 0)
            return true;
    return false;
}

static int is_shown(const struct dirent *entry)
{
    return entry->d_name[0] != '.' && !string_ends_with(entry->d_name, "~");
}

/* By bytes, which for UTF-8 is the order in which Python sorts. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* Each group's or host's folder may hold folders; the depth bounds the recursion. */
static int read_folder(struct reading *r, const char *path, unsigned depth)
{
    struct dirent **entries = NULL;
    int n = depth > FOLDERS_DEPTH_MAX ? -1 : scandir(path, &entries, is_shown, by_name);
    int result = 0;

    if (depth > FOLDERS_DEPTH_MAX)
        return error_set(r->v->err, -ELOOP, "%s: folders of variables are nested too deep", path);
    if (n < 0)
        return error_sys(r->v->err, -errno, "cannot read %s", path);
    for (int i = 0; i < n; i++) {
        CLEANUP_FREE char *inside = path_join(path, entries[i]->d_name);
        const char *ending = inside ? ending_of(strrchr(inside, '/')) : "";
        struct stat st;

        free(entries[i]);
        if (!inside)
            result = no_memory(r->v);
        if (result < 0 || stat(inside, &st) < 0)
            continue;
        if (S_ISDIR(st.st_mode) && !*ending)
            result = read_folder(r, inside, depth + 1);
        else if (S_ISREG(st.st_mode) && has_variables(ending))
            result = read_file(r, inside);
    }
    free(entries);
    return result;
}

/* The first that is there counts: the bare name, which may be a folder, then the endings. */
static int read_entity(struct reading *r, const char *folder, const char *name)
{
    if (strchr(name, '/'))
        return 0; /* it would lead out of the folder */
    for (size_t i = 0; i < ARRAY_SIZE(endings); i++) {
        CLEANUP_FREE char *path = NULL;
        struct stat st;

        if (asprintf(&path, "%s/%s%s", folder, name, endings[i]) < 0) {
            path = NULL;
            return no_memory(r->v);
        }
        if (stat(path, &st) < 0)
            continue;
        return S_ISDIR(st.st_mode) ? read_folder(r, path, 0) : read_file(r, path);
    }
    return 0;
}

static bool is_folder(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int read_groups(struct hosts_inventory *v, size_t i, const char *folder)
{
    int r = 0;

    for (size_t g = 0; r == 0 && g < v->n_groups; g++) {
        struct reading to = {.v = v, .to = &v->groups[g].files[i]};

        if (v->groups[g].used)
            r = read_entity(&to, folder, v->groups[g].name);
    }
    return r;
}

static int read_hosts(struct hosts_inventory *v, size_t i, const char *folder)
{
    int r = 0;

    for (size_t h = 0; r == 0 && h < v->n_lines; h++) {
        const struct hosts_line *line = &v->lines[h];
        struct reading to = {.v = v, .to = &v->lines[h].files[i]};

        if (strchr(line->name, '/'))
            r = hosts_warn(v, line->at, "host_vars are not read for a name that holds a \"/\"");
        else
            r = read_entity(&to, folder, line->name);
    }
    return r;
}

int hosts_inventory_read_files(struct hosts_inventory *v)
{
    int r = 0;

    for (size_t i = 0; v->folders && r == 0 && i < v->folders->count; i++) {
        CLEANUP_FREE char *groups = path_join(v->folders->items[i], "group_vars");
        CLEANUP_FREE char *hosts = path_join(v->folders->items[i], "host_vars");

        if (!groups || !hosts)
            return no_memory(v);
        if (is_folder(groups))
            r = read_groups(v, i, groups);
        if (r == 0 && is_folder(hosts))
            r = read_hosts(v, i, hosts);
    }
    return r;
}
