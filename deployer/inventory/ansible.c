/* An inventory as `ansible-inventory --list` understands it. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "discovery/base/process.h"
#include "private.h"

enum {
    ANSIBLE_MS = 60000, /* a dynamic inventory may ask a cloud */
    ANSIBLE_OUTPUT_MAX = 16 << 20,
    ANSIBLE_DEPTH_MAX = 32,
};

static int no_memory(struct error *err)
{
    return error_sys(err, -ENOMEM, "cannot read the inventory");
}

/* --- its output, as nodes --------------------------------------------------------- */

static const struct yaml_mark nowhere;

static struct hosts_node *make_scalar(struct hosts_source *s, enum yaml_type type, const char *text,
                                      size_t size)
{
    struct hosts_node *n = hosts_node_new(s, YAML_KIND_SCALAR, nowhere, text, size);

    if (n)
        n->type = type;
    return n;
}

static struct hosts_node *make_number(struct hosts_source *s, const json_t *value)
{
    char text[64];
    int n = json_is_integer(value)
                ? snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT, json_integer_value(value))
                : snprintf(text, sizeof(text), "%.17g", json_real_value(value));

    return make_scalar(s, json_is_integer(value) ? YAML_TYPE_INT : YAML_TYPE_FLOAT, text,
                       (size_t)n);
}

static struct hosts_node *make_node(struct hosts_source *s, json_t *value, unsigned depth);

static struct hosts_node *make_list(struct hosts_source *s, json_t *value, unsigned depth)
{
    struct hosts_node *list = hosts_node_new(s, YAML_KIND_LIST, nowhere, NULL, 0);
    json_t *item;
    size_t i;

    json_array_foreach(value, i, item)
    {
        struct hosts_node *n = list ? make_node(s, item, depth) : NULL;

        if (!n || hosts_node_append(list, n) < 0)
            return NULL;
    }
    return list;
}

static struct hosts_node *make_map(struct hosts_source *s, json_t *value, unsigned depth)
{
    struct hosts_node *map = hosts_node_new(s, YAML_KIND_MAP, nowhere, NULL, 0);
    const char *key;
    json_t *item;

    json_object_foreach(value, key, item)
    {
        struct hosts_node *k = make_scalar(s, YAML_TYPE_STRING, key, strlen(key));
        struct hosts_node *n = map && k ? make_node(s, item, depth) : NULL;

        if (!n || hosts_node_append(map, k) < 0 || hosts_node_append(map, n) < 0)
            return NULL;
    }
    return map;
}

/* Ansible's AnsibleJSONEncoder writes a value that is still encrypted as
 * {"__ansible_vault": TEXT}.  NULL: out of memory, or too deep. */
static struct hosts_node *make_node(struct hosts_source *s, json_t *value, unsigned depth)
{
    struct hosts_node *n;

    if (depth > ANSIBLE_DEPTH_MAX)
        return NULL;
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        if (!json_object_get(value, "__ansible_vault"))
            return make_map(s, value, depth + 1);
        n = make_scalar(s, YAML_TYPE_STRING, "", 0);
        if (n)
            n->vault = true;
        return n;
    case JSON_ARRAY:
        return make_list(s, value, depth + 1);
    case JSON_STRING:
        n = make_scalar(s, YAML_TYPE_STRING, json_string_value(value), json_string_length(value));
        /* jansson would free it with its bytes; it may be a password. */
        explicit_bzero((char *)(uintptr_t)json_string_value(value), json_string_length(value));
        return n;
    case JSON_INTEGER:
    case JSON_REAL:
        return make_number(s, value);
    case JSON_TRUE:
        return make_scalar(s, YAML_TYPE_BOOL, "true", 4);
    case JSON_FALSE:
        return make_scalar(s, YAML_TYPE_BOOL, "false", 5);
    case JSON_NULL:
        return make_scalar(s, YAML_TYPE_NULL, "null", 4);
    }
    return NULL;
}

/* --- its hosts -------------------------------------------------------------------- */

struct listing {
    struct hosts_source *s;
    const json_t *groups, *hostvars;
    struct hosts_node *hosts; /* a map, in the order of the groups */
    struct keyset seen, visited;
};

static int add_host(struct listing *l, const char *name)
{
    void **slot = keyset_slot(&l->seen, name, strlen(name));
    json_t *vars = json_object_get(l->hostvars, name);
    struct hosts_node *key, *value;

    if (!slot)
        return -ENOMEM;
    if (*slot)
        return 0;
    *slot = l;
    key = make_scalar(l->s, YAML_TYPE_STRING, name, strlen(name));
    value =
        json_is_object(vars) ? make_map(l->s, vars, 0) : make_scalar(l->s, YAML_TYPE_NULL, "", 0);
    if (!key || !value)
        return -ENOMEM;
    return hosts_node_append(l->hosts, key) < 0 || hosts_node_append(l->hosts, value) < 0 ? -ENOMEM
                                                                                          : 0;
}

/* A group's own hosts come in the order of the inventory. */
static int add_group(struct listing *l, const char *name, unsigned depth)
{
    const json_t *group = json_object_get(l->groups, name);
    void **slot = keyset_slot(&l->visited, name, strlen(name));
    json_t *item;
    size_t i;
    int r = 0;

    if (!slot)
        return -ENOMEM;
    if (*slot || depth > ANSIBLE_DEPTH_MAX)
        return 0;
    *slot = l;
    json_array_foreach(json_object_get(group, "hosts"), i, item)
    {
        if (r == 0 && json_is_string(item))
            r = add_host(l, json_string_value(item));
    }
    json_array_foreach(json_object_get(group, "children"), i, item)
    {
        if (r == 0 && json_is_string(item))
            r = add_group(l, json_string_value(item), depth + 1);
    }
    return r;
}

/* {"all": {"hosts": {NAME: VARIABLES}}}: Ansible has merged the groups' variables. */
static int make_root(struct listing *l)
{
    struct hosts_node *root = hosts_node_new(l->s, YAML_KIND_MAP, nowhere, NULL, 0);
    struct hosts_node *all = hosts_node_new(l->s, YAML_KIND_MAP, nowhere, NULL, 0);
    struct hosts_node *names[] = {make_scalar(l->s, YAML_TYPE_STRING, "all", 3),
                                  make_scalar(l->s, YAML_TYPE_STRING, "hosts", 5)};
    int r;

    l->hosts = hosts_node_new(l->s, YAML_KIND_MAP, nowhere, NULL, 0);
    if (!root || !all || !names[0] || !names[1] || !l->hosts)
        return -ENOMEM;
    if (hosts_node_append(root, names[0]) < 0 || hosts_node_append(root, all) < 0 ||
        hosts_node_append(all, names[1]) < 0 || hosts_node_append(all, l->hosts) < 0)
        return -ENOMEM;
    r = add_group(l, "all", 0);
    l->s->root = root;
    return r;
}

static int read_listing(struct hosts_source *s, const struct text *output, struct error *err)
{
    json_error_t json_err;
    json_t *root = json_loadb(text_str(output), output->size, JSON_REJECT_DUPLICATES, &json_err);
    struct listing l = {.s = s,
                        .groups = root,
                        .hostvars = json_object_get(json_object_get(root, "_meta"), "hostvars")};
    int r;

    if (!json_is_object(root)) {
        json_decref(root);
        return error_set(err, -EBADMSG, "%s: cannot read what ansible-inventory says of it: %s",
                         s->name, json_err.text);
    }
    r = make_root(&l);
    keyset_clear(&l.seen);
    keyset_clear(&l.visited);
    json_decref(root);
    return r < 0 ? no_memory(err) : 0;
}

/* --- the program ------------------------------------------------------------------ */

enum { WARNINGS_MAX = 20 };

/* One line of each of its warnings, which it breaks for a terminal's width. */
static int take_warnings(const struct text *errors, struct strings *to)
{
    const char *from = text_str(errors);

    while (*from && to->count < WARNINGS_MAX) {
        const char *next = strstr(from + 1, "\n[");
        size_t size = next ? (size_t)(next - from) : strlen(from);
        CLEANUP_FREE char *copy = strndup(from, size);
        CLEANUP_TEXT struct text words = TEXT_INIT;

        if (!copy)
            return -ENOMEM;
        for (char *c = copy; *c; c++)
            *c = *c == '\n' ? ' ' : *c;
        text_adds(&words, "ansible-inventory: ");
        text_add_printable(&words, copy);
        if (text_error(&words) < 0 || strings_add(to, text_str(&words)) < 0)
            return -ENOMEM;
        from += size + (next ? 1 : 0);
    }
    return 0;
}

/* What it says when it fails: the end, where the reason is, as one line. */
static int fail_with_words(const char *path, struct text *errors, struct error *err)
{
    enum { SHOWN_MAX = 600 };
    CLEANUP_TEXT struct text words = TEXT_INIT;
    size_t size = errors->size;

    while (size > 0 && errors->data[size - 1] == '\n')
        errors->data[--size] = '\0';
    for (size_t i = 0; i < size; i++)
        if (errors->data[i] == '\n')
            errors->data[i] = ' ';
    text_add_printable(&words, text_str(errors) + (size > SHOWN_MAX ? size - SHOWN_MAX : 0));
    return error_set(err, -EBADMSG, "ansible-inventory cannot read %s: %s%s", path,
                     size > SHOWN_MAX ? "…" : "", size > 0 ? text_str(&words) : "no reason given");
}

/* In one argument, as the path may begin with "-". */
static const char *option_text(const char *path, struct text *to)
{
    text_adds(to, "--inventory=");
    text_adds(to, path);
    return text_str(to);
}

int hosts_source_read_by_ansible(struct hosts_source *s, const char *path, struct strings *warnings,
                                 struct error *err)
{
    CLEANUP_TEXT struct text option = TEXT_INIT;
    const char *const argv[] = {"ansible-inventory", "--list", option_text(path, &option), NULL};
    /* No question for a password, whatever ansible.cfg says; a file that it cannot read is an
     * error. */
    const char *const env[] = {"ANSIBLE_ASK_VAULT_PASS=False",
                               "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED=True",
                               "ANSIBLE_INVENTORY_EXPORT=False",
                               "ANSIBLE_DEPRECATION_WARNINGS=False",
                               "ANSIBLE_NOCOLOR=1",
                               "ANSIBLE_FORCE_COLOR=0",
                               "LC_ALL=C.UTF-8",
                               "PYTHONWARNINGS=ignore",
                               NULL};
    const struct process_options options = {.argv = argv,
                                            .env = env,
                                            .no_terminal = true,
                                            .timeout_ms = ANSIBLE_MS,
                                            .cancel_fd = -1,
                                            .output_max = ANSIBLE_OUTPUT_MAX};
    CLEANUP(process_result_clear) struct process_result result = {0};
    int r = process_run(&options, &result, err);

    if (r == -ETIMEDOUT)
        return error_set(err, r, "ansible-inventory has not read %s within %d s", path,
                         ANSIBLE_MS / 1000);
    if (r < 0)
        return r;
    if (result.status != 0)
        return fail_with_words(path, &result.errors, err);
    if (result.output_cut)
        return error_set(err, -EFBIG, "%s: ansible-inventory says more than %d MiB of it", path,
                         ANSIBLE_OUTPUT_MAX >> 20);
    r = take_warnings(&result.errors, warnings) < 0 ? no_memory(err) : 0;
    if (r == 0)
        r = read_listing(s, &result.output, err);
    text_wipe(&result.output);
    return r;
}
