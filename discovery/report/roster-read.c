/* A roster read back from its JSON.  The file may be as hostile as the
 * network. */
#include "roster-text.h"

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "discovery/roster/machine.h"

DEFINE_CLEANUP(json_t *, json_decref);
#define CLEANUP_JSON CLEANUP(json_decref_p)

/* Bounds of values without a fixed form: a host's name (RFC 1035 §2.3.4), and
 * free text, which fits one string of a TXT record. */
enum { HOST_MAX = 255, FREE_TEXT_MAX = 255 };

/* The reader's place, for messages. */
struct place {
    const char *file;
    size_t machine;
    struct error *err;
};

static int fail_key(const struct place *p, const char *key, const char *what)
{
    return error_set(p->err, -EBADMSG, "%s: machines[%zu]%s%s: %s", p->file, p->machine,
                     key ? "." : "", key ? key : "", what);
}

static int out_of_memory(const struct place *p)
{
    return error_sys(p->err, -ENOMEM, "cannot read %s", p->file);
}

static bool is_line(const char *s, size_t max)
{
    size_t n = strlen(s);

    return n > 0 && n <= max && !strchr(s, '\n');
}

static bool is_host(const char *s)
{
    return is_line(s, HOST_MAX);
}

static bool is_free_text(const char *s)
{
    return is_line(s, FREE_TEXT_MAX);
}

static bool is_word(const char *s)
{
    for (const char *c = s; *c; c++)
        if (!isgraph((unsigned char)*c))
            return false;
    return is_line(s, FREE_TEXT_MAX);
}

static bool is_fingerprint(const char *s)
{
    /* ssh-keygen(1) -l: 32 bytes in base64 without padding. */
    return strncmp(s, "SHA256:", 7) == 0 &&
           string_is_one_of(
               s + 7, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", 43, 43);
}

/* The string under a key, borrowed; NULL when there is none. */
static int get_text(const struct place *p, const json_t *o, const char *key,
                    bool (*valid)(const char *), const char **ret)
{
    const json_t *value = json_object_get(o, key);

    *ret = NULL;
    if (!value)
        return 0;
    if (!json_is_string(value))
        return fail_key(p, key, "not a string");
    if (!valid(json_string_value(value)))
        return fail_key(p, key, "not in the required form");
    *ret = json_string_value(value);
    return 0;
}

static int get_bool(const struct place *p, const json_t *o, const char *key, bool *ret)
{
    const json_t *value = json_object_get(o, key);

    if (!value)
        return 0;
    if (!json_is_boolean(value))
        return fail_key(p, key, "not true or false");
    *ret = json_is_true(value);
    return 0;
}

/* Two digits or more, as a number. */
static bool take_digits(const char **at, size_t n, int *ret)
{
    int number = 0;

    for (size_t i = 0; i < n; i++, (*at)++) {
        if (!isdigit((unsigned char)**at))
            return false;
        number = number * 10 + (**at - '0');
    }
    *ret = number;
    return true;
}

static bool take_char(const char **at, char c)
{
    if (**at != c)
        return false;
    (*at)++;
    return true;
}

/* RFC 3339 §5.6 as roster-json.c writes it: in UTC, with a fraction or
 * without. */
static bool parse_time(const char *s, struct timespec *ret)
{
    struct tm tm = {0}, check;
    long nanoseconds = 0;
    time_t t;

    if (!take_digits(&s, 4, &tm.tm_year) || !take_char(&s, '-') ||
        !take_digits(&s, 2, &tm.tm_mon) || !take_char(&s, '-') ||
        !take_digits(&s, 2, &tm.tm_mday) || !take_char(&s, 'T') ||
        !take_digits(&s, 2, &tm.tm_hour) || !take_char(&s, ':') ||
        !take_digits(&s, 2, &tm.tm_min) || !take_char(&s, ':') || !take_digits(&s, 2, &tm.tm_sec))
        return false;
    if (take_char(&s, '.')) {
        if (!isdigit((unsigned char)*s))
            return false;
        for (long unit = 100000000; isdigit((unsigned char)*s); unit /= 10)
            nanoseconds += unit * (*s++ - '0');
    }
    if (strcmp(s, "Z") != 0 || tm.tm_year < 1970 || tm.tm_mon < 1)
        return false;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    check = tm;
    t = timegm(&check);
    if (check.tm_mon != tm.tm_mon || check.tm_mday != tm.tm_mday || check.tm_hour != tm.tm_hour ||
        check.tm_min != tm.tm_min || check.tm_sec != tm.tm_sec)
        return false; /* the 31st of June */
    *ret = (struct timespec){.tv_sec = t, .tv_nsec = nanoseconds};
    return true;
}

static int get_time(const struct place *p, const json_t *o, const char *key, struct timespec *ret)
{
    const char *text;
    int r = get_text(p, o, key, is_free_text, &text);

    if (r < 0 || !text)
        return r;
    return parse_time(text, ret) ? 0 : fail_key(p, key, "not a time like 2026-01-31T12:00:00Z");
}

static int get_array(const struct place *p, const json_t *o, const char *key, size_t max,
                     const json_t **ret)
{
    *ret = json_object_get(o, key);
    if (!*ret)
        return 0;
    if (!json_is_array(*ret))
        return fail_key(p, key, "not a list");
    return json_array_size(*ret) <= max ? 0 : fail_key(p, key, "too long");
}

static int fail_item(const struct place *p, const char *key, size_t i, const char *what)
{
    return error_set(p->err, -EBADMSG, "%s: machines[%zu].%s[%zu]: %s", p->file, p->machine, key, i,
                     what);
}

static int get_agents(const struct place *p, const json_t *o, struct strings *ret)
{
    const json_t *array;
    int r = get_array(p, o, "agents", ADVERT_AGENTS_MAX, &array);

    for (size_t i = 0; r == 0 && i < json_array_size(array); i++) {
        const json_t *item = json_array_get(array, i);
        const char *agent = json_string_value(item);

        if (!agent || !advert_agent_valid(agent, strlen(agent)))
            return fail_item(p, "agents", i, "not an agent name");
        if (strings_has(ret, agent))
            return fail_item(p, "agents", i, "given twice");
        if (strings_add(ret, agent) < 0)
            return out_of_memory(p);
    }
    return r;
}

/* -ENODEV for a link-local address on an interface that is not here. */
static int parse_address(const char *text, struct address *ret)
{
    char bare[ADDRESS_TEXT_MAX];
    size_t n = strcspn(text, "%");

    if (strlen(text) >= ADDRESS_TEXT_MAX)
        return -EINVAL;
    if (address_parse(text, ret) == 0)
        return 0;
    if (text[n] == '\0' || strncasecmp(text, "fe80:", 5) != 0)
        return -EINVAL;
    memcpy(bare, text, n);
    bare[n] = '\0';
    return address_parse(bare, ret) == 0 ? -ENODEV : -EINVAL;
}

static int get_addresses(const struct place *p, const json_t *o, struct machine *m)
{
    const json_t *array;
    int r = get_array(p, o, "addresses", ROSTER_ADDRESSES_MAX, &array);

    if (r < 0 || json_array_size(array) == 0)
        return r;
    m->addresses = calloc(json_array_size(array), sizeof(*m->addresses));
    if (!m->addresses)
        return out_of_memory(p);
    for (size_t i = 0; i < json_array_size(array); i++) {
        const char *text = json_string_value(json_array_get(array, i));

        r = text ? parse_address(text, &m->addresses[m->n_addresses]) : -EINVAL;
        if (r == -EINVAL)
            return fail_item(p, "addresses", i, "not an IP address");
        if (r == 0)
            m->n_addresses++;
    }
    return 0;
}

static int get_port(const struct place *p, const json_t *o, uint16_t *ret)
{
    const json_t *value = json_object_get(o, "port");
    json_int_t port = json_integer_value(value);

    if (!value)
        return 0;
    if (!json_is_integer(value) || port < 1 || port > UINT16_MAX)
        return fail_key(p, "port", "not a port (1 to 65535)");
    *ret = (uint16_t)port;
    return 0;
}

static int get_id(const struct place *p, const json_t *o, struct machine *m)
{
    const char *id;
    int r = get_text(p, o, "id", advert_id_valid, &id);

    if (r < 0)
        return r;
    if (id)
        memcpy(m->advert.id, id, sizeof(m->advert.id));
    m->beacon = id;
    r = get_bool(p, o, "beacon", &m->beacon);
    if (r == 0 && m->beacon && !id)
        return fail_key(p, NULL, "it has a beacon, but no id");
    return r;
}

static int get_texts(const struct place *p, const json_t *o, struct machine *m)
{
    struct advert *a = &m->advert;
    const struct {
        const char *key;
        bool (*valid)(const char *);
        char **into;
    } rows[] = {
        {"host", is_host, &m->host},
        {"fleet", advert_fleet_valid, &a->fleet},
        {"user", advert_user_valid, &a->user},
        {"hostkey", is_fingerprint, &a->hostkey},
        {"os", is_word, &a->os},
        {"arch", is_word, &a->arch},
        {"python", is_word, &a->python},
        {"model", is_free_text, &a->model},
        {"pydcop", is_word, &a->pydcop},
        {"error", is_free_text, &a->error},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const char *value;
        int r = get_text(p, o, rows[i].key, rows[i].valid, &value);

        if (r < 0)
            return r;
        if (!value)
            continue;
        *rows[i].into = strdup(value);
        if (!*rows[i].into)
            return out_of_memory(p);
    }
    if (string_equal(a->fleet, ADVERT_FLEET_DEFAULT)) {
        free(a->fleet);
        a->fleet = NULL;
    }
    return 0;
}

static bool is_state(const char *s)
{
    return advert_state_from_name(s) != ADVERT_STATE_UNKNOWN;
}

static int read_machine(const struct place *p, const json_t *o, struct machine *m)
{
    const char *state;
    int r;

    if (!json_is_object(o))
        return fail_key(p, NULL, "not an object");
    m->online = true;
    /* Discovery leaves it out for a machine that has not answered; a person may, too. */
    m->unheard = !json_object_get(o, "online") && json_object_get(o, "first_seen");
    if ((r = get_id(p, o, m)) < 0 || (r = get_texts(p, o, m)) < 0 ||
        (r = get_text(p, o, "state", is_state, &state)) < 0 || (r = get_addresses(p, o, m)) < 0 ||
        (r = get_port(p, o, &m->port)) < 0 || (r = get_agents(p, o, &m->advert.agents)) < 0 ||
        (r = get_bool(p, o, "verified", &m->verified)) < 0 ||
        (r = get_bool(p, o, "by_hand", &m->by_hand)) < 0 ||
        (r = get_bool(p, o, "online", &m->online)) < 0 ||
        (r = get_time(p, o, "first_seen", &m->first_seen)) < 0 ||
        (r = get_time(p, o, "last_seen", &m->last_seen)) < 0)
        return r;
    m->advert.state = state ? advert_state_from_name(state) : ADVERT_STATE_UNKNOWN;
    return 0;
}

void machine_list_clear(struct machine_list *l)
{
    for (size_t i = 0; i < l->count; i++)
        machine_clear(&l->items[i]);
    free(l->items);
    free(l->pointers);
    *l = MACHINE_LIST_INIT;
}

static int compare_identity(const void *a, const void *b)
{
    const struct machine *x = *(const struct machine *const *)a;
    const struct machine *y = *(const struct machine *const *)b;
    int r = strcmp(x->advert.id, y->advert.id);

    if (r == 0)
        r = x->verified - y->verified;
    if (r == 0)
        r = strcmp(x->advert.hostkey ? x->advert.hostkey : "",
                   y->advert.hostkey ? y->advert.hostkey : "");
    if (r == 0)
        r = strcmp(x->host ? x->host : "", y->host ? y->host : "");
    return r ? r : (x > y) - (x < y);
}

static bool has_same_key(const struct machine *a, const struct machine *b)
{
    return a->verified == b->verified && string_equal(a->advert.hostkey, b->advert.hostkey);
}

/* How many of the list, from the first on, have its id and host key. */
static size_t count_same_key(struct machine *const *list, size_t n)
{
    size_t same = 1;

    while (same < n && string_equal(list[0]->advert.id, list[same]->advert.id) &&
           has_same_key(list[0], list[same]))
        same++;
    return same;
}

/* Clones have names of their own. */
static int number_clones(struct machine **list, size_t n, const struct machine_list *l,
                         const char *name, struct error *err)
{
    for (size_t i = 1; i < n; i++) {
        const struct machine *a = list[i - 1], *b = list[i];

        if (a->verified || !a->host || !b->host || string_equal(a->host, b->host))
            return error_set(err, -EBADMSG,
                             "%s: machines[%td]: the same id and host key as machines[%td]", name,
                             b - l->items, a - l->items);
        list[i]->clone = (unsigned)i;
    }
    return 0;
}

/* Machines of one id: in doubt when they have several host keys (verified ones: when
 * verified ones have), and clones while they are online, as in a roster. */
static void put_in_doubt(struct machine **list, size_t n)
{
    size_t keys = 0, verified = 0;

    for (size_t i = 0; i < n; i += count_same_key(list + i, n - i)) {
        keys++;
        verified += list[i]->verified;
    }
    for (size_t i = 0, end; i < n; i = end) {
        size_t online = 0;

        end = i + count_same_key(list + i, n - i);
        for (size_t k = i; k < end; k++)
            online += list[k]->online;
        for (size_t k = i; k < end; k++) {
            list[k]->cloned = list[k]->online && online > 1;
            list[k]->in_doubt = list[k]->cloned || (list[k]->verified ? verified : keys) > 1;
        }
    }
}

/* A machine is (id, host key): each may occur once, except clones. */
static int check_identities(struct machine_list *l, const char *name, struct error *err)
{
    CLEANUP_FREE struct machine **sorted = calloc(l->count + 1, sizeof(struct machine *));
    size_t first = 0;
    int r = 0;

    if (!sorted)
        return error_sys(err, -ENOMEM, "cannot read %s", name);
    for (size_t i = 0; i < l->count; i++)
        sorted[i] = &l->items[i];
    qsort(sorted, l->count, sizeof(*sorted), compare_identity);
    while (first < l->count && !*sorted[first]->advert.id) /* no beacon */
        first++;
    for (size_t i = first, n; r == 0 && i < l->count; i += n) {
        n = count_same_key(sorted + i, l->count - i);
        r = number_clones(sorted + i, n, l, name, err);
    }
    for (size_t i = first, end; r == 0 && i < l->count; i = end) {
        for (end = i + 1; end < l->count; end++)
            if (!string_equal(sorted[i]->advert.id, sorted[end]->advert.id))
                break;
        put_in_doubt(sorted + i, end - i);
    }
    return r;
}

static int read_machines(const json_t *array, const char *name, struct machine_list *l,
                         struct error *err)
{
    struct place place = {.file = name, .err = err};
    size_t n = json_array_size(array);

    l->items = calloc(n + 1, sizeof(*l->items));
    l->pointers = calloc(n + 1, sizeof(*l->pointers));
    if (!l->items || !l->pointers)
        return out_of_memory(&place);
    for (; place.machine < n; place.machine++) {
        int r;

        l->pointers[place.machine] = &l->items[place.machine];
        l->count = place.machine + 1; /* so that half-built ones are cleared, too */
        r = read_machine(&place, json_array_get(array, place.machine), &l->items[place.machine]);
        if (r < 0)
            return r;
    }
    return check_identities(l, name, err);
}

int report_roster_read(const char *json, size_t size, const char *name, struct machine_list *ret,
                       struct error *err)
{
    CLEANUP(machine_list_clear) struct machine_list list = MACHINE_LIST_INIT;
    CLEANUP_TEXT struct text words = TEXT_INIT;
    json_error_t why;
    CLEANUP_JSON json_t *root = json_loadb(json, size, JSON_REJECT_DUPLICATES, &why);
    const json_t *version, *machines;
    int r;

    if (!root) {
        text_add_printable(&words, why.text); /* they may quote the file */
        return error_set(err, -EBADMSG, "%s:%d:%d: %s", name, why.line, why.column,
                         text_str(&words));
    }
    version = json_object_get(root, "version");
    machines = json_object_get(root, "machines");
    if (!json_is_integer(version))
        return error_set(err, -EBADMSG, "%s: not a roster: it has no \"version\"", name);
    if (json_integer_value(version) != 1)
        return error_set(err, -EBADMSG,
                         "%s: the roster has version %" JSON_INTEGER_FORMAT
                         "; this program reads version 1",
                         name, json_integer_value(version));
    if (!json_is_array(machines))
        return error_set(err, -EBADMSG, "%s: not a roster: it has no list of \"machines\"", name);
    if (json_array_size(machines) > ROSTER_MACHINES_MAX)
        return error_set(err, -EBADMSG, "%s: more than %d machines", name, ROSTER_MACHINES_MAX);
    r = read_machines(machines, name, &list, err);
    if (r < 0)
        return r;
    *ret = list;
    list = MACHINE_LIST_INIT;
    return 0;
}
