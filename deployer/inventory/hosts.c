#include "hosts.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "private.h"

/* The whole file in one buffer that is never reallocated, so that all of it can
 * be wiped. */
struct content {
    char *data;
    size_t size;
};

static void content_clear(struct content *c)
{
    if (c->data)
        explicit_bzero(c->data, c->size);
    free(c->data);
}

static int read_content(const char *path, struct content *ret, struct error *err)
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

/* The first line that is neither empty nor a comment. */
static size_t first_line(const char *data, size_t size, const char **ret)
{
    while (size > 0) {
        const char *newline = memchr(data, '\n', size);
        size_t n = newline ? (size_t)(newline - data) : size, blanks = 0;

        while (blanks < n && isspace((unsigned char)data[blanks]))
            blanks++;
        if (blanks < n && data[blanks] != '#' && data[blanks] != ';') {
            *ret = data + blanks;
            n -= blanks;
            while (isspace((unsigned char)(*ret)[n - 1]))
                n--;
            return n;
        }
        n += newline ? 1 : 0;
        data += n;
        size -= n;
    }
    *ret = data;
    return 0;
}

/* Is its first line "[group]" or "NAME KEY=VALUE"? */
static bool looks_like_ini(const char *data, size_t size)
{
    const char *line;
    size_t n = first_line(data, size, &line);

    if (n > 2 && line[0] == '[' && line[n - 1] == ']')
        return !memchr(line, ',', n) && !memchr(line, '"', n) && !memchr(line, '{', n);
    return memmem(line, n, " ansible_", 9) && memchr(line, '=', n) && !memchr(line, '{', n);
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

/* Other formats that people give by mistake, with clearer messages than the YAML parser's. */
static int check_format(const char *name, const char *data, size_t size, struct error *err)
{
    if (starts_with(data, size, "#!"))
        return error_set(err, -EBADMSG,
                         "%s:1:1: this is a program (a dynamic inventory), not an inventory file; "
                         "save the output of `ansible-inventory -i %s --list --yaml` and use that "
                         "file",
                         name, name);
    if (starts_with(data, size, "$ANSIBLE_VAULT"))
        return error_set(err, -EBADMSG,
                         "%s:1:1: the whole file is encrypted with Ansible's vault, which is not "
                         "supported here: `ansible-vault view %s | dcop-deploy -i - …`",
                         name, name);
    if (starts_with(data, size, "{") && has_odd_line_ends(data, size))
        return error_set(
            err, -EBADMSG,
            "%s:1:1: this JSON contains a character (U+0085, U+2028 or U+2029) that YAML reads as "
            "a line end; `dcop-discover --inventory=yaml` writes a file without such characters",
            name);
    if (looks_like_ini(data, size))
        return error_set(err, -EBADMSG,
                         "%s:1:1: this is an inventory in INI, and only YAML is read here; "
                         "`ansible-inventory -i %s --list --yaml` writes it as YAML",
                         name, name);
    return 0;
}

static int check_root(struct yaml_reader *y, const struct hosts_node *root, struct error *err)
{
    const struct hosts_node *plugin;

    if (!root || hosts_node_is_null(root))
        return yaml_reader_fail(y, (struct yaml_mark){0}, err, "the inventory is empty");
    if (root->kind != YAML_KIND_MAP)
        return yaml_reader_fail(y, root->mark, err,
                                "an inventory must be a map of groups, with `all:` or a group's "
                                "name as a key");
    plugin = hosts_node_get(root, "plugin");
    if (plugin && !hosts_node_is_null(plugin))
        return yaml_reader_fail(y, plugin->mark, err,
                                "this configures an Ansible plugin and is not an inventory; save "
                                "the output of `ansible-inventory --list --yaml` and use that "
                                "file");
    if (hosts_node_get(root, "_meta"))
        return yaml_reader_fail(y, root->mark, err,
                                "this is the output of a dynamic inventory; save the output of "
                                "`ansible-inventory --list --yaml` and use that file");
    return 0;
}

int hosts_parse(const char *name, const void *data, size_t size, struct hosts *ret,
                struct error *err)
{
    CLEANUP_YAML_READER struct yaml_reader *y = NULL;
    CLEANUP(hosts_tree_clear) struct hosts_tree tree = {0};
    CLEANUP(hosts_inventory_clear) struct hosts_inventory inventory = {.err = err};
    CLEANUP_HOSTS struct hosts hosts = HOSTS_INIT;
    int r = check_format(name, data, size, err);

    if (r == 0)
        r = yaml_reader_open_memory(&y, name, data, size, err);
    if (r < 0)
        return r;
    yaml_reader_secret(y);
    r = hosts_tree_read(y, &tree, err);
    if (r == 0)
        r = check_root(y, tree.root, err);
    inventory.y = y;
    inventory.warnings = &hosts.warnings;
    if (r == 0)
        r = hosts_inventory_fill(&inventory, tree.root);
    if (r == 0)
        r = hosts_build(&inventory, &hosts);
    if (r < 0)
        return r;
    *ret = hosts;
    hosts = HOSTS_INIT;
    return 0;
}

int hosts_read(const char *path, struct hosts *ret, struct error *err)
{
    CLEANUP(content_clear) struct content c = {0};
    int r = read_content(path, &c, err);

    if (r < 0)
        return r;
    assert(c.data); /* also for an empty file */
    return hosts_parse(strcmp(path, "-") == 0 ? "standard input" : path, c.data, c.size, ret, err);
}
