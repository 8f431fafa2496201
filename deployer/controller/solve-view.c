#include "solve-view.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "deployer/base/url.h"
#include "discovery/base/cleanup.h"
#include "discovery/base/process.h"
#include "discovery/base/text.h"

static const char *state_name(enum solve_view_state state)
{
    static const char *const names[] = {[SOLVE_STARTING] = "starting",
                                        [SOLVE_RUNNING] = "running",
                                        [SOLVE_ENDING] = "ending",
                                        [SOLVE_ENDED] = "ended"};

    return names[state];
}

/* A string of an event; NULL: there is none, or it is no name. */
static const char *name_of(const json_t *event, const char *key)
{
    const json_t *value = json_object_get(event, key);
    size_t size = json_string_length(value);

    return size > 0 && size <= SOLVE_VIEW_NAME_MAX ? json_string_value(value) : NULL;
}

/* Any bytes as a JSON string of at most SOLVE_VIEW_WORDS_MAX bytes, without passwords of URLs. */
static json_t *words_json(const char *words)
{
    CLEANUP_TEXT struct text masked = TEXT_INIT, printable = TEXT_INIT;
    size_t size;

    url_add_masked(&masked, words);
    text_add_printable(&printable, text_str(&masked));
    size = printable.size;
    if (size > SOLVE_VIEW_WORDS_MAX)
        for (size = SOLVE_VIEW_WORDS_MAX; (text_str(&printable)[size] & 0xc0) == 0x80;)
            size--;
    return text_error(&printable) < 0 ? NULL : json_stringn(text_str(&printable), size);
}

/* --- agents, and what is where ------------------------------------------------------ */

static json_t *agent_of(const struct solve_view *v, const char *name)
{
    return name ? json_object_get(v->agents, name) : NULL;
}

static const char *host_of(const struct solve_view *v, const char *agent)
{
    const char *host = json_string_value(json_object_get(agent_of(v, agent), "host"));

    return host ? host : "an unknown machine";
}

/* Whether so many bytes more are within the bound. */
static bool has_room(struct solve_view *v, size_t size)
{
    if (size > SOLVE_VIEW_HOSTS_MAX - v->hosts_size) {
        v->hosts_cut = true;
        return false;
    }
    v->hosts_size += size;
    return true;
}

void solve_view_add_agent(struct solve_view *v, const char *name, const char *host)
{
    enum { AROUND = 64 }; /* bytes of the object around its names */
    size_t size = strlen(name) + (host ? strlen(host) : 0) + AROUND;

    if (strlen(name) <= SOLVE_VIEW_NAME_MAX && !agent_of(v, name) && has_room(v, size))
        (void)json_object_set_new(v->agents, name,
                                  json_pack("{s:s, s:s?, s:s, s:{}}", "name", name, "host", host,
                                            "state", "waiting", "variables"));
}

static void set_agent(struct solve_view *v, const json_t *event, const char *state)
{
    const char *name = name_of(event, "agent"), *host = name_of(event, "host");
    json_t *agent;

    if (!name)
        return;
    solve_view_add_agent(v, name, host);
    agent = agent_of(v, name);
    if (agent)
        (void)json_object_set_new(agent, "state", json_string(state));
    if (agent && host && json_is_null(json_object_get(agent, "host")) && has_room(v, strlen(host)))
        (void)json_object_set_new(agent, "host", json_string(host));
}

/* The agent that has it now has its variable, too. */
static void add_variable(const struct solve_view *v, const char *variable)
{
    json_t *agent = agent_of(v, json_string_value(json_object_get(v->hosts, variable)));

    if (agent)
        (void)json_object_set_new(json_object_get(agent, "variables"), variable, json_true());
}

static void set_host(struct solve_view *v, const char *computation, const char *agent)
{
    json_t *before = agent_of(v, json_string_value(json_object_get(v->hosts, computation)));
    json_t *variables = json_object_get(before, "variables");
    bool shown = json_object_get(variables, computation) != NULL;

    if (strlen(computation) > SOLVE_VIEW_NAME_MAX ||
        (!json_object_get(v->hosts, computation) &&
         !has_room(v, 2 * strlen(computation) + strlen(agent))))
        return;
    (void)json_object_del(variables, computation);
    (void)json_object_set_new(v->hosts, computation, json_string(agent));
    if (shown || v->only_variables)
        add_variable(v, computation);
}

/* --- values ---------------------------------------------------------------------------- */

static size_t size_of(const char *name, const json_t *value)
{
    return value ? strlen(name) + json_dumpb(value, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY) : 0;
}

static void set_value(struct solve_view *v, const char *name, json_t *value)
{
    const json_t *before = json_object_get(v->values, name);
    size_t size = size_of(name, value), left;

    v->values_size -= size_of(name, before);
    left = SOLVE_VIEW_VALUES_MAX - v->values_size;
    if (!value || json_is_null(value) || strlen(name) > SOLVE_VIEW_NAME_MAX || size > left) {
        v->values_cut |= value && !json_is_null(value);
        (void)json_object_del(v->values, name);
        return;
    }
    v->values_size += size;
    (void)json_object_set(v->values, name, value);
    if (!before)
        add_variable(v, name);
}

/* --- events --------------------------------------------------------------------------- */

static void copy_number(struct solve_view *v, const char *key, const json_t *event,
                        const char *from)
{
    json_t *value = json_object_get(event, from);

    if (json_is_number(value))
        (void)json_object_set(v->known, key, value);
}

static void copy_figures(struct solve_view *v, const json_t *event, const char *cycle)
{
    copy_number(v, "time", event, "time");
    copy_number(v, "cost", event, "cost");
    copy_number(v, "violations", event, "violations");
    copy_number(v, "messages", event, "messages");
    copy_number(v, "cycle", event, cycle);
}

static void copy_name(struct solve_view *v, const char *key, const json_t *event)
{
    const char *name = name_of(event, key);

    if (name)
        (void)json_object_set_new(v->known, key, json_string(name));
}

static void on_prepared(struct solve_view *v, const json_t *event)
{
    json_t *notes = json_object_get(event, "notes"), *value;
    const json_t *computations = json_object_get(event, "computations");
    const char *name;
    size_t i;

    copy_name(v, "algorithm", event);
    copy_name(v, "distribution", event);
    v->only_variables = json_is_integer(computations) &&
                        json_equal(computations, json_object_get(event, "variables"));
    json_array_foreach(notes, i, value)
    {
        if (json_is_string(value))
            solve_view_note(v, json_string_value(value));
    }
    json_object_foreach(json_object_get(event, "hosts"), name, value)
    {
        if (json_is_string(value))
            set_host(v, name, json_string_value(value));
    }
}

static void on_gone(struct solve_view *v, const json_t *event)
{
    const char *agent = name_of(event, "agent");
    const char *reason = json_string_value(json_object_get(event, "reason"));
    CLEANUP_TEXT struct text words = TEXT_INIT;

    set_agent(v, event, "gone");
    if (!agent)
        return;
    text_addf(&words, "%s on %s has gone: %s", agent, host_of(v, agent), reason ? reason : "?");
    solve_view_note(v, text_str(&words));
}

static void on_repaired(struct solve_view *v, const json_t *event)
{
    json_t *one;
    size_t i;

    json_array_foreach(json_object_get(event, "moved"), i, one)
    {
        const char *computation = name_of(one, "computation"), *to = name_of(one, "to");
        CLEANUP_TEXT struct text words = TEXT_INIT;

        if (!computation || !to)
            continue;
        set_host(v, computation, to);
        text_addf(&words, "repaired: %s is now on %s (%s)", computation, to, host_of(v, to));
        solve_view_note(v, text_str(&words));
    }
}

static void on_result(struct solve_view *v, const json_t *event)
{
    const char *folder = json_string_value(json_object_get(event, "folder")), *slash, *name;
    const char *reason = json_string_value(json_object_get(event, "reason"));
    json_t *value;

    copy_figures(v, event, "cycles");
    copy_name(v, "status", event);
    if (reason)
        (void)json_object_set_new(v->known, "reason", words_json(reason));
    json_object_foreach(json_object_get(event, "assignment"), name, value)
    {
        set_value(v, name, value);
    }
    slash = folder ? strrchr(folder, '/') : NULL;
    if (slash && slash[1])
        (void)json_object_set_new(v->known, "id", json_string(slash + 1));
    v->state = SOLVE_ENDING;
}

void solve_view_hear(struct solve_view *v, const json_t *event)
{
    const char *kind = json_string_value(json_object_get(event, "event"));
    const char *variable;

    if (!kind || v->state == SOLVE_ENDED)
        return;
    if (strcmp(kind, "value") == 0) {
        variable = name_of(event, "variable");
        if (variable)
            set_value(v, variable, json_object_get(event, "value"));
    } else if (strcmp(kind, "metrics") == 0)
        copy_figures(v, event, "cycle");
    else if (strcmp(kind, "prepared") == 0)
        on_prepared(v, event);
    else if (strcmp(kind, "registered") == 0)
        set_agent(v, event, "registered");
    else if (strcmp(kind, "started") == 0 && v->state == SOLVE_STARTING)
        v->state = SOLVE_RUNNING;
    else if (strcmp(kind, "gone") == 0)
        on_gone(v, event);
    else if (strcmp(kind, "repaired") == 0)
        on_repaired(v, event);
    else if (strcmp(kind, "lost") == 0 && json_is_string(json_object_get(event, "reason")))
        solve_view_note(v, json_string_value(json_object_get(event, "reason")));
    else if (strcmp(kind, "result") == 0)
        on_result(v, event);
}

void solve_view_note(struct solve_view *v, const char *words)
{
    if (!*words)
        return;
    (void)json_array_append_new(v->notes, words_json(words));
    if (json_array_size(v->notes) > SOLVE_VIEW_NOTES_MAX)
        (void)json_array_remove(v->notes, 0);
}

/* --- its life ---------------------------------------------------------------------------- */

int solve_view_init(struct solve_view *v, const json_t *asked, int64_t now_ms)
{
    static const char *const nulls[] = {"id",    "ended",    "time",   "cost",  "violations",
                                        "cycle", "messages", "status", "reason"};
    static const char *const keys[] = {"algorithm", "distribution", "seed", "time_limit", "heal"};

    *v = (struct solve_view){.known = json_object(),
                             .agents = json_object(),
                             .hosts = json_object(),
                             .values = json_object(),
                             .notes = json_array()};
    for (size_t i = 0; i < ARRAY_SIZE(nulls); i++)
        (void)json_object_set_new(v->known, nulls[i], json_null());
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        json_t *value = json_object_get(asked, keys[i]);

        (void)json_object_set_new(v->known, keys[i], value ? json_incref(value) : json_null());
    }
    (void)json_object_set_new(v->known, "time", json_integer(0));
    if (v->agents && v->hosts && v->values && v->notes &&
        json_object_set_new(v->known, "started", json_integer(now_ms)) == 0)
        return 0;
    solve_view_clear(v);
    return -ENOMEM;
}

void solve_view_clear(struct solve_view *v)
{
    json_decref(v->known);
    json_decref(v->agents);
    json_decref(v->hosts);
    json_decref(v->values);
    json_decref(v->notes);
    *v = (struct solve_view){0};
}

void solve_view_stop(struct solve_view *v)
{
    if (v->state == SOLVE_ENDED)
        return;
    v->stopped = true;
    v->state = SOLVE_ENDING;
}

static void set_end(struct solve_view *v, const char *status, const char *reason)
{
    (void)json_object_set_new(v->known, "status", json_string(status));
    (void)json_object_set_new(v->known, "reason", words_json(reason));
}

/* It is kept: dcop-deploy ends with 0 after a result that is good, and has told it. */
static void explain_good_end(struct solve_view *v)
{
    set_end(v, v->stopped ? "stopped" : "finished",
            v->stopped ? "stopped by the user"
                       : "the result is too large to be shown here; it is among the experiments");
}

/* It said no result: the last that it said is why. */
static void explain_bad_end(struct solve_view *v, int status)
{
    const char *last = json_string_value(
        json_array_get(v->notes, json_array_size(v->notes) ? json_array_size(v->notes) - 1 : 0));
    static const char program[] = "dcop-deploy: ";
    CLEANUP_TEXT struct text words = TEXT_INIT;

    if (status >= PROCESS_SIGNALLED)
        text_addf(&words, "dcop-deploy was ended by signal %d (%s)", status - PROCESS_SIGNALLED,
                  strsignal(status - PROCESS_SIGNALLED));
    else if (last)
        text_adds(&words, strncmp(last, program, sizeof(program) - 1) == 0
                              ? last + sizeof(program) - 1
                              : last);
    else
        text_addf(&words, "dcop-deploy ended with status %d", status);
    set_end(v, v->stopped ? "stopped" : "failed",
            v->stopped && status != PROCESS_SIGNALLED + SIGKILL ? "stopped by the user"
                                                                : text_str(&words));
}

void solve_view_end(struct solve_view *v, int status, unsigned long left_out, int64_t now_ms)
{
    CLEANUP_TEXT struct text words = TEXT_INIT;

    if (json_is_null(json_object_get(v->known, "status"))) {
        if (status == 0)
            explain_good_end(v);
        else
            explain_bad_end(v, status);
    }
    v->state = SOLVE_ENDED;
    (void)json_object_set_new(v->known, "ended", json_integer(now_ms));
    if (left_out == 0)
        return;
    text_addf(&words, "%lu events of the run were too long or no events, and are left out",
              left_out);
    solve_view_note(v, text_str(&words));
}

static json_t *agent_json(const json_t *agent)
{
    json_t *o = json_copy((json_t *)(uintptr_t)agent), *variables = json_array(), *value;
    const char *name;

    json_object_foreach(json_object_get(agent, "variables"), name, value)
    {
        (void)json_array_append_new(variables, json_string(name));
    }
    (void)json_object_set_new(o, "variables", variables);
    return o;
}

json_t *solve_view_json(const struct solve_view *v)
{
    json_t *o = json_copy(v->known), *agents = json_array(), *agent;
    const char *name;
    json_int_t registered = 0;

    json_object_foreach(v->agents, name, agent)
    {
        (void)json_array_append_new(agents, agent_json(agent));
        registered +=
            string_equal(json_string_value(json_object_get(agent, "state")), "registered");
    }
    (void)json_object_set_new(o, "state", json_string(state_name(v->state)));
    (void)json_object_set_new(o, "registered", json_integer(registered));
    (void)json_object_set_new(o, "agents", agents);
    (void)json_object_set(o, "values", v->values);
    (void)json_object_set(o, "notes", v->notes);
    (void)json_object_set_new(o, "left_out", json_boolean(v->values_cut || v->hosts_cut));
    return o;
}

const char *solve_view_id(const struct solve_view *v)
{
    return json_string_value(json_object_get(v->known, "id"));
}
