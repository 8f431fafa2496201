/* Makes machines from an inventory's hosts and variables. */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "deployer/base/destination.h"
#include "discovery/advert/advert.h"
#include "discovery/roster/roster.h"
#include "private.h"

enum { KEY_FILE_MAX = 4096, MACHINE_AGENTS_MAX = HOSTS_MAX };

/* The state while one host becomes a machine. */
struct build {
    struct hosts_inventory *v;
    struct hosts_vars vars;
    const struct hosts_line *line;
    struct host host;
};

static int no_memory(struct build *b)
{
    (void)error_sys(b->v->err, -ENOMEM, "cannot read the inventory");
    return -ENOMEM;
}

/* A macro, so that the static analyzer also sees that it never returns 0. */
#define fail_at(b, at, ...) ((void)hosts_node_fail(at, (b)->v->err, __VA_ARGS__), -EBADMSG)

static bool is_secret(enum hosts_field field)
{
    return field == HOSTS_PASSWORD || field == HOSTS_BECOME_PASSWORD;
}

static bool is_port(enum hosts_field field)
{
    return field == HOSTS_PORT || field == HOSTS_APT_PORT || field == HOSTS_PIP_PORT;
}

/* The value in {"__ansible_unsafe": VALUE}, the JSON that dcop-discover writes for what Ansible
 * must not evaluate as a template. */
static const struct hosts_node *unwrap_unsafe(const struct hosts_node *n, bool *unsafe)
{
    *unsafe = n->unsafe;
    if (n->kind == YAML_KIND_MAP && n->count == 2 &&
        strcmp(n->items[0]->text, "__ansible_unsafe") == 0) {
        *unsafe = true;
        return n->items[1];
    }
    return n;
}

static int fail_vault(struct build *b, const struct hosts_node *n, enum hosts_field field,
                      const char *name)
{
    const char *instead = field == HOSTS_PASSWORD ? "leave it out and use --ask-pass"
                          : field == HOSTS_BECOME_PASSWORD
                              ? "leave it out and use --ask-become-pass"
                              : "write it as plain text";

    return fail_at(b, n, "%s is encrypted with Ansible's vault, which is not supported here: %s",
                   name, instead);
}

/* A whole number in decimal, without leading zeros, which YAML and people read alike. */
static bool is_plain_number(const struct hosts_node *n)
{
    return n->type == YAML_TYPE_INT && string_is_one_of(n->text, "0123456789", 1, 18) &&
           (n->text[0] != '0' || n->size == 1);
}

/* The text of a value.  Ports and passwords may be numbers, if their text is the
 * one that Ansible uses.  Messages never show a password. */
static int read_text(struct build *b, const struct hosts_node *value, enum hosts_field field,
                     const char *name, const char **ret)
{
    CLEANUP_TEXT struct text shown = TEXT_INIT;
    bool unsafe, number = is_port(field) || is_secret(field);
    const struct hosts_node *n = unwrap_unsafe(value, &unsafe);

    *ret = "";
    if (n->vault)
        return fail_vault(b, n, field, name);
    if (n->kind != YAML_KIND_SCALAR)
        return fail_at(b, n, "%s must be a single text", name);
    if (!is_secret(field))
        text_add_shown(&shown, n->text);
    if (n->type != YAML_TYPE_STRING && !(number && is_plain_number(n))) {
        if (is_secret(field))
            return fail_at(b, n, "%s is %s in YAML; put it in quotes", name,
                           yaml_type_words(n->type));
        return fail_at(b, n, "%s: %s is %s in YAML; quote it: \"%s\"", name, text_str(&shown),
                       yaml_type_words(n->type), text_str(&shown));
    }
    if (memchr(n->text, '\0', n->size) || (memchr(n->text, '\n', n->size) && field != HOSTS_AGENT))
        return fail_at(b, n, "%s holds a NUL or a newline", name);
    if (!unsafe && hosts_is_template(n->text))
        return fail_at(b, n,
                       "%s is a template (\"{{\", \"{%%\" or \"{#\"), which is not evaluated here; "
                       "write the value, or mark it: !unsafe \"…\"",
                       name);
    *ret = n->text;
    return 0;
}

/* The text of a field; NULL when it is not given. */
static int get_text(struct build *b, enum hosts_field field, const char **ret_name,
                    const char **ret, const struct hosts_node **ret_at)
{
    const struct hosts_node *n = hosts_vars_get(&b->vars, field, ret_name);

    *ret = NULL;
    *ret_at = n ? n : b->line->at;
    return n ? read_text(b, n, field, *ret_name, ret) : 0;
}

static int copy_string(struct build *b, const char *from, char **to)
{
    *to = strdup(from);
    return *to ? 0 : no_memory(b);
}

/* A host's name without the "USER@" that a list for ssh may have in front. */
static const char *bare_name(const struct hosts_line *line)
{
    const char *at = strchr(line->name, '@');

    return at ? at + 1 : line->name;
}

static int read_address(struct build *b)
{
    CLEANUP_TEXT struct text shown = TEXT_INIT;
    const char *name, *address;
    const struct hosts_node *at;
    int r = get_text(b, HOSTS_ADDRESS, &name, &address, &at);

    if (r < 0)
        return r;
    text_add_shown(&shown, address ? address : b->line->name);
    if (!destination_host_valid(address ? address : bare_name(b->line)))
        return fail_at(b, at,
                       address
                           ? "%s: \"%s\" is neither an address nor a host name"
                           : "%s \"%s\" has no ansible_host, and its own name is not an address",
                       address ? name : "the host", text_str(&shown));
    return copy_string(b, address ? address : bare_name(b->line), &b->host.address);
}

static bool has_own(const struct hosts_line *line, const char *variable)
{
    int i = hosts_variable(variable);
    bool has = line->vars.values[i] != NULL;

    for (size_t k = 0; k < HOSTS_FOLDERS; k++)
        has = has || line->files[k].values[i];
    return has;
}

static int read_port(struct build *b)
{
    CLEANUP_TEXT struct text shown = TEXT_INIT;
    const char *name, *port;
    const struct hosts_node *at;
    int r = get_text(b, HOSTS_PORT, &name, &port, &at);

    if (r < 0)
        return r;
    /* To Ansible, "a1:2222" is the host's own ansible_port. */
    if (b->line->port &&
        (!port || (strcmp(name, "ansible_port") == 0 && !has_own(b->line, "ansible_port")))) {
        b->host.port = b->line->port;
        return 0;
    }
    if (!port)
        return 0;
    b->host.port = destination_port(port);
    if (b->host.port)
        return 0;
    text_add_shown(&shown, port);
    return fail_at(b, at, "%s: \"%s\" is not a port (1 to 65535)", name, text_str(&shown));
}

/* pyDCOP's agents speak IPv4 only. */
static int read_agent_address(struct build *b)
{
    CLEANUP_TEXT struct text shown = TEXT_INIT;
    const char *name, *address;
    const struct hosts_node *at;
    struct in_addr ignored;
    int r = get_text(b, HOSTS_AGENT_ADDRESS, &name, &address, &at);

    if (r < 0 || !address)
        return r;
    if (inet_pton(AF_INET, address, &ignored) == 1)
        return copy_string(b, address, &b->host.agent_address);
    text_add_shown(&shown, address);
    return fail_at(b, at, "%s: \"%s\" is not an IPv4 address", name, text_str(&shown));
}

static int read_user(struct build *b)
{
    CLEANUP_TEXT struct text shown = TEXT_INIT;
    const char *name, *user;
    const struct hosts_node *at;
    int r = get_text(b, HOSTS_USER, &name, &user, &at);
    CLEANUP_FREE char *before = NULL; /* what stands before the name's "@" */

    if (r == 0 && !user && strchr(b->line->name, '@')) {
        before = strndup(b->line->name, strcspn(b->line->name, "@"));
        if (!before)
            return no_memory(b);
        name = "the host";
        user = before;
    }
    if (r < 0 || !user)
        return r;
    if (destination_user_valid(user))
        return copy_string(b, user, &b->host.user);
    text_add_shown(&shown, user);
    return fail_at(b, at, "%s: \"%s\" is not a valid user name (" DESTINATION_USER_RULE ")", name,
                   text_str(&shown));
}

static int read_bounded_text(struct build *b, enum hosts_field field, size_t max, char **to)
{
    const char *name, *value;
    const struct hosts_node *at;
    int r = get_text(b, field, &name, &value, &at);

    if (r < 0 || !value)
        return r;
    if (!*value)
        return fail_at(b, at, "%s is empty; leave it out", name);
    if (strlen(value) > max)
        return fail_at(b, at, "%s is longer than %zu bytes", name, max);
    return copy_string(b, value, to);
}

static int check_connection(struct build *b)
{
    static const char *const ours[] = {"ssh", "smart", "paramiko", "paramiko_ssh",
                                       "ansible.builtin.ssh"};
    CLEANUP_TEXT struct text shown = TEXT_INIT;
    const char *name, *value;
    const struct hosts_node *at;
    int r = get_text(b, HOSTS_CONNECTION, &name, &value, &at);

    if (r < 0 || !value)
        return r;
    for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
        if (strcmp(value, ours[i]) == 0)
            return 0;
    text_add_shown(&shown, value);
    return fail_at(b, at, "%s: \"%s\" is not supported: machines are reached by ssh only", name,
                   text_str(&shown));
}

static int add_agent(struct build *b, const struct hosts_node *at, const char *agent, size_t size)
{
    CLEANUP_FREE char *name = strndup(agent, size);
    CLEANUP_TEXT struct text shown = TEXT_INIT;

    if (!name)
        return no_memory(b);
    if (!advert_agent_valid(name, size)) {
        text_add_shown(&shown, name);
        return fail_at(b, at, "\"%s\" is not a valid agent name: it is %s", text_str(&shown),
                       size == 0 ? "empty" : "too long, or holds a newline");
    }
    if (strings_has(&b->host.agents, name))
        return 0;
    if (b->host.agents.count == ADVERT_AGENTS_MAX)
        return fail_at(b, at, "more than %d agents on one host", ADVERT_AGENTS_MAX);
    return strings_add(&b->host.agents, name) < 0 ? no_memory(b) : 0;
}

static int add_agent_list(struct build *b, const struct hosts_node *list, const char *name)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < list->count; i++) {
        const char *agent;

        r = read_text(b, list->items[i], HOSTS_AGENTS, name, &agent);
        if (r == 0)
            r = add_agent(b, list->items[i], agent, strlen(agent));
    }
    if (r == 0 && list->count == 0)
        return fail_at(b, list, "%s is empty", name);
    return r;
}

/* agt_name as `pydcop agent -n` takes it: names separated by blanks. */
static int add_agent_words(struct build *b, const struct hosts_node *at, const char *words)
{
    static const char blanks[] = " \t\r\n";
    int r = 0;

    for (words += strspn(words, blanks); r == 0 && *words; words += strspn(words, blanks)) {
        size_t size = strcspn(words, blanks);

        r = add_agent(b, at, words, size);
        words += size;
    }
    if (r == 0 && b->host.agents.count == 0)
        return fail_at(b, at, "agt_name is empty");
    return r;
}

static int read_agents(struct build *b)
{
    const char *name, *words;
    const struct hosts_node *n = hosts_vars_get(&b->vars, HOSTS_AGENTS, &name);
    int r;

    if (!n)
        n = hosts_vars_get(&b->vars, HOSTS_AGENT, &name);
    if (!n)
        return add_agent(b, b->line->at, bare_name(b->line), strlen(bare_name(b->line)));
    if (n->kind == YAML_KIND_LIST)
        return add_agent_list(b, n, name);
    r = read_text(b, n, HOSTS_AGENT, name, &words);
    return r < 0 ? r : add_agent_words(b, n, words);
}

/* Sets "http://ADDRESS:PORT" and the path, unless there is no port or *to is set already. */
static int read_cache(struct build *b, const char *address, enum hosts_field field,
                      const char *path, char **to)
{
    CLEANUP_TEXT struct text shown = TEXT_INIT;
    const char *name, *port;
    const struct hosts_node *at;
    int r = get_text(b, field, &name, &port, &at);
    bool v6 = strchr(address, ':') != NULL;

    if (r < 0 || !port || *to)
        return r;
    text_add_shown(&shown, port);
    if (!destination_port(port))
        return fail_at(b, at, "%s: \"%s\" is not a port (1 to 65535)", name, text_str(&shown));
    if (asprintf(to, "http://%s%s%s:%u%s", v6 ? "[" : "", address, v6 ? "]" : "",
                 destination_port(port), path) >= 0)
        return 0;
    *to = NULL;
    return no_memory(b);
}

/* The caches, from the variables of pyDCOP's playbook; those of the first host that has them. */
static int read_caches(struct build *b, struct hosts *ret)
{
    CLEANUP_TEXT struct text shown = TEXT_INIT;
    const char *name, *address;
    const struct hosts_node *at;
    int r = get_text(b, HOSTS_CACHES, &name, &address, &at);

    if (r < 0 || !address)
        return r;
    text_add_shown(&shown, address);
    if (!destination_host_valid(address))
        return fail_at(b, at, "%s: \"%s\" is neither an address nor a host name", name,
                       text_str(&shown));
    r = read_cache(b, address, HOSTS_APT_PORT, "", &ret->apt_proxy);
    return r < 0 ? r
                 : read_cache(b, address, HOSTS_PIP_PORT, "/root/pypi/+simple/", &ret->pip_index);
}

static int read_host(struct build *b)
{
    struct host *h = &b->host;
    CLEANUP_TEXT struct text place = TEXT_INIT;
    int r = check_connection(b);

    if (r == 0)
        r = read_address(b);
    if (r == 0)
        r = read_port(b);
    if (r == 0)
        r = read_user(b);
    if (r == 0)
        r = read_agent_address(b);
    if (r == 0)
        r = read_bounded_text(b, HOSTS_PASSWORD, HOSTS_SECRET_MAX, &h->password);
    if (r == 0)
        r = read_bounded_text(b, HOSTS_BECOME_PASSWORD, HOSTS_SECRET_MAX, &h->become_password);
    if (r == 0)
        r = read_bounded_text(b, HOSTS_KEY, KEY_FILE_MAX, &h->key);
    if (r == 0)
        r = read_agents(b);
    if (r < 0)
        return r;
    hosts_node_place(b->line->at, &place);
    h->place = text_take(&place);
    h->name = strdup(b->line->name);
    if (!h->place || !h->name || strings_add(&h->names, h->name) < 0)
        return no_memory(b);
    return 0;
}

/* Adds a host's name and agents to the machine that an earlier host has described. */
static int join_machine(struct build *b, struct host *machine)
{
    const struct host *h = &b->host;
    CLEANUP_TEXT struct text name = TEXT_INIT;

    if (!string_equal(h->password, machine->password) ||
        !string_equal(h->become_password, machine->become_password) ||
        !string_equal(h->key, machine->key)) {
        text_add_shown(&name, machine->name);
        return fail_at(b, b->line->at,
                       "the same machine as \"%s\" at %s (address, port and user), but with "
                       "another password or key",
                       text_str(&name), machine->place);
    }
    if (strings_add(&machine->names, h->name) < 0)
        return no_memory(b);
    for (size_t i = 0; i < h->agents.count; i++) {
        if (strings_has(&machine->agents, h->agents.items[i]))
            continue;
        if (machine->agents.count == MACHINE_AGENTS_MAX)
            return fail_at(b, b->line->at, "more than %d agents on one machine",
                           MACHINE_AGENTS_MAX);
        if (strings_add(&machine->agents, h->agents.items[i]) < 0)
            return no_memory(b);
    }
    return 0;
}

static void host_clear(struct host *h)
{
    free(h->name);
    strings_clear(&h->names);
    strings_clear(&h->agents);
    free(h->address);
    free(h->user);
    free(h->agent_address);
    if (h->password)
        explicit_bzero(h->password, strlen(h->password));
    free(h->password);
    if (h->become_password)
        explicit_bzero(h->become_password, strlen(h->become_password));
    free(h->become_password);
    free(h->key);
    free(h->place);
    *h = (struct host){0};
}

void hosts_clear(struct hosts *h)
{
    for (size_t i = 0; i < h->count; i++)
        host_clear(&h->items[i]);
    free(h->items);
    strings_clear(&h->warnings);
    strings_clear(&h->shared);
    free(h->apt_proxy);
    free(h->pip_index);
    *h = HOSTS_INIT;
}

/* The machines up to here, by what makes two hosts the same machine. */
struct known_machines {
    struct strings keys;
    struct keyset by_key; /* a key to the machine's index + 1 */
};

static void known_machines_clear(struct known_machines *known)
{
    keyset_clear(&known->by_key);
    strings_clear(&known->keys);
}

/* "ADDRESS PORT USER", the same for each way to write the address. */
static int add_machine_key(struct build *b, struct strings *to)
{
    const struct host *h = &b->host;
    CLEANUP_TEXT struct text key = TEXT_INIT;
    struct address address;
    char canonical[ADDRESS_TEXT_MAX];

    if (address_parse(h->address, &address) == 0) {
        address_format(&address, canonical);
        text_adds(&key, canonical);
    } else
        for (const char *c = h->address; *c; c++)
            text_addc(&key, (char)tolower((unsigned char)*c));
    text_addf(&key, " %u", h->port ? h->port : 22);
    if (h->user)
        text_addf(&key, " %s", h->user);
    return text_error(&key) < 0 || strings_add(to, text_str(&key)) < 0 ? no_memory(b) : 0;
}

static int add_host(struct build *b, struct hosts *to, struct known_machines *known)
{
    const char *key;
    void **slot;
    int r = add_machine_key(b, &known->keys);

    if (r < 0)
        return r;
    key = known->keys.items[known->keys.count - 1];
    slot = keyset_slot(&known->by_key, key, strlen(key));
    if (!slot)
        return no_memory(b);
    if (*slot)
        return join_machine(b, &to->items[(uintptr_t)*slot - 1]);
    to->items[to->count++] = b->host;
    *slot = (void *)(uintptr_t)to->count;
    b->host = (struct host){0};
    return 0;
}

/* pyDCOP would start such an agent on each of the machines; its orchestrator would use the last. */
static int warn_shared_agents(struct hosts_inventory *v, struct hosts *h)
{
    CLEANUP_KEYSET struct keyset seen = {0}, shared = {0};

    for (size_t i = 0; i < h->count; i++)
        for (size_t j = 0; j < h->items[i].agents.count; j++) {
            const char *agent = h->items[i].agents.items[j];
            void **slot = keyset_slot(&seen, agent, strlen(agent)), **slot_shared;
            CLEANUP_TEXT struct text name = TEXT_INIT;

            if (!slot)
                return error_sys(v->err, -ENOMEM, "cannot read the inventory");
            if (!*slot) {
                *slot = &h->items[i];
                continue;
            }
            slot_shared = keyset_slot(&shared, agent, strlen(agent));
            if (!slot_shared)
                return error_sys(v->err, -ENOMEM, "cannot read the inventory");
            if (*slot_shared)
                continue;
            *slot_shared = &h->items[i];
            if (strings_add(&h->shared, agent) < 0)
                return error_sys(v->err, -ENOMEM, "cannot read the inventory");
            text_add_shown(&name, agent);
            if (h->warnings.count < HOSTS_WARNINGS_MAX) {
                CLEANUP_TEXT struct text line = TEXT_INIT;

                text_add_printable(&line, h->items[i].place);
                text_addf(&line, ": the agent \"%s\" is also on another machine, first at %s",
                          text_str(&name), ((struct host *)*slot)->place);
                if (strings_add(&h->warnings, text_str(&line)) < 0)
                    return error_sys(v->err, -ENOMEM, "cannot read the inventory");
            }
        }
    return 0;
}

int hosts_build(struct hosts_inventory *v, struct hosts *ret)
{
    CLEANUP(known_machines_clear) struct known_machines known = {0};
    int r = 0;

    ret->items = calloc(v->n_lines, sizeof(*ret->items));
    if (!ret->items)
        return error_sys(v->err, -ENOMEM, "cannot read the inventory");
    for (size_t i = 0; r == 0 && i < v->n_lines; i++) {
        struct build b = {.v = v, .line = &v->lines[i]};

        hosts_inventory_vars(v, b.line, &b.vars);
        r = read_host(&b);
        if (r == 0)
            r = read_caches(&b, ret);
        if (r == 0)
            r = add_host(&b, ret, &known);
        host_clear(&b.host);
    }
    return r < 0 ? r : warn_shared_agents(v, ret);
}
