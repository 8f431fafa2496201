/* One run of pyDCOP on the machines that hold the problem's agents, from the check to the result,
 * kept as an experiment. */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "deployer/base/folder.h"
#include "deployer/solve/port.h"
#include "discovery/base/clock.h"
#include "discovery/base/file.h"
#include "discovery/base/terminal.h"
#include "solve-private.h"

enum { ORCHESTRATOR_PORT = 9000 };

static void solving_clear(struct solving *s)
{
    orchestrator_free(s->orchestrator);
    (void)sd_event_source_disable_unref(s->stop[0]);
    (void)sd_event_source_disable_unref(s->stop[1]);
    sd_event_unref(s->loop);
    solve_clear(&s->solve);
    solve_machines_clear(&s->machines);
    experiment_clear(&s->experiment);
    solve_environment_clear(&s->environment);
    text_clear(&s->placement);
    replay_clear(&s->replay);
}

/* --- before the run ------------------------------------------------------------------ */

static int check_usage(const struct program *p, struct error *err)
{
    const struct deploy_options *o = &p->options;

    if (o->replay &&
        (o->problems.count > 0 || o->algorithm || o->parameters.count > 0 || o->distribution ||
         o->seed || o->repeat || o->replicas || o->scenario || o->time_limit_given))
        return error_set(err, -EINVAL,
                         "--replay takes problem, algorithm, parameters, distribution, seed, time "
                         "limit, healing and scenario from the receipt, and runs it once; give "
                         "none of them, nor --repeat");
    if (o->problems.count == 0 && !o->replay)
        return error_set(err, -EINVAL, "say which problem: dcop-deploy solve -p PROBLEM");
    if (strings_has(&o->problems, "-"))
        return error_set(err, -EINVAL, "'solve' keeps a copy of the problem, so it needs a file");
    for (size_t i = 0; i < o->parameters.count; i++)
        if (!strchr(o->parameters.items[i], ':'))
            return error_set(err, -EINVAL, "--param: '%s' is not NAME:VALUE",
                             o->parameters.items[i]);
    return 0;
}

/* Names of a receipt, which may come from anybody, are no patterns. */
static int limit_to(const struct strings *agents, struct strings *limits, struct error *err)
{
    for (size_t i = 0; i < agents->count; i++) {
        CLEANUP_TEXT struct text shown = TEXT_INIT;

        if (!strpbrk(agents->items[i], "*?[]\\,!&~@"))
            continue;
        text_add_shown(&shown, agents->items[i]);
        return error_set(err, -EINVAL,
                         "not all agents of the problem took part, and the name of one that did, "
                         "\"%s\", would be a pattern; say with -l which take part",
                         text_str(&shown));
    }
    return strings_copy(limits, agents) < 0 ? error_sys(err, -ENOMEM, "cannot choose agents") : 0;
}

/* The receipt's words in place of options. */
static int take_receipt(struct solving *s, struct error *err)
{
    struct deploy_options *o = &s->p->options;
    struct problem problem = PROBLEM_INIT;
    int r = o->replay ? replay_read(o->replay, &s->replay, err) : 0;

    if (r < 0 || !o->replay)
        return r;
    o->algorithm = s->replay.algorithm;
    o->distribution = s->replay.distribution;
    o->time_limit_ms = (unsigned)(s->replay.time_limit * 1000);
    s->seed = s->replay.seed;
    o->replicas = s->replay.replicas;
    o->scenario = s->replay.scenario;
    text_adds(&s->placement, s->replay.placement);
    r = problem_read(&s->replay.problem, &problem, err);
    if (r == 0 && (strings_copy(&o->problems, &s->replay.problem) < 0 ||
                   strings_copy(&o->parameters, &s->replay.parameters) < 0))
        r = error_sys(err, -ENOMEM, "cannot read %s", o->replay);
    /* Not all of the problem's agents took part. */
    if (r == 0 && o->limits.count == 0 && s->replay.agents.count < problem.agents.count)
        r = limit_to(&s->replay.agents, &o->limits, err);
    problem_clear(&problem);
    return r;
}

static json_t *strings_json(const struct strings *s)
{
    json_t *all = json_array();

    for (size_t i = 0; i < s->count; i++)
        (void)json_array_append_new(all, json_string(s->items[i]));
    return all;
}

static json_t *agents_json(const struct targets *targets)
{
    json_t *all = json_array();

    for (size_t i = 0; i < targets->count; i++)
        for (size_t k = 0; k < targets->items[i].agents.count; k++)
            (void)json_array_append_new(all, json_string(targets->items[i].agents.items[k]));
    return all;
}

static size_t count_agents(const struct targets *targets)
{
    size_t count = 0;

    for (size_t i = 0; i < targets->count; i++)
        count += targets->items[i].agents.count;
    return count;
}

/* Who the agents of a cast are in the run. */
static json_t *roles_json(const struct solving *s)
{
    json_t *all = s->cast ? json_object() : NULL;

    for (size_t i = 0; i < s->p->targets.count && all; i++) {
        const struct target *t = &s->p->targets.items[i];

        for (size_t k = 0; k < t->agents.count; k++)
            (void)json_object_set_new(all, s->cast->players[i].items[k],
                                      json_string(t->agents.items[k]));
    }
    return all;
}

static int make_request(struct solving *s, json_t **ret, struct error *err)
{
    const struct deploy_options *o = &s->p->options;
    bool placed = solving_is_file(o->distribution), given = placed || s->replay.receipt;
    CLEANUP_TEXT struct text about = TEXT_INIT;
    CLEANUP_TEXT struct text scenario = TEXT_INIT;
    int r = o->scenario ? file_read(o->scenario, EXPERIMENT_SCENARIO_MAX, &scenario, err) : 0;

    if (r == 0 && o->scenario)
        r = experiment_write(&s->experiment, EXPERIMENT_SCENARIO, text_str(&scenario),
                             scenario.size, err);
    if (r < 0)
        return r;
    if (o->scenario)
        digest_bytes(text_str(&scenario), scenario.size, s->scenario);
    text_addf(&about, "%s of %s, since ", s->p->problem.name ? s->p->problem.name : "a problem",
              s->p->who);
    experiment_add_time(s->began_ms, &about);
    *ret = json_pack(
        "{s:s, s:o, s:o?, s:s?, s:o, s:s?, s:s?, s:i, s:f, s:I, s:s, s:i, s:s?}", "problem",
        text_str(&s->experiment.problem), "agents", agents_json(&s->p->targets), "roles",
        roles_json(s), "algorithm", o->algorithm, "parameters", strings_json(&o->parameters),
        "distribution", placed ? NULL : o->distribution, "placement",
        given ? text_str(&s->placement) : NULL, "port", (int)s->port, "time_limit",
        o->time_limit_ms / 1000.0, "seed", (json_int_t)s->seed, "about", text_str(&about),
        "replicas", solving_replicas(o), "scenario", o->scenario ? text_str(&scenario) : NULL);
    return *ret ? 0 : error_set(err, -EBADMSG, "the problem or a name in it is not UTF-8");
}

static int start_orchestrator(struct solving *s, struct error *err)
{
    CLEANUP_FREE char *log = path_join(s->experiment.folder, "orchestrator.log");
    json_t *request = NULL;
    int r = log ? make_request(s, &request, err)
                : error_sys(err, -ENOMEM, "cannot start the orchestrator");

    if (r == 0)
        r = orchestrator_start(&s->environment, request, log, &s->orchestrator, err);
    json_decref(request);
    return r;
}

/* Nothing has run: its folder would only be in the way. */
static void drop_experiment(void *arg)
{
    const struct solving *s = arg;

    if (!s->p->options.output && s->experiment.folder)
        folder_remove(s->experiment.folder);
}

static bool machine_is_ready(const struct solving *s, size_t i, const char *address,
                             struct text *why)
{
    const struct strings *wanted = s->cast ? &s->cast->players[i] : &s->p->targets.items[i].agents;

    return solve_machine_is_ready(&s->machines.facts, i, wanted, s->p->pack->bundle.digest,
                                  solve_port(&s->p->options), address, why);
}

/* Machines that are not ready are told, all of them; 1 then. */
static int check_machines(struct solving *s, struct error *err)
{
    const char *given = s->p->options.orchestrator;
    CLEANUP_FREE char *address = given ? strndup(given, strcspn(given, ":")) : NULL;
    CLEANUP_TEXT struct text why = TEXT_INIT;
    int r = solve_machines_ask(s->p, &s->machines, s->port, drop_experiment, s, err);
    bool ready = true;

    if (r < 0)
        return r;
    if (!s->show.quiet)
        solve_machines_clocks(&s->machines, &why);
    terminal_put(stderr, &why);
    text_reset(&why);
    for (size_t i = 0; i < s->machines.facts.count; i++)
        ready &= machine_is_ready(s, i, address, &why);
    /* One that has refused the run, which is told next, does not listen any more. */
    r = solve_machines_are_apart(&s->machines,
                                 orchestrator_has_ended(s->orchestrator) ? 0 : s->port, &why);
    if (r < 0)
        return error_sys(err, r, "cannot check the machines");
    ready = ready && r == 0;
    solve_machines_address(&s->machines, s->address);
    if (address)
        (void)snprintf(s->address, sizeof(s->address), "%s", address);
    if (ready) {
        s->outcome->how = SOLVE_REFUSED;
        return 0;
    }
    terminal_put(stderr, &why);
    s->solve.refusal = strdup("not all machines are ready");
    s->solve.code = 1;
    return 1;
}

/* --- the run ---------------------------------------------------------------------------- */

static void on_event(const json_t *event, const char *why, void *arg)
{
    struct solving *s = arg;
    const char *kind = json_string_value(json_object_get(event, "event"));

    solve_hear(&s->solve, event, why);
    if (!event) {
        (void)sd_event_exit(s->loop, 0);
        return;
    }
    solve_show_event(&s->show, event);
    if (strcmp(kind, "prepared") == 0 && s->taken) {
        s->solve.refusal = strdup("its port was another run's until now; try again");
        s->solve.busy = true;
        s->solve.code = 3;
        (void)sd_event_exit(s->loop, 0);
    } else if (strcmp(kind, "prepared") == 0) {
        char words[32];

        (void)snprintf(words, sizeof(words), "go %s", s->address);
        orchestrator_say(s->orchestrator, words);
        s->solve.begun = true;
    }
}

/* The first Ctrl-C stops the agents, if any, and keeps what there is; the second does not wait. */
static int on_stop(sd_event_source *source, const struct signalfd_siginfo *info, void *arg)
{
    struct solving *s = arg;
    bool again = s->signal != 0;

    (void)source;
    s->signal = (int)info->ssi_signo;
    s->solve.stopped = true;
    solve_show_end(&s->show);
    if (!s->solve.begun)
        fprintf(stderr, "Stopped before the run began; nothing is kept.\n");
    if (again || !s->solve.begun)
        return sd_event_exit(s->loop, 0);
    fprintf(stderr, "Stopping the agents; Ctrl-C again quits at once.\n");
    orchestrator_say(s->orchestrator, "stop");
    return 0;
}

static int run_loop(struct solving *s, struct error *err)
{
    int r;

    if (sd_event_new(&s->loop) < 0 ||
        sd_event_add_signal(s->loop, &s->stop[0], SIGINT | SD_EVENT_SIGNAL_PROCMASK, on_stop, s) <
            0 ||
        sd_event_add_signal(s->loop, &s->stop[1], SIGTERM | SD_EVENT_SIGNAL_PROCMASK, on_stop, s) <
            0)
        return error_set(err, -EIO, "cannot wait for events");
    r = orchestrator_listen(s->orchestrator, s->loop, on_event, s, err);
    if (r == 0 && sd_event_loop(s->loop) < 0)
        r = error_set(err, -EIO, "cannot wait for events");
    s->stop[0] = sd_event_source_disable_unref(s->stop[0]);
    s->stop[1] = sd_event_source_disable_unref(s->stop[1]);
    solve_show_end(&s->show);
    return r;
}

/* --- afterwards ----------------------------------------------------------------------------- */

static const struct machine_log *log_of(const struct solving *s, const char *agent)
{
    for (size_t i = 0; i < s->p->targets.count && i < s->machines.count; i++)
        if (strings_has(&s->p->targets.items[i].agents, agent))
            return &s->machines.logs[i];
    return NULL;
}

/* Why an agent was lost: its machine cannot be reached, or its log's last line. */
static void tell_lost(const struct solving *s, const char *agent, const char *what)
{
    const char *host = solve_show_host(&s->p->targets, agent);
    const struct machine_log *log = log_of(s, agent);
    CLEANUP_TEXT struct text line = TEXT_INIT;

    text_add_printable(&line, agent);
    text_adds(&line, " on ");
    text_add_printable(&line, host ? host : "an unknown machine");
    text_adds(&line, what);
    if (log && log->why && *log->why) {
        text_adds(&line, ": the machine cannot be reached: ");
        text_add_printable(&line, log->why);
    } else if (log && log->last) {
        text_adds(&line, "; its log ends with: ");
        text_add_printable(&line, log->last);
    }
    if (s->show.json) {
        solve_show_json(json_pack("{s:s, s:s, s:s*, s:s}", "event", "lost", "agent", agent, "host",
                                  host, "reason", text_str(&line)));
        return;
    }
    text_addc(&line, '\n');
    terminal_put(stderr, &line);
}

static void tell_all_lost(const struct solving *s)
{
    for (size_t i = 0; i < s->solve.missing.count; i++)
        tell_lost(s, s->solve.missing.items[i], " did not register");
    for (size_t i = 0; i < s->solve.gone.count; i++)
        tell_lost(s, s->solve.gone.items[i], " has gone");
}

/* What is not as it was; 1: the run would be another one. */
static int check_receipt(struct solving *s, struct error *err)
{
    json_t *now = solving_receipt(s, NULL, s->began_ms);
    CLEANUP_STRINGS struct strings stops = {0};
    CLEANUP_STRINGS struct strings notes = {0};
    int r = now ? replay_compare(s->replay.receipt, now, &stops, &notes) : -ENOMEM;

    json_decref(now);
    if (r < 0)
        return error_sys(err, r, "cannot compare with the receipt");
    solve_show_differences(&s->show, &stops, &notes);
    if (stops.count == 0)
        return 0;
    s->solve.refusal = strdup("the run of the receipt cannot be repeated here");
    s->solve.code = 1;
    return 1;
}

static void show_comparison(const struct solving *s, const json_t *result)
{
    CLEANUP_TEXT struct text words = TEXT_INIT;
    bool same;

    if (!s->replay.receipt || replay_compare_results(s->replay.receipt, result, &same, &words) < 0)
        return;
    if (same)
        text_adds(&words, "The result is the same as the receipt's.");
    if (s->show.json) {
        solve_show_json(json_pack("{s:s, s:b, s:s}", "event", "replayed", "same", same, "words",
                                  text_str(&words)));
        return;
    }
    text_addc(&words, '\n');
    terminal_put(stdout, &words);
    (void)fflush(stdout);
}

static void show_result(const struct solving *s, const json_t *result, bool ran, bool kept)
{
    const char *reason = json_string_value(json_object_get(result, "reason"));
    CLEANUP_TEXT struct text out = TEXT_INIT;
    CLEANUP_TEXT struct text why = TEXT_INIT;
    json_t *event;

    if (s->show.json) {
        event = json_deep_copy(result);
        (void)json_object_set_new(event, "event", json_string("result"));
        if (kept)
            (void)json_object_set_new(event, "folder", json_string(s->experiment.folder));
        solve_show_json(event);
    } else if (ran && s->part == SOLVE_ALONE) {
        (void)solve_result_text(result, &out);
        text_adds(&out, kept ? "experiment " : "");
        text_add_printable(&out, kept ? s->experiment.folder : "");
        text_adds(&out, kept ? "\n" : "");
        terminal_put(stdout, &out);
        (void)fflush(stdout);
    }
    if (!reason || solve_result_is_good(result) || s->signal)
        return;
    text_adds(&why, "No result: ");
    text_add_printable(&why, reason);
    text_addc(&why, '\n');
    terminal_put(stderr, &why);
}

/* The result is kept and shown by then: no failure in here takes it away. */
static void fetch_logs(struct solving *s)
{
    struct error why = {0};

    if (s->signal == 0 && solve_machines_fetch_logs(s->p, &s->machines, &s->experiment, &why) < 0)
        fprintf(stderr, "Warning: not all logs of the agents are in the experiment: %s\n",
                why.text);
    tell_all_lost(s);
}

/* 0: a result; 1: none; else what the refusal says. */
static int end_run(struct solving *s, struct error *err)
{
    bool ran = solve_has_run(&s->solve);
    json_t *result = solve_result(&s->solve);
    const char *reason = json_string_value(json_object_get(result, "reason"));
    int r = 0, answer = solve_result_is_good(result) ? 0 : ran ? 1 : s->solve.code;

    s->outcome->reason = reason ? strdup(reason) : NULL;
    s->outcome->how = ran ? SOLVE_RAN : s->solve.busy ? SOLVE_NOT_READY : s->outcome->how;
    if (ran)
        r = solving_keep(s, result, err);
    if (ran && r == 0) {
        s->outcome->result = json_incref(result);
        s->outcome->folder = strdup(s->experiment.folder);
    }
    if (ran && r == 0 && s->p->options.output && s->part != SOLVE_JOB)
        experiment_link(&s->experiment, &s->p->paths, s->p->problem.name, s->began_ms);
    if (!ran)
        drop_experiment(s);
    if (ran && s->show.json) /* the result is the last event */
        show_comparison(s, result);
    show_result(s, result, ran, ran && r == 0);
    if (ran && !s->show.json)
        show_comparison(s, result);
    json_decref(result);
    if (ran)
        fetch_logs(s);
    return r < 0 ? r : answer;
}

static int find_machines(struct solving *s, struct error *err)
{
    struct program *p = s->p;
    int r;

    if (!s->cast) {
        r = program_find_targets(p, err);
        return r == 0 ? program_identify(p, err) : r;
    }
    r = problem_read(&p->options.problems, &p->problem, err);
    if (r == 0 && targets_copy(s->cast->machines, &p->targets) < 0)
        r = error_sys(err, -ENOMEM, "cannot choose machines");
    return r;
}

static int prepare(struct solving *s, struct error *err)
{
    struct program *p = s->p;
    int r = check_usage(p, err);

    if (r == 0)
        r = take_receipt(s, err);
    if (r == 0)
        r = find_machines(s, err);
    if (r == 0)
        r = program_pack_pydcop(p, NULL, err);
    if (r == 0)
        r = solve_environment_make(&p->paths, p->pack, &s->environment, err);
    if (r == 0)
        r = solving_open(s, err);
    return r;
}

static int solve(struct solving *s, struct error *err)
{
    int r = prepare(s, err);

    if (r < 0)
        drop_experiment(s);
    if (r != 0)
        return r;
    s->solve.agents_max = count_agents(&s->p->targets);
    s->taken = !port_is_free(s->port);
    /* It imports pyDCOP while the machines are asked; these are not told of a run that another one,
     * for which they may wait, keeps from its port. */
    r = start_orchestrator(s, err);
    if (r == 0 && !s->taken)
        r = check_machines(s, err);
    if (r == 0 && s->replay.receipt && !s->taken)
        r = check_receipt(s, err);
    if (r == 0)
        r = run_loop(s, err);
    if (r < 0) {
        drop_experiment(s);
        return r;
    }
    return end_run(s, err);
}

long solve_seed(const struct deploy_options *o)
{
    unsigned seed = 0;

    if (o->seed)
        return strtol(o->seed, NULL, 10);
    if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
        seed = (unsigned)clock_ms(CLOCK_REALTIME);
    return (long)(seed & (INT_MAX / 2));
}

void solve_outcome_clear(struct solve_outcome *o)
{
    free(o->reason);
    free(o->folder);
    json_decref(o->result);
    *o = (struct solve_outcome){0};
}

/* Those of the run before. */
static void forget_targets(struct program *p)
{
    targets_clear(&p->targets);
    problem_clear(&p->problem);
    p->absent = p->impostor = p->incomplete = false;
}

unsigned solve_port(const struct deploy_options *o)
{
    const char *colon = o->orchestrator ? strchr(o->orchestrator, ':') : NULL;

    return colon ? (unsigned)strtoul(colon + 1, NULL, 10) : ORCHESTRATOR_PORT;
}

int solve_once(struct program *p, enum solve_part part, const struct solve_cast *cast,
               struct solve_outcome *ret, struct error *err)
{
    const struct deploy_options *o = &p->options;
    struct solving s = {
        .p = p,
        .show = {.targets = &p->targets,
                 .json = o->json,
                 .quiet = o->quiet || (part != SOLVE_ALONE && !o->verbose),
                 .draws = !o->json && !o->quiet && terminal_takes_escapes(STDERR_FILENO)},
        .cast = cast,
        .port = cast ? cast->port : solve_port(o),
        .seed = solve_seed(o),
        .began_ms = clock_ms(CLOCK_REALTIME),
        .part = part,
        .outcome = ret,
    };
    int r;

    forget_targets(p);
    r = solve_init(&s.solve) < 0 ? error_sys(err, -ENOMEM, "cannot solve") : 0;

    if (r == 0)
        r = solve(&s, err);
    ret->signal = r < 0 ? 0 : s.signal;
    solving_clear(&s);
    return r;
}
