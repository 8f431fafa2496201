/* Inventories in text: Ansible's YAML and INI, ssh's configuration, hosts. */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "discovery/report/roster-text.h"
#include "inventory.h"
#include "private.h"

/* A word that every reader takes for a string: not a number, not a date, and
 * not a word with another meaning in YAML 1.1 (yaml.org/type/bool.html) or
 * Python. */
static bool is_plain_word(const char *s)
{
    static const char *const words[] = {"y",    "n",     "yes",  "no",  "on",   "off",
                                        "true", "false", "null", "nan", "none", "inf"};

    if (!isalpha((unsigned char)*s) && *s != '_')
        return false;
    for (const char *c = s; *c; c++)
        if (!isalnum((unsigned char)*c) && *c != '_' && *c != '-' && *c != '.')
            return false;
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (strcasecmp(words[i], s) == 0)
            return false;
    return true;
}

/* Four numbers with dots: a string in YAML, and not a valid literal in
 * Python. */
static bool is_ipv4(const char *s)
{
    struct address address;

    return address_parse(s, &address) == 0 && address.family == AF_INET;
}

/* A string literal as YAML's double-quoted style and Python read it alike; `escape` are further
 * characters that must not stand in it. */
static void add_quoted(struct text *t, const char *s, const char *escape)
{
    size_t left = strlen(s);
    uint32_t c;

    text_addc(t, '"');
    for (size_t n; left > 0; s += n, left -= n) {
        n = utf8_decode(s, left, &c);
        if (n == 0) {
            n = 1; /* not reached: agent names are UTF-8 */
            c = 0xfffd;
        }
        if (c == ' ' || (inventory_is_visible(c) &&
                         !(c < 0x80 && (c == '"' || c == '\\' || strchr(escape, (int)c)))))
            text_add(t, s, n);
        else if (c <= 0xff)
            text_addf(t, "\\x%02x", c);
        else
            text_addf(t, c <= 0xffff ? "\\u%04x" : "\\U%08x", c);
    }
    text_addc(t, '"');
}

static void add_yaml(struct text *t, const char *s)
{
    if (inventory_is_template(s))
        text_adds(t, "!unsafe ");
    if (is_plain_word(s) || is_ipv4(s))
        text_adds(t, s);
    else
        add_quoted(t, s, "");
}

static void add_yaml_names(struct text *t, const struct strings *names)
{
    for (size_t i = 0; i < names->count; i++) {
        text_adds(t, i > 0 ? ", " : "[");
        add_yaml(t, names->items[i]);
    }
    text_addc(t, ']');
}

static void add_yaml_host(struct text *t, const struct inventory_host *h)
{
    const struct machine *m = h->machine;

    if (h->shared)
        text_adds(t, "        # another machine has one of its names, too\n");
    text_adds(t, "        ");
    add_yaml(t, h->name);
    text_adds(t, ":\n          ansible_host: ");
    add_yaml(t, h->address);
    if (m->port)
        text_addf(t, "\n          ansible_port: %u", m->port);
    text_adds(t, "\n          ansible_user: ");
    add_yaml(t, inventory_user(m));
    text_adds(t, "\n          agt_name: ");
    add_yaml(t, h->agt_name);
    if (h->ambiguous) {
        text_adds(t, "\n          agt_names: ");
        add_yaml_names(t, &m->advert.agents);
    }
    text_addc(t, '\n');
}

int inventory_write_yaml(const struct inventory *v, struct text *ret)
{
    text_adds(ret, "all:\n  children:\n    agents:\n      hosts:");
    text_adds(ret, v->n_hosts > 0 ? "\n" : " {}\n");
    for (size_t i = 0; i < v->n_hosts; i++)
        add_yaml_host(ret, &v->hosts[i]);
    text_adds(ret, "      vars:\n");
    if (v->controller) {
        text_adds(ret, "        controller_proxy_addr: ");
        add_yaml(ret, v->controller);
        text_addc(ret, '\n');
    }
    text_addf(ret, "        apt_cache_port: %d\n        pip_cache_port: %d\n", APT_CACHE_PORT,
              PIP_CACHE_PORT);
    inventory_add_left_out(v, ret);
    return text_error(ret);
}

/* A Jinja expression that yields the string.  Ansible sometimes doubles the
 * backslashes in it, so there are none: such characters are written by number.
 * The filter keeps a result that looks like a list from becoming one. */
static void add_expression(struct text *t, const char *s)
{
    size_t left = strlen(s);
    uint32_t c;

    text_adds(t, "{{ (\"");
    for (size_t n; left > 0; s += n, left -= n) {
        n = utf8_decode(s, left, &c);
        n = n ? n : 1;
        if (c == ' ' || (inventory_is_visible(c) && c != '"' && c != '\\'))
            text_add(t, s, n);
        else
            text_addf(t, "\" ~ \"%%c\" %% %u ~ \"", c);
    }
    text_adds(t, "\")|string }}");
}

/* Ansible reads INI values as Python literals if it can, else as strings.  A
 * string cannot be marked as unsafe, so one that Jinja would change becomes an
 * expression. */
static void add_ini_literal(struct text *t, const char *s)
{
    CLEANUP_TEXT struct text expression = TEXT_INIT;

    if (!inventory_is_template(s)) {
        add_quoted(t, s, "'");
        return;
    }
    add_expression(&expression, s);
    add_quoted(t, text_str(&expression), "'");
    if (text_error(&expression) < 0)
        t->failed = true;
}

/* Also plain in Python, which finds a number in "a-3or" and warns about it. */
static bool is_plain_in_ini(const char *s)
{
    return (is_plain_word(s) && !strpbrk(s, "-.")) || is_ipv4(s);
}

/* Ansible splits the line as a shell would: nothing is special in single
 * quotes. */
static void add_ini(struct text *t, const char *s)
{
    if (is_plain_in_ini(s)) {
        text_adds(t, s);
        return;
    }
    text_addc(t, '\'');
    add_ini_literal(t, s);
    text_addc(t, '\'');
}

static void add_ini_host(struct text *t, const struct inventory_host *h)
{
    const struct strings *agents = &h->machine->advert.agents;

    if (h->shared)
        text_adds(t, "# another machine has one of its names, too\n");
    text_adds(t, h->name);
    text_adds(t, " ansible_host=");
    add_ini(t, h->address);
    if (h->machine->port)
        text_addf(t, " ansible_port=%u", h->machine->port);
    text_adds(t, " ansible_user=");
    add_ini(t, inventory_user(h->machine));
    text_adds(t, " agt_name=");
    add_ini(t, h->agt_name);
    for (size_t i = 0; h->ambiguous && i < agents->count; i++) {
        text_adds(t, i > 0 ? ", " : " agt_names='[");
        add_ini_literal(t, agents->items[i]);
    }
    text_adds(t, h->ambiguous ? "]'\n" : "\n");
}

int inventory_write_ini(const struct inventory *v, struct text *ret)
{
    text_adds(ret, "[agents]\n");
    for (size_t i = 0; i < v->n_hosts; i++)
        add_ini_host(ret, &v->hosts[i]);
    text_adds(ret, "\n[agents:vars]\n");
    if (v->controller) {
        text_adds(ret, "controller_proxy_addr=");
        /* These lines are not split like the hosts' lines: a literal needs no
         * quotes. */
        if (is_plain_in_ini(v->controller))
            text_adds(ret, v->controller);
        else
            add_ini_literal(ret, v->controller);
        text_addc(ret, '\n');
    }
    text_addf(ret, "apt_cache_port=%d\npip_cache_port=%d\n", APT_CACHE_PORT, PIP_CACHE_PORT);
    inventory_add_left_out(v, ret);
    return text_error(ret);
}

/* Writes the host's own name and its aliases. */
static void add_aliases(struct text *t, const struct inventory_host *h)
{
    const char *id = h->machine->advert.id;

    for (size_t i = 0; i < h->aliases.count; i++)
        text_addf(t, "%s ", h->aliases.items[i]);
    if (*id && !h->machine->in_doubt)
        text_addf(t, ADVERT_INSTANCE_PREFIX "%s", id);
    else
        text_adds(t, h->name);
}

/* ssh_config(5): "%" starts a token in HostName. */
static void add_host_name(struct text *t, const char *address)
{
    for (; *address; address++) {
        if (*address == '%')
            text_addc(t, '%');
        text_addc(t, *address);
    }
}

int inventory_write_ssh_config(const struct inventory *v, struct text *ret)
{
    for (size_t i = 0; i < v->n_hosts; i++) {
        const struct inventory_host *h = &v->hosts[i];
        const struct machine *m = h->machine;

        text_adds(ret, i > 0 ? "\nHost " : "Host ");
        add_aliases(ret, h);
        text_adds(ret, "\n    HostName ");
        add_host_name(ret, h->address);
        if (m->port)
            text_addf(ret, "\n    Port %u", m->port);
        text_addf(ret, "\n    User %s", inventory_user(m));
        /* Addresses change, and another machine may get an old one.  So the key
         * in known_hosts is stored under the machine's id. */
        if (*m->advert.id)
            text_addf(ret, "\n    HostKeyAlias " ADVERT_INSTANCE_PREFIX "%s", m->advert.id);
        text_addc(ret, '\n');
    }
    inventory_add_left_out(v, ret);
    return text_error(ret);
}

/* The best address that /etc/hosts can hold.  glibc ignores a line whose address has a
 * zone (fe80::1%eth0), and without its zone a link-local IPv6 address leads nowhere.
 * NULL: there is none. */
static const struct address *find_plain_address(const struct machine *m)
{
    for (size_t i = 0; i < m->n_addresses; i++)
        if (m->addresses[i].family == AF_INET || !address_is_link_local(&m->addresses[i]))
            return &m->addresses[i];
    return NULL;
}

static void add_hosts_line(struct text *t, const struct inventory_host *h)
{
    const struct address *plain = find_plain_address(h->machine);
    char address[ADDRESS_TEXT_MAX];

    if (plain != &h->machine->addresses[0]) {
        text_adds(t, "# ");
        report_add_label(t, h->machine);
        text_addf(t, ": %s needs its interface, which this file cannot name%s\n", h->address,
                  plain ? "" : "; there is no other address");
    }
    if (!plain)
        return;
    address_format(plain, address);
    text_addf(t, "%s\t", address);
    add_aliases(t, h);
    text_addc(t, '\n');
}

int inventory_write_hosts(const struct inventory *v, struct text *ret)
{
    for (size_t i = 0; i < v->n_hosts; i++)
        if (v->hosts[i].machine->n_addresses > 0) /* else there is only a host name */
            add_hosts_line(ret, &v->hosts[i]);
    inventory_add_left_out(v, ret);
    return text_error(ret);
}
