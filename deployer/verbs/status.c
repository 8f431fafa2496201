/* `status`: what runs where, as the machines themselves say it. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "deployer/cli/facts.h"
#include "discovery/base/table.h"
#include "discovery/base/terminal.h"
#include "verbs.h"

static const struct table_column columns[] = {
    {"AGENT", true},   {"MACHINE", true}, {"STATE", true},   {"PYDCOP", false},
    {"PORT", false},   {"UP", false},     {"STARTS", false}, {"OS", false},
    {"PYTHON", false}, {"FREE", false},   {"ERROR", false},  {NULL, false},
};

/* The unit's state, "running" where systemd says "active"; the outcome where the
 * machine could not be asked. */
static const char *state_of(const struct machine_facts *m, enum table_tone *ret_tone)
{
    const char *unit = facts_get(m, "unit");

    *ret_tone = TABLE_BAD;
    if (!m->ended || m->outcome != JOB_OK)
        return job_outcome_name(m->ended ? m->outcome : JOB_UNREACHABLE);
    if (!facts_get(m, "hash"))
        unit = "new";
    else if (unit && strcmp(unit, "active") == 0)
        unit = "running";
    *ret_tone = unit && strcmp(unit, "running") == 0  ? TABLE_GOOD
                : unit && strcmp(unit, "failed") == 0 ? TABLE_BAD
                                                      : TABLE_PLAIN;
    return unit;
}

/* 93784 as "1d 2h". */
static void add_duration(struct text *t, const char *seconds)
{
    long s = seconds ? strtol(seconds, NULL, 10) : -1;

    if (s >= 86400)
        text_addf(t, "%ldd %ldh", s / 86400, s / 3600 % 24);
    else if (s >= 3600)
        text_addf(t, "%ldh %ldm", s / 3600, s / 60 % 60);
    else if (s >= 60)
        text_addf(t, "%ldm %lds", s / 60, s % 60);
    else if (s >= 0)
        text_addf(t, "%lds", s);
}

static const char *error_of(const struct machine_facts *m)
{
    return m->why ? m->why : facts_get(m, "error");
}

static void add_row(struct table *t, const struct machine_facts *m)
{
    CLEANUP_TEXT struct text agents = TEXT_INIT;
    CLEANUP_TEXT struct text ports = TEXT_INIT;
    CLEANUP_TEXT struct text up = TEXT_INIT;
    CLEANUP_TEXT struct text space = TEXT_INIT;
    const char *room = facts_get(m, "free"), *starts = facts_get(m, "restarts");
    enum table_tone tone;
    const char *state = state_of(m, &tone);

    (void)facts_join(m, "agent", &agents);
    (void)facts_join(m, "port", &ports);
    add_duration(&up, facts_get(m, "since"));
    if (room)
        text_addf(&space, "%s MiB", room);
    table_add(t, agents.size > 0 ? text_str(&agents) : m->agents, TABLE_PLAIN);
    table_add(t, m->host ? m->host : m->id, TABLE_PLAIN);
    table_add(t, state, tone);
    table_add(t, facts_get(m, "pydcop"), TABLE_PLAIN);
    table_add(t, text_str(&ports), TABLE_PLAIN);
    table_add(t, text_str(&up), TABLE_PLAIN);
    table_add(t, starts && strcmp(starts, "0") != 0 ? starts : NULL, TABLE_BAD);
    table_add(t, facts_get(m, "os"), TABLE_FAINT);
    table_add(t, facts_get(m, "python"), TABLE_FAINT);
    table_add(t, text_str(&space), TABLE_FAINT);
    table_add(t, error_of(m), TABLE_BAD);
}

static int print_table(const struct facts *f, struct error *err)
{
    CLEANUP_TEXT struct text out = TEXT_INIT;
    struct terminal_style style = terminal_style(STDOUT_FILENO);
    struct table t;
    int r;

    table_init(&t, columns);
    for (size_t i = 0; i < f->count; i++)
        add_row(&t, &f->machines[i]);
    r = table_write(&t, style.width, style.color, &out);
    table_clear(&t);
    if (r < 0)
        return error_sys(err, r, "cannot show the status");
    terminal_put(stdout, &out);
    return 0;
}

static json_t *machine_json(const struct machine_facts *m)
{
    static const char *const keys[] = {"os",    "python",   "pydcop", "hash",  "previous",
                                       "since", "restarts", "free",   "clock", "held"};
    json_t *object = json_object(), *agents = json_array(), *ports = json_array();
    enum table_tone tone;
    const char *error = error_of(m), *state = state_of(m, &tone);

    if (m->id)
        (void)json_object_set_new(object, "id", json_string(m->id));
    if (m->host)
        (void)json_object_set_new(object, "host", json_string(m->host));
    (void)json_object_set_new(object, "state", json_string(state ? state : "unknown"));
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        if (facts_get(m, keys[i]))
            (void)json_object_set_new(object, keys[i], json_string(facts_get(m, keys[i])));
    for (size_t i = 0; i < m->keys.count; i++) {
        if (strcmp(m->keys.items[i], "agent") == 0)
            (void)json_array_append_new(agents, json_string(m->values.items[i]));
        if (strcmp(m->keys.items[i], "port") == 0)
            (void)json_array_append_new(ports, json_integer(atoll(m->values.items[i])));
    }
    (void)json_object_set_new(object, "agents", agents);
    (void)json_object_set_new(object, "ports", ports);
    if (error)
        (void)json_object_set_new(object, "error", json_string(error));
    return object;
}

static int print_json(const struct facts *f, struct error *err)
{
    json_t *machines = json_array(), *all;
    CLEANUP_FREE char *text = NULL;

    for (size_t i = 0; i < f->count; i++)
        (void)json_array_append_new(machines, machine_json(&f->machines[i]));
    all = json_pack("{s:i, s:o}", "version", 1, "machines", machines);
    text = all ? json_dumps(all, JSON_INDENT(2)) : NULL;
    json_decref(all);
    if (!text)
        return error_sys(err, -ENOMEM, "cannot show the status");
    puts(text);
    return 0;
}

static int run_status(struct program *p, struct error *err)
{
    CLEANUP(facts_clear) struct facts facts = {0};
    struct action action = {
        .mode = "status",
        .unrecorded = true,
        .no_recap = true,
        .listener = facts_hear,
        .arg = &facts,
    };
    int answer, r = program_takes_arguments(p, 0, err);

    if (r == 0)
        r = program_find_targets(p, err);
    if (r == 0)
        r = program_identify(p, err);
    if (r == 0)
        r = program_pack_steps(p, NULL, err);
    if (r == 0 && facts_init(&facts, &p->targets) < 0)
        r = error_sys(err, -ENOMEM, "cannot show the status");
    if (r != 0)
        return r;
    answer = program_act(p, &p->targets, &action, err);
    if (answer < 0)
        return answer;
    r = p->options.json ? print_json(&facts, err) : print_table(&facts, err);
    return r < 0 ? r : answer;
}

const struct verb verb_status = {
    .name = "status",
    .arguments = "",
    .help = "version, state, port, uptime, last error",
    .run = run_status,
};
