/* Roster and match as JSON. */
#include "value.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

DEFINE_CLEANUP(json_t *, json_decref);
#define CLEANUP_JSON CLEANUP(json_decref_p)

/* Text that is not UTF-8 (a host's name may be anything) is escaped. */
static json_t *json_text(const char *string)
{
    CLEANUP_TEXT struct text printable = TEXT_INIT;

    if (utf8_valid(string, strlen(string)))
        return json_string(string);
    text_add_printable(&printable, string);
    return text_error(&printable) < 0 ? NULL : json_string(text_str(&printable));
}

/* Takes ownership of `value`; false when there is no memory. */
static bool put_value(json_t *object, const char *key, json_t *value)
{
    return json_object_set_new(object, key, value) == 0;
}

/* Unknown values are left out. */
static bool put_text(json_t *object, const char *key, const char *value)
{
    return !value || !*value || put_value(object, key, json_text(value));
}

static bool put_time(json_t *object, const char *key, const struct timespec *when)
{
    char text[40], whole[80];
    struct tm tm;

    if ((when->tv_sec == 0 && when->tv_nsec == 0) || !gmtime_r(&when->tv_sec, &tm) ||
        strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm) == 0)
        return true;
    (void)snprintf(whole, sizeof(whole), "%s.%03ldZ", text, when->tv_nsec / 1000000);
    return put_value(object, key, json_string(whole));
}

static bool put_bool(json_t *object, const char *key, bool value)
{
    return put_value(object, key, json_boolean(value));
}

static json_t *json_texts(char *const *items, size_t n)
{
    CLEANUP_JSON json_t *array = json_array();

    for (size_t i = 0; array && i < n; i++)
        if (json_array_append_new(array, json_text(items[i])) < 0)
            return NULL;
    return TAKE_PTR(array);
}

static json_t *json_addresses(const struct machine *m)
{
    CLEANUP_JSON json_t *array = json_array();

    for (size_t i = 0; array && i < m->n_addresses; i++) {
        char text[ADDRESS_TEXT_MAX];

        address_format(&m->addresses[i], text);
        if (json_array_append_new(array, json_text(text)) < 0)
            return NULL;
    }
    return TAKE_PTR(array);
}

json_t *report_machine_value(const struct machine *m)
{
    CLEANUP_JSON json_t *o = json_object();
    const struct advert *a = &m->advert;
    bool ok;

    if (!o)
        return NULL;
    ok = put_text(o, "id", a->id) && put_text(o, "host", m->host) &&
         put_value(o, "addresses", json_addresses(m)) &&
         (m->port == 0 || put_value(o, "port", json_integer(m->port))) &&
         put_value(o, "agents", json_texts(a->agents.items, a->agents.count)) &&
         (!m->beacon || put_text(o, "fleet", machine_fleet(m))) && put_text(o, "user", a->user) &&
         put_text(o, "hostkey", a->hostkey) && put_text(o, "os", a->os) &&
         put_text(o, "arch", a->arch) && put_text(o, "python", a->python) &&
         put_text(o, "model", a->model) && put_text(o, "state", advert_state_name(a->state)) &&
         put_text(o, "pydcop", a->pydcop) && put_text(o, "error", a->error) &&
         put_bool(o, "beacon", m->beacon) && put_bool(o, "verified", m->verified && !m->by_hand) &&
         (!m->by_hand || put_bool(o, "by_hand", true)) &&
         (m->unheard || put_bool(o, "online", m->online)) &&
         put_time(o, "first_seen", &m->first_seen) && put_time(o, "last_seen", &m->last_seen);
    return ok ? TAKE_PTR(o) : NULL;
}

static int add_chunk(const char *bytes, size_t size, void *text)
{
    text_add(text, bytes, size);
    return text_error(text) < 0 ? -1 : 0;
}

static int add_json(struct text *ret, const json_t *json, size_t flags)
{
    return json && json_dump_callback(json, add_chunk, ret, flags) == 0 ? 0 : -ENOMEM;
}

/* One a line. */
static int add_item(struct text *ret, const json_t *item, bool first)
{
    text_adds(ret, first ? "\n " : ",\n ");
    return add_json(ret, item, 0);
}

static int add_machines(const struct machine *const *machines, size_t n, struct text *ret)
{
    text_adds(ret, "{\"version\": 1, \"machines\": [");
    for (size_t i = 0; i < n; i++) {
        CLEANUP_JSON json_t *machine = report_machine_value(machines[i]);

        if (add_item(ret, machine, i == 0) < 0)
            return -ENOMEM;
    }
    text_adds(ret, n > 0 ? "\n]" : "]");
    return text_error(ret);
}

int report_roster_json(const struct machine *const *machines, size_t n, struct text *ret)
{
    int r = add_machines(machines, n, ret);

    text_adds(ret, "}\n");
    return r < 0 ? r : text_error(ret);
}

/* "ssh" of "_ssh._tcp". */
static json_t *json_services(unsigned services)
{
    CLEANUP_JSON json_t *array = json_array();

    for (size_t i = 0; array && i < CANDIDATE_SERVICES; i++) {
        const char *type = candidate_service_type(i);

        if (services & 1U << i &&
            json_array_append_new(array, json_stringn(type + 1, strcspn(type, ".") - 1)) < 0)
            return NULL;
    }
    return TAKE_PTR(array);
}

static json_t *json_candidate(const struct candidate *c)
{
    CLEANUP_JSON json_t *o = json_object();

    return o && put_text(o, "host", c->machine.host) &&
                   put_value(o, "addresses", json_addresses(&c->machine)) &&
                   put_value(o, "port", json_integer(c->machine.port)) &&
                   put_text(o, "mac", c->mac) &&
                   put_value(o, "services", json_services(c->services))
               ? TAKE_PTR(o)
               : NULL;
}

int report_all_json(const struct machine *const *machines, size_t n,
                    const struct candidate_list *candidates, struct text *ret)
{
    int r = add_machines(machines, n, ret);

    text_adds(ret, ",\n \"candidates\": [");
    for (size_t i = 0; i < candidates->count && r >= 0; i++) {
        CLEANUP_JSON json_t *candidate = json_candidate(&candidates->items[i]);

        r = add_item(ret, candidate, i == 0);
    }
    text_adds(ret, candidates->count > 0 ? "\n]}\n" : "]}\n");
    return r < 0 ? r : text_error(ret);
}

int report_change_json(const struct machine *m, enum roster_change change,
                       const struct timespec *when, struct text *ret)
{
    CLEANUP_JSON json_t *o = json_object();

    if (!o || !put_value(o, "version", json_integer(1)) ||
        !put_text(o, "event", roster_change_name(change)) || !put_time(o, "time", when) ||
        !put_value(o, "machine", report_machine_value(m)) || add_json(ret, o, 0) < 0)
        return -ENOMEM;
    text_addc(ret, '\n');
    return text_error(ret);
}

static json_t *json_problem(const struct problem *p)
{
    CLEANUP_JSON json_t *o = json_object();

    return o && put_text(o, "name", p->name) &&
                   put_value(o, "files", json_texts(p->files.items, p->files.count)) &&
                   put_value(o, "agents", json_integer((json_int_t)p->agents.count)) &&
                   put_value(o, "variables", json_integer((json_int_t)p->variables))
               ? TAKE_PTR(o)
               : NULL;
}

/* A machine's name in the match's lists: its id, or without a beacon its
 * host. */
static json_t *json_machine_name(const struct machine *m)
{
    return json_text(*m->advert.id ? m->advert.id : m->host ? m->host : "");
}

static json_t *json_matched(const struct match_pair *pair)
{
    CLEANUP_JSON json_t *o = json_object();
    const struct machine *m = pair->machine;
    char address[ADDRESS_TEXT_MAX] = "";

    if (m->n_addresses > 0)
        address_format(&m->addresses[0], address);
    return o && put_value(o, "agent", json_text(pair->agent)) &&
                   put_value(o, "machine", json_machine_name(m)) && put_text(o, "host", m->host) &&
                   put_text(o, "address", address)
               ? TAKE_PTR(o)
               : NULL;
}

static json_t *json_machine_names(const struct machine *const *machines, size_t n)
{
    CLEANUP_JSON json_t *array = json_array();

    for (size_t i = 0; array && i < n; i++)
        if (json_array_append_new(array, json_machine_name(machines[i])) < 0)
            return NULL;
    return TAKE_PTR(array);
}

static json_t *json_duplicate(const struct match_duplicate *d)
{
    CLEANUP_JSON json_t *o = json_object();

    return o && put_value(o, "agent", json_text(d->agent)) &&
                   put_value(o, "machines", json_machine_names(d->machines, d->count))
               ? TAKE_PTR(o)
               : NULL;
}

static json_t *json_claim(const struct match_claim *c)
{
    CLEANUP_JSON json_t *o = json_object();

    return o && put_value(o, "agent", json_text(c->agent)) &&
                   put_value(o, "machine", json_machine_name(c->machine)) &&
                   put_value(o, "holder", json_machine_name(c->holder))
               ? TAKE_PTR(o)
               : NULL;
}

static json_t *json_unexpected(const struct match_unexpected *u)
{
    CLEANUP_JSON json_t *o = json_object();

    return o && put_value(o, "agent", json_text(u->agent)) &&
                   put_value(o, "machine", json_machine_name(u->machine)) &&
                   put_text(o, "suggestion", u->suggestion)
               ? TAKE_PTR(o)
               : NULL;
}

/* An array of what `one` makes of each of the match's items. */
#define JSON_LIST(items, n, one)                                                                   \
    __extension__({                                                                                \
        json_t *list_ = json_array();                                                              \
        for (size_t i_ = 0; list_ && i_ < (n); i_++)                                               \
            if (json_array_append_new(list_, one(&(items)[i_])) < 0) {                             \
                json_decref(list_);                                                                \
                list_ = NULL;                                                                      \
            }                                                                                      \
        list_;                                                                                     \
    })

static json_t *json_missing(const char *const *agent)
{
    return json_text(*agent);
}

static json_t *json_offline(const struct match_pair *pair)
{
    return json_text(pair->agent);
}

json_t *report_match_value(const struct match *m, bool strict)
{
    CLEANUP_JSON json_t *o = json_object();
    bool ok;

    if (!o)
        return NULL;
    ok = put_value(o, "version", json_integer(1)) &&
         put_value(o, "problem", json_problem(m->problem)) &&
         put_bool(o, "ok", match_ok(m, strict)) &&
         put_value(o, "matched", JSON_LIST(m->matched, m->n_matched, json_matched)) &&
         put_value(o, "missing", JSON_LIST(m->missing, m->n_missing, json_missing)) &&
         put_value(o, "offline", JSON_LIST(m->offline, m->n_offline, json_offline)) &&
         put_value(o, "duplicates", JSON_LIST(m->duplicates, m->n_duplicates, json_duplicate)) &&
         put_value(o, "claims", JSON_LIST(m->claims, m->n_claims, json_claim)) &&
         put_value(o, "unexpected", JSON_LIST(m->unexpected, m->n_unexpected, json_unexpected)) &&
         put_value(o, "unassigned", json_machine_names(m->unassigned, m->n_unassigned)) &&
         put_value(o, "unverified", json_machine_names(m->unverified, m->n_unverified)) &&
         put_value(o, "warnings", json_texts(m->warnings.items, m->warnings.count));
    return ok ? TAKE_PTR(o) : NULL;
}

int report_match_json(const struct match *m, bool strict, struct text *ret)
{
    CLEANUP_JSON json_t *o = report_match_value(m, strict);

    if (add_json(ret, o, JSON_INDENT(2)) < 0)
        return -ENOMEM;
    text_addc(ret, '\n');
    return text_error(ret);
}
