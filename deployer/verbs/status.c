/* `status`: what runs where, as the machines themselves say it, and which are off. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "absent.h"
#include "deployer/cli/facts.h"
#include "deployer/progress/json.h"
#include "discovery/base/clock.h"
#include "discovery/base/table.h"
#include "discovery/base/terminal.h"
#include "outside.h"
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

/* `room` holds the words that are made here. */
static const char *error_of(const struct facts *f, size_t machine, struct text *room)
{
    const struct machine_facts *m = &f->machines[machine];
    const char *error = m->why ? m->why : facts_get(m, "error");

    return error || outside_none(f, machine, room) ? error : text_str(room);
}

static void add_row(struct table *t, const struct facts *f, size_t machine)
{
    const struct machine_facts *m = &f->machines[machine];
    CLEANUP_TEXT struct text outside = TEXT_INIT;
    CLEANUP_TEXT struct text agents = TEXT_INIT;
    CLEANUP_TEXT struct text ports = TEXT_INIT;
    CLEANUP_TEXT struct text up = TEXT_INIT;
    CLEANUP_TEXT struct text space = TEXT_INIT;
    const char *room = facts_get(m, "free"), *starts = facts_get(m, "restarts");
    enum table_tone tone;
    const char *state = state_of(m, &tone), *error = error_of(f, machine, &outside);

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
    table_add(t, error ? error : facts_get(m, "went_back"), TABLE_BAD);
}

/* Nobody says when it went off; the last contact is what is known. */
static void add_absent_row(struct table *t, const struct state_machine *m)
{
    CLEANUP_FREE char *agents = strings_join(&m->agents, " ");
    CLEANUP_TEXT struct text since = TEXT_INIT;
    char seconds[32];

    (void)snprintf(seconds, sizeof(seconds), "%lld",
                   (long long)((clock_ms(CLOCK_REALTIME) - m->last_seen_ms) / 1000));
    text_adds(&since, "last contact ");
    add_duration(&since, seconds);
    text_adds(&since, " ago");
    table_add(t, agents, TABLE_PLAIN);
    table_add(t, m->host ? m->host : m->id, TABLE_PLAIN);
    table_add(t, "off", TABLE_BAD);
    for (size_t i = 3; columns[i + 1].heading; i++)
        table_add(t, NULL, TABLE_PLAIN);
    table_add(t, text_str(&since), TABLE_BAD);
}

static int print_table(const struct facts *f, const struct state_machines *absent,
                       struct error *err)
{
    CLEANUP_TEXT struct text out = TEXT_INIT;
    struct terminal_style style = terminal_style(STDOUT_FILENO);
    struct table t;
    int r;

    table_init(&t, columns);
    for (size_t i = 0; i < f->count; i++)
        add_row(&t, f, i);
    for (size_t i = 0; i < absent->count; i++)
        add_absent_row(&t, &absent->items[i]);
    r = table_write(&t, style.width, style.color, &out);
    table_clear(&t);
    if (r < 0)
        return error_sys(err, r, "cannot show the status");
    terminal_put(stdout, &out);
    return 0;
}

static json_t *machine_json(const struct facts *f, size_t machine)
{
    const struct machine_facts *m = &f->machines[machine];
    CLEANUP_TEXT struct text outside = TEXT_INIT;
    static const char *const keys[] = {"os",       "python", "pydcop",   "hash",
                                       "previous", "held",   "went_back"};
    static const char *const numbers[] = {"since", "restarts", "free", "clock"};
    json_t *object = json_object(), *agents = json_array(), *ports = json_array();
    enum table_tone tone;
    const char *error = error_of(f, machine, &outside), *state = state_of(m, &tone);

    progress_json_add(object, "id", m->id);
    progress_json_add(object, "host", m->host);
    progress_json_add(object, "state", state ? state : "unknown");
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        progress_json_add(object, keys[i], facts_get(m, keys[i]));
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        long long number;

        if (facts_get_number(m, numbers[i], &number))
            (void)json_object_set_new(object, numbers[i], json_integer(number));
    }
    for (size_t i = 0; i < m->keys.count; i++) {
        if (strcmp(m->keys.items[i], "agent") == 0)
            (void)json_array_append_new(agents, progress_json_text(m->values.items[i]));
        if (strcmp(m->keys.items[i], "port") == 0)
            (void)json_array_append_new(ports, json_integer(atoll(m->values.items[i])));
    }
    (void)json_object_set_new(object, "agents", agents);
    (void)json_object_set_new(object, "ports", ports);
    progress_json_add(object, "error", error);
    return object;
}

static json_t *absent_json(const struct state_machine *m)
{
    json_t *object = json_object(), *agents = json_array();
    time_t seen = (time_t)(m->last_seen_ms / 1000);
    char text[sizeof("2026-01-01T00:00:00Z")] = "";
    struct tm tm;

    if (gmtime_r(&seen, &tm))
        (void)strftime(text, sizeof(text), "%FT%TZ", &tm);
    progress_json_add(object, "id", m->id);
    progress_json_add(object, "host", m->host);
    progress_json_add(object, "state", "off");
    (void)json_object_set_new(object, "last_seen", json_string(text));
    for (size_t i = 0; i < m->agents.count; i++)
        (void)json_array_append_new(agents, progress_json_text(m->agents.items[i]));
    (void)json_object_set_new(object, "agents", agents);
    return object;
}

static int print_json(const struct facts *f, const struct state_machines *absent, struct error *err)
{
    json_t *machines = json_array(), *all;
    CLEANUP_FREE char *text = NULL;

    for (size_t i = 0; i < f->count; i++)
        (void)json_array_append_new(machines, machine_json(f, i));
    for (size_t i = 0; i < absent->count; i++)
        (void)json_array_append_new(machines, absent_json(&absent->items[i]));
    all = json_pack("{s:i, s:o}", "version", 1, "machines", machines);
    text = all ? json_dumps(all, JSON_INDENT(2)) : NULL;
    json_decref(all);
    if (!text)
        return error_sys(err, -ENOMEM, "cannot show the status");
    puts(text);
    return 0;
}

static bool is_target_of(const struct program *p, const char *agent)
{
    for (size_t i = 0; i < p->targets.count; i++)
        if (strings_has(&p->targets.items[i].agents, agent))
            return true;
    return false;
}

/* It only looks, so machines that are missing hold up nobody; but the answer is no then. */
static int find_targets(struct program *p, struct error *err)
{
    struct deploy_options *o = &p->options;
    bool wants_all = o->problems.count > 0 && !o->partial && o->limits.count == 0;
    int r;

    o->partial = o->partial || wants_all;
    r = program_find_targets(p, err);
    for (size_t i = 0; i < p->problem.agents.count && wants_all; i++)
        p->absent = p->absent || !is_target_of(p, p->problem.agents.items[i]);
    return r;
}

static int run_status(struct program *p, struct error *err)
{
    CLEANUP(facts_clear) struct facts facts = {0};
    CLEANUP(state_machines_clear) struct state_machines absent = {0};
    struct action action = {
        .mode = "status",
        .unrecorded = true,
        .no_recap = true,
        .listener = facts_hear,
        .arg = &facts,
    };
    int answer, q = 0, r = program_takes_arguments(p, 0, err);

    if (r == 0)
        r = find_targets(p, err);
    if (r >= 0)
        q = absent_find(p, &absent, err);
    if (q < 0)
        return q;
    if (r == 1 && absent.count > 0) /* nobody is there to be asked */
        q = p->options.json ? print_json(&facts, &absent, err) : print_table(&facts, &absent, err);
    if (q < 0)
        return q;
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
    r = p->options.json ? print_json(&facts, &absent, err) : print_table(&facts, &absent, err);
    return r < 0 ? r : answer;
}

const struct verb verb_status = {
    .name = "status",
    .arguments = "",
    .help = "version, state, port, uptime, last error",
    .run = run_status,
};
