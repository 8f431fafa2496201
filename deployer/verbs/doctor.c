/* `doctor`: why machines are not seen or do not work, from here and on the machines. */
#include <errno.h>
#include <string.h>

#include "deployer/cli/facts.h"
#include "deployer/doctor/examine.h"
#include "deployer/doctor/pairs.h"
#include "discovery/base/process.h"
#include "discovery/base/terminal.h"
#include "discovery/doctor/doctor.h"
#include "outside.h"
#include "verbs.h"

enum { LOOK_MS = 3000 }; /* without --discovery-timeout */

/* One machine or address, as dcop-discover --doctor takes it; NULL: all. */
static const char *target_of(const char *pattern)
{
    return !pattern || strpbrk(pattern, "*?[]!,@") || strcmp(pattern, "all") == 0 ? NULL : pattern;
}

/* Machines of this fleet that were met before; the caller frees the array. */
static struct doctor_known *know_machines(const struct program *p,
                                          const struct state_machines *machines, size_t *ret_count)
{
    struct doctor_known *all = calloc(machines->count + 1, sizeof(*all));
    size_t n = 0;

    for (size_t i = 0; all && i < machines->count; i++) {
        const struct state_machine *m = &machines->items[i];

        if (!m->address || address_parse(m->address, &all[n].address) < 0 ||
            (p->options.fleet && !string_equal(m->fleet, p->options.fleet)))
            continue;
        all[n].id = m->id;
        all[n].host = m->host;
        all[n++].port = m->port ? m->port : SSH_PORT;
    }
    *ret_count = n;
    return all;
}

static int look_from_here(const struct program *p, const char *pattern, struct doctor_report *ret,
                          struct error *err)
{
    CLEANUP(key_clear) struct key key = {{0}};
    CLEANUP(state_machines_clear) struct state_machines met = {0};
    CLEANUP_FREE struct doctor_known *known = NULL;
    const struct deploy_options *o = &p->options;
    struct doctor_options options = {
        .fleet = o->fleet,
        .domain = o->domain,
        .target = target_of(pattern),
        .state = p->paths.db,
        .timeout_ms = o->discovery_ms ? o->discovery_ms : LOOK_MS,
        .listen_ms = o->discovery_ms,
    };
    int r = key_read_fleet(o->config_dir, &key, err);

    if (r < 0)
        return r;
    options.key = r > 0 ? &key : NULL;
    r = state_machine_list(p->state, &met, err);
    if (r < 0)
        return r;
    /* Of a group, those that are seen alone: its pattern is for names that are there. */
    if (!pattern || options.target || strcmp(pattern, "all") == 0)
        known = know_machines(p, &met, &options.n_known);
    options.known = known;
    r = doctor_run(&options, ret, err);
    if (r == 0 && ret->signal)
        process_end_by_signal(ret->signal);
    return r;
}

/* A machine without a record: only its address leads there. */
static bool is_unseen(const struct findings *f, const char *address)
{
    for (size_t i = 0; i < f->count; i++)
        if (string_equal(f->items[i].about, address))
            return true;
    return false;
}

/* `list` is for an inventory of one host, and lives as long as the program's targets. */
static int select_machines(struct program *p, const char *pattern, const struct findings *outside,
                           char list[static ADDRESS_TEXT_MAX + 1], struct error *err)
{
    struct deploy_options *o = &p->options;
    struct address a;
    int r = 0;

    if (pattern && address_parse(pattern, &a) == 0 && is_unseen(outside, pattern)) {
        (void)snprintf(list, ADDRESS_TEXT_MAX + 1, "%s,", pattern);
        o->inventory = list;
    } else if (pattern || (o->problems.count == 0 && !o->inventory && o->limits.count == 0)) {
        r = strings_add(&o->limits, pattern ? pattern : "all");
    }
    if (r < 0)
        return error_sys(err, r, "cannot choose the machines");
    o->partial = true; /* machines that are missing are what it is about */
    r = program_find_targets(p, err);
    if (r == 0)
        r = program_identify(p, err);
    return r == 0 ? program_pack_steps(p, NULL, err) : r;
}

static bool has_agent(const struct targets *targets, const char *agent)
{
    for (size_t i = 0; i < targets->count; i++)
        if (strings_has(&targets->items[i].agents, agent))
            return true;
    return false;
}

/* With -p: names of the problem that no machine has. */
static void find_missing_agents(const struct program *p, struct findings *ret)
{
    for (size_t i = 0; i < p->problem.agents.count && p->options.limits.count == 0; i++)
        if (!has_agent(&p->targets, p->problem.agents.items[i]))
            findings_add(ret, FINDING_NOT_SEEN, p->problem.agents.items[i],
                         "the problem has this agent, and no machine that is there has its name",
                         "the names in all records that were heard",
                         "give a machine this name: dcop-deploy assign; or switch its machine on");
}

static int name_targets(const struct program *p, struct strings *labels, struct strings *users)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < p->targets.count; i++) {
        const struct target *t = &p->targets.items[i];
        char label[DOCTOR_LABEL_MAX], key[TARGET_KEY_MAX];
        const char *name = t->host ? t->host : target_key(t, key);

        if (t->n_addresses > 0)
            doctor_label(name, &t->addresses[0], label);
        r = strings_add(labels, t->n_addresses > 0 ? label : name);
        if (r == 0)
            r = strings_add(users, t->user           ? t->user
                                   : p->options.user ? p->options.user
                                                     : ADVERT_USER_DEFAULT);
    }
    return r;
}

struct apart {
    const struct strings *labels;
    struct findings *findings;
};

static void add_apart(size_t machine, const char *wrong, const char *proof, const char *advice,
                      void *arg)
{
    const struct apart *a = arg;

    findings_add(a->findings, FINDING_AGENT_PORT, a->labels->items[machine], wrong, proof, advice);
}

/* Its unit leaves out another machine. */
static int examine_unit(const struct facts *f, size_t machine, const char *label,
                        struct findings *ret)
{
    const struct machine_facts *other = outside_find(f, machine);
    CLEANUP_TEXT struct text wrong = TEXT_INIT;
    CLEANUP_TEXT struct text proof = TEXT_INIT;

    if (!other)
        return 0;
    outside_tell(other, &wrong);
    text_addf(&proof, "dcop-agent.service allows %s", facts_get(&f->machines[machine], "reaches"));
    if (text_error(&wrong) < 0 || text_error(&proof) < 0)
        return -ENOMEM;
    findings_add(ret, FINDING_AGENT_PORT, label, text_str(&wrong), text_str(&proof),
                 "that machine or a link came after the last deploy: deploy to all "
                 "machines again, which restarts nothing");
    return 0;
}

static int examine_machines(struct program *p, struct findings *ret, struct error *err)
{
    CLEANUP(facts_clear) struct facts facts = {0};
    CLEANUP(pairs_clear) struct pairs pairs = {0};
    CLEANUP_TEXT struct text settings = TEXT_INIT;
    CLEANUP_STRINGS struct strings labels = {0}, users = {0};
    struct apart apart = {.labels = &labels, .findings = ret};
    struct action action = {
        .mode = "doctor",
        .settings = &settings,
        .asks = true,
        .unrecorded = true,
        .no_recap = true,
        .listener = facts_hear,
        .arg = &facts,
    };
    int r = facts_init(&facts, &p->targets);

    if (r == 0)
        r = name_targets(p, &labels, &users);
    if (r == 0)
        r = pairs_init(&pairs, &p->targets);
    pairs_settings(&pairs, 0, &settings);
    if (r < 0 || text_error(&settings) < 0)
        return error_sys(err, -ENOMEM, "cannot examine the machines");
    r = program_act(p, &p->targets, &action, err);
    for (size_t i = 0; r >= 0 && i < facts.count; i++) {
        const struct machine_facts *m = &facts.machines[i];
        const struct examined one = {
            .label = labels.items[i],
            .user = users.items[i],
            .outcome = m->ended ? m->outcome : JOB_UNREACHABLE,
            .why = m->why,
            .keys = &m->keys,
            .values = &m->values,
        };

        examine_machine(&one, ret);
        ret->failed = ret->failed ||
                      pairs_hear(&pairs, i, &m->keys, &m->values, m->outcome == JOB_OK) < 0 ||
                      examine_unit(&facts, i, labels.items[i], ret) < 0;
    }
    if (r >= 0 && pairs_judge(&pairs, 0, add_apart, &apart) < 0)
        ret->failed = true;
    return r < 0 ? r : 0;
}

static int print(const struct program *p, const struct findings *f, size_t n, struct error *err)
{
    CLEANUP_TEXT struct text out = TEXT_INIT;
    int r = p->options.json ? findings_write_json(f, &out) : findings_write(f, &out);

    if (f->count == 0 && !p->options.json)
        text_addf(&out, "Nothing is wrong; machines that were examined: %zu.\n", n);
    if (r < 0 || text_error(&out) < 0)
        return error_sys(err, -ENOMEM, "cannot show the findings");
    terminal_put(stdout, &out);
    return f->count > 0;
}

static int append(struct findings *to, const struct findings *from)
{
    for (size_t i = 0; i < from->count; i++) {
        const struct finding *f = &from->items[i];

        findings_add(to, f->kind, f->about, f->wrong, f->proof, f->advice);
    }
    return to->failed || from->failed ? -ENOMEM : 0;
}

static int run_doctor(struct program *p, struct error *err)
{
    CLEANUP(doctor_report_clear) struct doctor_report outside = {.rights = true};
    CLEANUP(findings_clear) struct findings inside = {0};
    const struct deploy_options *o = &p->options;
    const char *pattern = o->n_arguments > 0 ? o->arguments[0] : NULL;
    /* Else the machines were chosen by -p, -i or -l, where a mistake is an error. */
    bool by_argument = pattern || (o->problems.count == 0 && !o->inventory && o->limits.count == 0);
    char list[ADDRESS_TEXT_MAX + 1];
    size_t n = 0;
    int r = program_takes_arguments(p, 1, err);

    /* The hosts of an inventory need not be on this network. */
    if (r == 0 && !o->inventory)
        r = look_from_here(p, pattern, &outside, err);
    if (r < 0)
        return r;
    r = select_machines(p, pattern, &outside.findings, list, err);
    n = p->targets.count;
    if (r >= 0)
        find_missing_agents(p, &outside.findings);
    if (p->options.inventory == list)
        p->options.inventory = NULL; /* it has been read */
    if (r == 0)
        r = examine_machines(p, &inside, err);
    else if (outside.findings.count > 0 && (r > 0 || (r == -EINVAL && by_argument)))
        r = 0; /* nobody can be examined, and that is why */
    if (r != 0) {
        if (outside.findings.count > 0)
            (void)print(p, &outside.findings, n, &(struct error){0});
        return r;
    }
    examine_merge(&outside.findings, &inside);
    if (append(&outside.findings, &inside) < 0)
        return error_sys(err, -ENOMEM, "cannot show the findings");
    r = print(p, &outside.findings, n, err);
    if (!outside.rights && !o->quiet)
        fputs("Lost packets, their size, and addresses in use twice were not looked for: that "
              "takes root.\n",
              stderr);
    return r;
}

const struct verb verb_doctor = {
    .name = "doctor",
    .arguments = "[PATTERN|ADDRESS]",
    .help = "why machines are not seen or do not work",
    .run = run_doctor,
};
