#include "hosts.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "discovery/base/file.h"
#include "private.h"

void hosts_content_clear(struct hosts_content *c)
{
    if (c->data)
        explicit_bzero(c->data, c->size);
    free(c->data);
    *c = (struct hosts_content){0};
}

int hosts_content_read(const char *path, struct hosts_content *ret, struct error *err)
{
    bool is_stdin = strcmp(path, "-") == 0;
    CLEANUP_CLOSE int opened = is_stdin ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    int fd = is_stdin ? STDIN_FILENO : opened;
    const char *name = is_stdin ? "standard input" : path;
    ssize_t n = 1;

    if (fd < 0)
        return error_sys(err, -errno, "cannot open %s", name);
    ret->data = malloc(HOSTS_FILE_MAX + 1);
    if (!ret->data)
        return error_sys(err, -ENOMEM, "cannot read %s", name);
    while (n > 0 && ret->size <= HOSTS_FILE_MAX) {
        do
            n = read(fd, ret->data + ret->size, HOSTS_FILE_MAX + 1 - ret->size);
        while (n < 0 && errno == EINTR);
        if (n < 0)
            return error_sys(err, -errno, "cannot read %s", name);
        ret->size += (size_t)n;
    }
    if (ret->size > HOSTS_FILE_MAX)
        return error_set(err, -EFBIG, "%s: more than %d MiB", name, HOSTS_FILE_MAX >> 20);
    return 0;
}

static bool starts_with(const char *data, size_t size, const char *what)
{
    return size >= strlen(what) && memcmp(data, what, strlen(what)) == 0;
}

/* U+0085, U+2028 and U+2029: JSON allows them in strings, but YAML 1.1 takes them
 * for line ends and would turn them into blanks. */
static bool has_odd_line_ends(const char *data, size_t size)
{
    static const char *const ends[] = {"\xc2\x85", "\xe2\x80\xa8", "\xe2\x80\xa9"};

    for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
        if (memmem(data, size, ends[i], strlen(ends[i])))
            return true;
    return false;
}

int hosts_content_check(const char *name, const struct hosts_content *c, struct error *err)
{
    if (starts_with(c->data, c->size, "$ANSIBLE_VAULT"))
        return error_set(err, -EBADMSG,
                         "%s:1:1: the whole file is encrypted with Ansible's vault, which is not "
                         "supported here: `ansible-vault view %s | dcop-deploy -i - …`",
                         name, name);
    if (starts_with(c->data, c->size, "{") && has_odd_line_ends(c->data, c->size))
        return error_set(
            err, -EBADMSG,
            "%s:1:1: this JSON contains a character (U+0085, U+2028 or U+2029) that YAML reads as "
            "a line end; `dcop-discover --inventory=yaml` writes a file without such characters",
            name);
    return 0;
}

static bool is_program(const struct hosts_content *c)
{
    return starts_with(c->data, c->size, "#!");
}

static int check_root(const struct hosts_source *s, struct error *err)
{
    const struct hosts_node *plugin, *root = s->root;

    if (!root || hosts_node_is_null(root))
        return yaml_reader_fail(s->y, (struct yaml_mark){0}, err, "the inventory is empty");
    if (root->kind != YAML_KIND_MAP)
        return hosts_node_fail(root, err,
                               "an inventory must be a map of groups, with `all:` or a group's "
                               "name as a key");
    plugin = hosts_node_get(root, "plugin");
    if (plugin && !hosts_node_is_null(plugin))
        return hosts_node_fail(plugin, err,
                               "this configures an Ansible plugin, which only Ansible runs: "
                               "install ansible-core, or save its output as a file: "
                               "`ansible-inventory --list --yaml`");
    if (hosts_node_get(root, "_meta"))
        return hosts_node_fail(root, err,
                               "this is the output of a dynamic inventory; save the output of "
                               "`ansible-inventory --list --yaml` and use that file");
    return 0;
}

/* Makes machines from the inventory's root. */
static int finish(struct hosts_inventory *v, struct hosts *hosts, struct hosts *ret)
{
    int r = hosts_inventory_fill(v, v->sources->root);

    if (r == 0)
        r = hosts_inventory_read_files(v);
    if (r == 0)
        r = hosts_build(v, hosts);
    if (r < 0)
        return r;
    *ret = *hosts;
    *hosts = HOSTS_INIT;
    return 0;
}

/* `folders`: those with group_vars and host_vars; NULL: none. */
static int parse(const char *name, const struct hosts_content *c, const struct strings *folders,
                 struct hosts *ret, struct error *err)
{
    CLEANUP_HOSTS struct hosts hosts = HOSTS_INIT;
    CLEANUP(hosts_inventory_clear)
    struct hosts_inventory v = {.err = err, .folders = folders, .warnings = &hosts.warnings};
    int r = hosts_content_check(name, c, err);

    if (r == 0 && is_program(c))
        r = error_set(err, -EBADMSG,
                      "%s:1:1: this is a program (a dynamic inventory), which only Ansible runs: "
                      "install ansible-core, or save its output as a file: `ansible-inventory -i "
                      "%s --list --yaml`",
                      name, name);
    if (r == 0)
        r = hosts_source_new(name, &v.sources, err);
    if (r < 0)
        return r;
    if (hosts_looks_like_ini(c->data, c->size)) {
        r = hosts_source_read_ini(v.sources, c->data, c->size, err);
    } else {
        r = hosts_source_read_yaml(v.sources, c->data, c->size, err);
        if (r == 0)
            r = check_root(v.sources, err);
    }
    return r < 0 ? r : finish(&v, &hosts, ret);
}

int hosts_parse(const char *name, const void *data, size_t size, struct hosts *ret,
                struct error *err)
{
    CLEANUP(hosts_content_clear) struct hosts_content c = {.data = malloc(size + 1), .size = size};

    if (!c.data)
        return error_sys(err, -ENOMEM, "cannot read %s", name);
    memcpy(c.data, data, size);
    return parse(name, &c, NULL, ret, err);
}

/* --- which folders ---------------------------------------------------------------- */

/* The folder of the inventory, and the current one: Ansible takes that for the playbook's. */
static int find_folders(const char *path, bool is_list, struct strings *ret)
{
    const char *slash = strrchr(path, '/');
    CLEANUP_FREE char *here = realpath(".", NULL), *beside = NULL;

    if (!is_list && strcmp(path, "-") != 0) {
        CLEANUP_FREE char *folder =
            slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");

        if (!folder || strings_add(ret, folder) < 0)
            return -ENOMEM;
        beside = realpath(folder, NULL);
    }
    return !string_equal(here, beside) && strings_add(ret, ".") < 0 ? -ENOMEM : 0;
}

static bool exists(const char *folder, const char *name)
{
    CLEANUP_FREE char *path = path_join(folder, name);

    return path && access(path, F_OK) == 0;
}

static bool have_variables(const struct strings *folders)
{
    for (size_t i = 0; i < folders->count; i++)
        if (exists(folders->items[i], "group_vars") || exists(folders->items[i], "host_vars"))
            return true;
    return false;
}

/* --- which reader ----------------------------------------------------------------- */

/* A list has no file, only its commas. */
static bool is_list(const char *path)
{
    return strchr(path, ',') && access(path, F_OK) < 0;
}

static bool is_folder(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Only Ansible can say what these mean. */
static bool configures_plugin(const char *name, const struct hosts_content *c)
{
    CLEANUP_HOSTS_SOURCE struct hosts_source *s = NULL;

    if (!memmem(c->data, c->size, "plugin", 6) || hosts_looks_like_ini(c->data, c->size) ||
        hosts_source_new(name, &s, NULL) < 0)
        return false;
    return hosts_source_read_yaml(s, c->data, c->size, NULL) == 0 && s->root &&
           hosts_node_get(s->root, "plugin");
}

static int read_list(const char *list, const struct strings *folders, struct hosts *ret,
                     struct error *err)
{
    CLEANUP_HOSTS struct hosts hosts = HOSTS_INIT;
    CLEANUP(hosts_inventory_clear)
    struct hosts_inventory v = {.err = err, .folders = folders, .warnings = &hosts.warnings};
    int r = hosts_source_new("-i", &v.sources, err);

    if (r == 0)
        r = hosts_source_read_list(v.sources, list, err);
    return r < 0 ? r : finish(&v, &hosts, ret);
}

int hosts_read_here(const char *path, struct hosts *ret, struct error *err)
{
    CLEANUP(hosts_content_clear) struct hosts_content c = {0};
    CLEANUP_STRINGS struct strings folders = {0};
    int r = find_folders(path, is_list(path), &folders);

    if (r < 0)
        return error_sys(err, r, "cannot read %s", path);
    if (is_list(path))
        return read_list(path, &folders, ret, err);
    if (is_folder(path))
        return error_set(err, -EISDIR,
                         "%s is a folder of inventories, which only Ansible reads: install "
                         "ansible-core, or name one file",
                         path);
    r = hosts_content_read(path, &c, err);
    return r < 0 ? r
                 : parse(strcmp(path, "-") == 0 ? "standard input" : path, &c, &folders, ret, err);
}

int hosts_read_by_ansible(const char *path, struct hosts *ret, struct error *err)
{
    CLEANUP_HOSTS struct hosts hosts = HOSTS_INIT;
    CLEANUP(hosts_inventory_clear)
    struct hosts_inventory v = {.err = err, .warnings = &hosts.warnings, .exact = true};
    int r = hosts_source_new(path, &v.sources, err);

    if (r == 0)
        r = hosts_source_read_by_ansible(v.sources, path, &hosts.warnings, err);
    return r < 0 ? r : finish(&v, &hosts, ret);
}

/* An inventory in YAML without files of variables means the same to both, and reading it here
 * costs no start of Ansible. */
static bool needs_ansible(const char *path, const struct hosts_content *c,
                          const struct strings *folders)
{
    return have_variables(folders) || is_program(c) || access(path, X_OK) == 0 ||
           starts_with(c->data, c->size, "$ANSIBLE_VAULT") ||
           hosts_looks_like_ini(c->data, c->size) || configures_plugin(path, c);
}

int hosts_read(const char *path, struct hosts *ret, struct error *err)
{
    CLEANUP(hosts_content_clear) struct hosts_content c = {0};
    CLEANUP_STRINGS struct strings folders = {0};
    bool folder = is_folder(path), list = is_list(path);
    struct error why = {0};
    int r = find_folders(path, list, &folders);

    if (r < 0)
        return error_sys(err, r, "cannot read %s", path);
    if (!folder && !list)
        r = hosts_content_read(path, &c, err);
    if (r < 0)
        return r;
    if (strcmp(path, "-") == 0)
        return parse("standard input", &c, &folders, ret, err);
    if (folder || list || needs_ansible(path, &c, &folders)) {
        r = hosts_read_by_ansible(path, ret, &why);
        if (r != -ENOENT) {
            if (r < 0 && err)
                *err = why;
            return r;
        }
    }
    return folder || list ? hosts_read_here(path, ret, err) : parse(path, &c, &folders, ret, err);
}
