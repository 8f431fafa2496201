#include "solve-machines.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deployer/doctor/examine.h"
#include "deployer/job/job.h"
#include "discovery/base/cleanup.h"
#include "discovery/base/clock.h"
#include "outside.h"

enum {
    FREE_MS = 10000, /* for the agents of a run that has just ended to say that they are free */
    ASK_AGAIN_MS = 500,
};

static void log_clear(struct machine_log *l)
{
    text_clear(&l->lines);
    free(l->last);
    free(l->why);
}

void solve_machines_clear(struct solve_machines *m)
{
    facts_clear(&m->facts);
    pairs_clear(&m->pairs);
    for (size_t i = 0; i < m->count; i++)
        log_clear(&m->logs[i]);
    free(m->logs);
    *m = (struct solve_machines){0};
}

/* An action takes its targets away, and there are two. */
static int copy_targets(const struct targets *from, struct targets *ret, struct error *err)
{
    return targets_copy(from, ret) < 0 ? error_sys(err, -ENOMEM, "cannot ask the machines") : 0;
}

static int ask_once(struct program *p, struct solve_machines *m, unsigned port,
                    void (*interrupted)(void *), void *arg, struct error *err)
{
    CLEANUP(targets_clear) struct targets targets = {0};
    CLEANUP_TEXT struct text settings = TEXT_INIT;
    const struct action action = {
        .mode = "status",
        .settings = &settings,
        .asks = true,
        .unrecorded = true,
        .no_recap = true,
        .listener = facts_hear,
        .arg = &m->facts,
        .interrupted = interrupted,
        .interrupted_arg = arg,
    };
    int r;

    facts_clear(&m->facts);
    if (facts_init(&m->facts, &p->targets) < 0 ||
        (!m->pairs.ends && pairs_init(&m->pairs, &p->targets) < 0))
        return error_sys(err, -ENOMEM, "cannot ask the machines");
    if (port)
        pairs_settings(&m->pairs, port, &settings);
    r = text_error(&settings) < 0 ? error_sys(err, -ENOMEM, "cannot ask the machines")
                                  : copy_targets(&p->targets, &targets, err);
    if (r == 0)
        r = program_act(p, &targets, &action, err);
    for (size_t i = 0; i < m->facts.count && r >= 0; i++) {
        const struct machine_facts *f = &m->facts.machines[i];

        if (pairs_hear(&m->pairs, i, &f->keys, &f->values, f->outcome == JOB_OK) < 0)
            r = error_sys(err, -ENOMEM, "cannot ask the machines");
    }
    return r < 0 ? r : 0;
}

static bool are_at_work(const struct solve_machines *m)
{
    for (size_t i = 0; i < m->facts.count; i++)
        if (facts_get(&m->facts.machines[i], "work"))
            return true;
    return false;
}

int solve_machines_ask(struct program *p, struct solve_machines *m, unsigned port,
                       void (*interrupted)(void *), void *arg, struct error *err)
{
    int64_t deadline = clock_ms(CLOCK_MONOTONIC) + FREE_MS;
    bool at_work = false;
    int r;

    do {
        if (at_work)
            (void)poll(NULL, 0, ASK_AGAIN_MS); /* nobody tells */
        r = ask_once(p, m, port, interrupted, arg, err);
        at_work = r == 0 && are_at_work(m);
        /* Once more, too, when agents have been looked for at another address than theirs. */
    } while (r == 0 && (at_work || (port && pairs_have_moved(&m->pairs))) &&
             clock_ms(CLOCK_MONOTONIC) < deadline);
    return r;
}

/* --- ready? ------------------------------------------------------------------------ */

static bool is_own_address(const char *address)
{
    struct ifaddrs *all = NULL;
    bool found = false;

    if (getifaddrs(&all) < 0)
        return true; /* who knows */
    for (const struct ifaddrs *i = all; i && !found; i = i->ifa_next) {
        char text[INET_ADDRSTRLEN];

        if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET)
            continue;
        found =
            inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)i->ifa_addr)->sin_addr,
                      text, sizeof(text)) &&
            strcmp(text, address) == 0;
    }
    freeifaddrs(all);
    return found;
}

static bool has_fact(const struct machine_facts *m, const char *key, const char *value)
{
    for (size_t i = 0; i < m->keys.count; i++)
        if (strcmp(m->keys.items[i], key) == 0 && strcmp(m->values.items[i], value) == 0)
            return true;
    return false;
}

static bool has_digest(const char *hash, const char *digest)
{
    size_t size = strlen(digest);

    return strncmp(hash, digest, size) == 0 && (hash[size] == '-' || hash[size] == '\0');
}

/* Where its agents look for the orchestrator is where that will be. */
static bool knows_us(const struct machine_facts *m, unsigned port, const char *given,
                     struct text *why)
{
    const char *where = facts_get(m, "orchestrator");
    char address[INET_ADDRSTRLEN] = "";
    size_t size = where ? strcspn(where, ":") : 0;
    unsigned long its = where && where[size] == ':' ? strtoul(where + size + 1, NULL, 10) : 9000;

    if (!where || size >= sizeof(address))
        return true;
    memcpy(address, where, size);
    if (its == port && (given ? strcmp(given, address) == 0 : is_own_address(address)))
        return true;
    text_adds(why, "its agents look for the orchestrator at ");
    text_add_printable(why, where);
    text_addf(why, ", and it is to run here on port %u; deploy again, or give --orchestrator",
              port);
    return false;
}

static bool has_agents(const struct machine_facts *m, const struct strings *wanted,
                       struct text *why)
{
    for (size_t i = 0; i < wanted->count; i++)
        if (!has_fact(m, "deployed", wanted->items[i])) {
            text_adds(why, "it does not run the agent ");
            text_add_printable(why, wanted->items[i]);
            text_adds(why, "; deploy again");
            return false;
        }
    return true;
}

static bool check_machine(const struct machine_facts *m, const struct strings *wanted,
                          const char *digest, unsigned port, const char *address, struct text *why)
{
    const char *hash = facts_get(m, "hash"), *unit = facts_get(m, "unit");
    const char *error = facts_get(m, "error"), *version = facts_get(m, "pydcop");
    const char *work = facts_get(m, "work");

    if (!m->ended || m->outcome != JOB_OK) {
        text_add_printable(why, m->why && *m->why ? m->why : "it does not answer");
        return false;
    }
    if (!hash) {
        text_adds(why, "nothing is deployed there; deploy first: dcop-deploy -p PROBLEM");
        return false;
    }
    if (!has_digest(hash, digest)) {
        text_adds(why, "it runs another pyDCOP than the orchestrator would (version ");
        text_add_printable(why, version ? version : "unknown");
        text_addf(why, " of other files; here %.12s); deploy it: dcop-deploy -p PROBLEM", digest);
        return false;
    }
    if (!unit || strcmp(unit, "active") != 0) {
        text_adds(why, "its agents do not run (");
        text_add_printable(why, error && *error ? error : unit ? unit : "unknown");
        text_adds(why, "); start them: dcop-deploy start");
        return false;
    }
    if (work) {
        text_add_printable(why, work);
        text_adds(why,
                  " is at work in another run; wait for its end, or: dcop-deploy restart --force");
        return false;
    }
    return has_agents(m, wanted, why) && knows_us(m, port, address, why);
}

/* "a1 on rpi-1: " */
static void add_name(const struct machine_facts *m, struct text *ret)
{
    text_add_printable(ret, *m->agents ? m->agents : "?");
    text_adds(ret, " on ");
    text_add_printable(ret, m->host ? m->host : m->id ? m->id : "?");
    text_adds(ret, ": ");
}

bool solve_machine_is_ready(const struct facts *all, size_t machine, const struct strings *wanted,
                            const char *digest, unsigned port, const char *address,
                            struct text *why)
{
    CLEANUP_TEXT struct text reason = TEXT_INIT;
    const struct machine_facts *m = &all->machines[machine];

    if (check_machine(m, wanted, digest, port, address, &reason) &&
        outside_none(all, machine, &reason))
        return true;
    add_name(m, why);
    text_adds(why, text_str(&reason));
    text_addc(why, '\n');
    return false;
}

struct apart {
    const struct solve_machines *machines;
    struct text *why;
};

static void add_apart(size_t machine, const char *wrong, const char *proof, const char *advice,
                      void *arg)
{
    const struct apart *a = arg;

    add_name(&a->machines->facts.machines[machine], a->why);
    text_add_printable(a->why, wrong);
    text_adds(a->why, " (");
    text_add_printable(a->why, proof);
    text_addf(a->why, "): %s\n", advice);
}

int solve_machines_are_apart(const struct solve_machines *m, unsigned port, struct text *why)
{
    struct apart a = {.machines = m, .why = why};
    size_t before = why->size;
    int r = pairs_judge(&m->pairs, port, add_apart, &a);

    return r < 0 ? r : text_error(why) < 0 ? -ENOMEM : why->size > before;
}

void solve_machines_clocks(const struct solve_machines *m, struct text *ret)
{
    for (size_t i = 0; i < m->facts.count; i++) {
        const struct machine_facts *f = &m->facts.machines[i];
        long long ahead;

        if (!facts_get_number(f, "clock", &ahead) || llabs(ahead) <= EXAMINE_CLOCK_SLACK_S)
            continue;
        text_adds(ret, "Note: ");
        add_name(f, ret);
        text_addf(ret,
                  "its clock is %lld s %s this computer's, and so are the times in its log; the "
                  "run does not depend on it\n",
                  llabs(ahead), ahead > 0 ? "ahead of" : "behind");
    }
}

void solve_machines_address(const struct solve_machines *m, char ret[static 16])
{
    (void)snprintf(ret, 16, "127.0.0.1");
    for (size_t i = 0; i < m->facts.count; i++) {
        const char *where = facts_get(&m->facts.machines[i], "orchestrator");
        size_t size = where ? strcspn(where, ":") : 0;
        char address[INET_ADDRSTRLEN] = "";
        struct in_addr parsed;

        if (size == 0 || size >= sizeof(address))
            continue;
        memcpy(address, where, size);
        if (inet_pton(AF_INET, address, &parsed) == 1) {
            (void)inet_ntop(AF_INET, &parsed, ret, 16);
            return;
        }
    }
}

/* --- logs ------------------------------------------------------------------------------ */

static void hear_log(size_t machine, const struct run_event *event, void *arg)
{
    struct machine_log *l = &((struct solve_machines *)arg)->logs[machine];

    if (event->kind == RUN_MACHINE_ENDED && event->outcome != JOB_OK && !l->why)
        l->why = strdup(event->text);
    if (event->kind != RUN_OUTPUT)
        return;
    if (l->lines.size < SOLVE_LOG_MAX) {
        text_adds(&l->lines, event->text);
        text_addc(&l->lines, '\n');
    }
    free(l->last);
    l->last = strdup(event->text);
}

int solve_machines_fetch_logs(struct program *p, struct solve_machines *m,
                              const struct experiment *e, struct error *err)
{
    CLEANUP(targets_clear) struct targets targets = {0};
    CLEANUP_TEXT struct text settings = TEXT_INIT;
    const struct action action = {
        .mode = "logs",
        .settings = &settings,
        .output_max = SOLVE_LOG_MAX,
        .asks = true,
        .unrecorded = true,
        .no_recap = true,
        .listener = hear_log,
        .arg = m,
    };
    int r;

    text_addf(&settings, "lines %u\nfollow no\n", SOLVE_LOG_LINES);
    m->logs = calloc(p->targets.count + 1, sizeof(*m->logs));
    if (!m->logs || text_error(&settings) < 0)
        return error_sys(err, -ENOMEM, "cannot fetch the agents' logs");
    m->count = p->targets.count;
    r = copy_targets(&p->targets, &targets, err);
    if (r == 0)
        r = program_act(p, &targets, &action, err);
    for (size_t i = 0; i < m->count && r >= 0; i++) {
        const struct machine_facts *f = &m->facts.machines[i];

        r = experiment_write_log(e, f->host ? f->host : f->agents, &m->logs[i].lines, err);
    }
    return r < 0 ? r : 0;
}

static json_t *names_json(const struct strings *names)
{
    json_t *all = json_array();

    for (size_t i = 0; i < names->count; i++)
        (void)json_array_append_new(all, json_string(names->items[i]));
    return all;
}

json_t *solve_machines_json(const struct targets *targets, const struct strings *players,
                            const struct solve_machines *m)
{
    json_t *all = json_array();

    for (size_t i = 0; i < m->facts.count; i++) {
        const struct machine_facts *f = &m->facts.machines[i];

        (void)json_array_append_new(
            all, json_pack("{s:s*, s:s*, s:o, s:o*, s:s*, s:s*, s:s*, s:s*}", "id", f->id, "host",
                           f->host, "agents", names_json(&targets->items[i].agents), "players",
                           players ? names_json(&players[i]) : NULL, "hostkey", f->hostkey, "os",
                           facts_get(f, "os"), "arch", facts_get(f, "arch"), "python",
                           facts_get(f, "python")));
    }
    return all;
}
