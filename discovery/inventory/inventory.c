#include "inventory.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
/* The default one does not compile without warnings. */
#define HASH_FUNCTION(key, size, hash) HASH_FNV(key, size, hash)
#include <uthash.h>

#include "discovery/report/roster-text.h"
#include "private.h"

static const char *const format_names[] = {
    [INVENTORY_YAML] = "yaml",   [INVENTORY_INI] = "ini",
    [INVENTORY_JSON] = "json",   [INVENTORY_SSH_CONFIG] = "ssh-config",
    [INVENTORY_HOSTS] = "hosts",
};

int inventory_format_from_name(const char *name, enum inventory_format *ret, struct error *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(format_names); i++)
        if (strcmp(format_names[i], name) == 0) {
            *ret = (enum inventory_format)i;
            return 0;
        }
    return error_set(err, -EINVAL,
                     "unknown inventory format \"%s\": use yaml, ini, json, ssh-config or hosts",
                     name);
}

/* Names that belong to other machines, or to groups: Ansible warns about a host
 * that has the name of a group. */
static bool is_reserved(const char *name)
{
    static const char *const reserved[] = {"all",       "ungrouped", "agents", "_meta",
                                           "localhost", "127.0.0.1", "::1"};

    for (size_t i = 0; i < ARRAY_SIZE(reserved); i++)
        if (strcasecmp(reserved[i], name) == 0)
            return true;
    return strncmp(name, ADVERT_INSTANCE_PREFIX, strlen(ADVERT_INSTANCE_PREFIX)) == 0;
}

static bool is_name_char(uint32_t c)
{
    if (c < 0x80)
        return isalnum((int)c) || c == '_' || c == '-' || c == '.';
    return inventory_is_visible(c);
}

/* A host's name that Ansible accepts in every format, in a pattern (--limit)
 * and in a path: no range, no port, no wildcard, no option.  Letters of all
 * scripts are accepted. */
static bool is_host_name(const char *name)
{
    size_t left = strlen(name);

    if (*name == '-' || *name == '.' || is_reserved(name))
        return false;
    while (left > 0) {
        uint32_t c;
        size_t n = utf8_decode(name, left, &c);

        if (n == 0 || !is_name_char(c))
            return false;
        name += n;
        left -= n;
    }
    return true;
}

/* A name for ssh and /etc/hosts.  No dot: a machine must not be able to claim
 * that it is github.com.  At least one letter, so that it is not an address. */
static bool is_alias(const char *name)
{
    bool letter = false;

    for (const char *c = name; *c; c++) {
        letter = letter || isalpha((unsigned char)*c);
        if (!isalnum((unsigned char)*c) && *c != '_' && *c != '-')
            return false;
    }
    return letter && *name != '-' && strlen(name) <= 63 && strncasecmp(name, "ip6-", 4) != 0 &&
           !is_reserved(name);
}

/* A host's name that is safe on ssh's command line (RFC 952). */
static bool is_plain_host(const char *host)
{
    if (!host || !isalnum((unsigned char)*host) || strlen(host) > 253)
        return false;
    for (; *host; host++)
        if (!isalnum((unsigned char)*host) && *host != '-' && *host != '.' && *host != '_')
            return false;
    return true;
}

/* A name and how many have it. */
struct name {
    const char *key;
    size_t count;
    UT_hash_handle hh;
};

struct names {
    struct name *items;
    size_t count;
    struct name *by_key;
};

static void names_clear(struct names *n)
{
    HASH_CLEAR(hh, n->by_key);
    free(n->items);
}

static struct name *name_find(struct names *names, const char *key)
{
    struct name *found = NULL;

    HASH_FIND(hh, names->by_key, key, strlen(key), found);
    return found;
}

/* Counts one more machine with the name; there is room. */
static int name_count(struct names *names, const char *key)
{
    struct name *name = name_find(names, key);

    if (!name) {
        name = &names->items[names->count++];
        name->key = key;
        HASH_ADD_KEYPTR(hh, names->by_key, name->key, strlen(name->key), name);
        if (!name_find(names, key))
            return -ENOMEM;
    }
    name->count++;
    return 0;
}

static bool is_usable(const struct machine *m)
{
    return machine_is_there(m) && m->advert.agents.count > 0 &&
           (m->n_addresses > 0 || is_plain_host(m->host));
}

static int fill_names(struct names *names, const struct machine *const *machines, size_t n)
{
    size_t room = 1;

    for (size_t i = 0; i < n; i++)
        room += machines[i]->advert.agents.count;
    names->items = calloc(room, sizeof(*names->items));
    if (!names->items)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; is_usable(machines[i]) && j < machines[i]->advert.agents.count; j++)
            if (name_count(names, machines[i]->advert.agents.items[j]) < 0)
                return -ENOMEM;
    return 0;
}

static void host_clear(struct inventory_host *h)
{
    free(h->name);
    free(h->address);
    free(h->agt_name);
    strings_clear(&h->aliases);
}

static void inventory_clear(struct inventory *v)
{
    for (size_t i = 0; i < v->n_hosts; i++)
        host_clear(&v->hosts[i]);
    free(v->hosts);
    free(v->left_out);
}

static bool has_blank(const char *name)
{
    return strpbrk(name, " \t\r\v\f") != NULL;
}

static int host_fill_agents(struct inventory_host *h, struct names *names)
{
    const struct strings *agents = &h->machine->advert.agents;
    CLEANUP_TEXT struct text joined = TEXT_INIT;

    h->ambiguous = agents->count > 1;
    for (size_t i = 0; i < agents->count; i++) {
        const char *agent = agents->items[i];
        bool shared = name_find(names, agent)->count > 1;

        text_adds(&joined, i > 0 ? " " : "");
        text_adds(&joined, agent);
        h->ambiguous = h->ambiguous || has_blank(agent);
        h->shared = h->shared || shared;
        if (!shared && is_alias(agent) && strings_add(&h->aliases, agent) < 0)
            return -ENOMEM;
    }
    h->agt_name = text_take(&joined);
    return h->agt_name ? 0 : -ENOMEM;
}

/* A name that several machines have becomes no host's name: it would not be
 * clear which one `ssh a1` or `--limit a1` means. */
static int host_fill_name(struct inventory_host *h, struct names *names, size_t number)
{
    const struct machine *m = h->machine;
    const char *first = m->advert.agents.items[0];
    int r;

    if (is_host_name(first) && name_find(names, first)->count == 1)
        r = asprintf(&h->name, "%s", first);
    else if (!*m->advert.id)
        r = asprintf(&h->name, ADVERT_INSTANCE_PREFIX "host-%zu", number);
    else if (m->in_doubt) /* another machine has this id */
        r = asprintf(&h->name, ADVERT_INSTANCE_PREFIX "%s-%zu", m->advert.id, number);
    else
        r = asprintf(&h->name, ADVERT_INSTANCE_PREFIX "%s", m->advert.id);
    if (r < 0)
        h->name = NULL;
    return r < 0 ? -ENOMEM : 0;
}

static int host_fill(struct inventory_host *h, struct names *names, size_t number)
{
    const struct machine *m = h->machine;
    char address[ADDRESS_TEXT_MAX];

    if (m->n_addresses > 0)
        address_format(&m->addresses[0], address);
    h->address = strdup(m->n_addresses > 0 ? address : m->host);
    if (!h->address || host_fill_agents(h, names) < 0)
        return -ENOMEM;
    return host_fill_name(h, names, number);
}

static int inventory_make(const struct machine *const *machines, size_t n, const char *controller,
                          struct inventory *ret)
{
    CLEANUP(names_clear) struct names names = {0};
    CLEANUP(inventory_clear) struct inventory v = {.controller = controller};

    v.hosts = calloc(n + 1, sizeof(*v.hosts));
    v.left_out = calloc(n + 1, sizeof(struct machine *));
    if (!v.hosts || !v.left_out || fill_names(&names, machines, n) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        if (!is_usable(machines[i])) {
            v.left_out[v.n_left_out++] = machines[i];
            continue;
        }
        v.hosts[v.n_hosts].machine = machines[i];
        v.n_hosts++; /* half-built ones are cleared, too */
        if (host_fill(&v.hosts[v.n_hosts - 1], &names, v.n_hosts) < 0)
            return -ENOMEM;
    }
    *ret = v;
    v = (struct inventory){0};
    return 0;
}

int inventory_write(const struct machine *const *machines, size_t n, enum inventory_format format,
                    const char *controller, struct text *ret)
{
    CLEANUP(inventory_clear) struct inventory v = {0};
    int r = inventory_make(machines, n, controller, &v);

    if (r < 0)
        return r;
    switch (format) {
    case INVENTORY_YAML:
        return inventory_write_yaml(&v, ret);
    case INVENTORY_INI:
        return inventory_write_ini(&v, ret);
    case INVENTORY_JSON:
        return inventory_write_json(&v, ret);
    case INVENTORY_SSH_CONFIG:
        return inventory_write_ssh_config(&v, ret);
    case INVENTORY_HOSTS:
        return inventory_write_hosts(&v, ret);
    case INVENTORY_LIST:
        return inventory_write_list(&v, ret);
    }
    return -EINVAL;
}

int inventory_write_host(const struct machine *const *machines, size_t n, const char *name,
                         struct text *ret)
{
    CLEANUP(inventory_clear) struct inventory v = {0};
    int r = inventory_make(machines, n, NULL, &v);

    if (r < 0)
        return r;
    for (size_t i = 0; i < v.n_hosts; i++)
        if (strcmp(v.hosts[i].name, name) == 0)
            return inventory_write_hostvars(&v.hosts[i], ret);
    return -ENOENT;
}
