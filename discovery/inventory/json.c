/* Inventories in JSON: the file, and what Ansible's script plugin reads. */
#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "inventory.h"
#include "private.h"

DEFINE_CLEANUP(json_t *, json_decref);
#define CLEANUP_JSON CLEANUP(json_decref_p)

/* Takes ownership of `value`; false when there is no memory. */
static bool put_value(json_t *object, const char *key, json_t *value)
{
    return json_object_set_new(object, key, value) == 0;
}

/* A value that Ansible must not template is marked as its own JSON encoder
 * marks it (ansible.parsing.ajson). */
static json_t *json_value(const char *s)
{
    CLEANUP_JSON json_t *o = NULL;

    if (!inventory_is_template(s))
        return json_string(s);
    o = json_object();
    return o && put_value(o, "__ansible_unsafe", json_string(s)) ? TAKE_PTR(o) : NULL;
}

static json_t *json_names(const struct strings *names)
{
    CLEANUP_JSON json_t *array = json_array();

    for (size_t i = 0; array && i < names->count; i++)
        if (json_array_append_new(array, json_value(names->items[i])) < 0)
            return NULL;
    return TAKE_PTR(array);
}

static json_t *json_hostvars(const struct inventory_host *h)
{
    CLEANUP_JSON json_t *o = json_object();
    const struct machine *m = h->machine;

    return o && put_value(o, "ansible_host", json_value(h->address)) &&
                   (m->port == 0 || put_value(o, "ansible_port", json_integer(m->port))) &&
                   put_value(o, "ansible_user", json_value(inventory_user(m))) &&
                   put_value(o, "agt_name", json_value(h->agt_name)) &&
                   (!h->ambiguous || put_value(o, "agt_names", json_names(&m->advert.agents)))
               ? TAKE_PTR(o)
               : NULL;
}

static json_t *json_all_hostvars(const struct inventory *v)
{
    CLEANUP_JSON json_t *o = json_object();

    for (size_t i = 0; o && i < v->n_hosts; i++)
        if (!put_value(o, v->hosts[i].name, json_hostvars(&v->hosts[i])))
            return NULL;
    return TAKE_PTR(o);
}

static json_t *json_vars(const struct inventory *v)
{
    CLEANUP_JSON json_t *o = json_object();

    return o &&
                   (!v->controller ||
                    put_value(o, "controller_proxy_addr", json_value(v->controller))) &&
                   put_value(o, "apt_cache_port", json_integer(APT_CACHE_PORT)) &&
                   put_value(o, "pip_cache_port", json_integer(PIP_CACHE_PORT))
               ? TAKE_PTR(o)
               : NULL;
}

/* {"KEY": value}; takes ownership of `value`. */
static json_t *json_in(const char *key, json_t *value)
{
    CLEANUP_JSON json_t *o = json_object();

    if (o)
        return put_value(o, key, value) ? TAKE_PTR(o) : NULL;
    json_decref(value);
    return NULL;
}

static int add_chunk(const char *bytes, size_t size, void *text)
{
    text_add(text, bytes, size);
    return text_error(text) < 0 ? -1 : 0;
}

static int add_document(struct text *ret, const json_t *json)
{
    if (!json || json_dump_callback(json, add_chunk, ret, JSON_INDENT(2)) < 0)
        return -ENOMEM;
    text_addc(ret, '\n');
    return text_error(ret);
}

int inventory_write_json(const struct inventory *v, struct text *ret)
{
    CLEANUP_JSON json_t *agents = json_object();
    CLEANUP_JSON json_t *all = NULL;

    if (!agents || !put_value(agents, "hosts", json_all_hostvars(v)) ||
        !put_value(agents, "vars", json_vars(v)))
        return -ENOMEM;
    all = json_in("all", json_in("children", json_in("agents", TAKE_PTR(agents))));
    return add_document(ret, all);
}

int inventory_write_list(const struct inventory *v, struct text *ret)
{
    CLEANUP_JSON json_t *agents = json_object();
    CLEANUP_JSON json_t *names = json_array();
    CLEANUP_JSON json_t *root = json_object();

    for (size_t i = 0; names && i < v->n_hosts; i++)
        if (json_array_append_new(names, json_string(v->hosts[i].name)) < 0)
            return -ENOMEM;
    if (!agents || !names || !root || !put_value(agents, "hosts", TAKE_PTR(names)) ||
        !put_value(agents, "vars", json_vars(v)) || !put_value(root, "agents", TAKE_PTR(agents)) ||
        !put_value(root, "_meta", json_in("hostvars", json_all_hostvars(v))))
        return -ENOMEM;
    return add_document(ret, root);
}

int inventory_write_hostvars(const struct inventory_host *h, struct text *ret)
{
    CLEANUP_JSON json_t *o = json_hostvars(h);

    return add_document(ret, o);
}
