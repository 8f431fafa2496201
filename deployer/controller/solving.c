/* Runs of the problem: `dcop-deploy solve` as a child, and what its events make known. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "discovery/base/clock.h"
#include "private.h"

enum {
    PUBLISH_USEC = 250 * 1000, /* between two events of one state */
    PUBLISH_BYTES_USEC = 4,    /* for each byte of the last one: a large one comes less often */
};

bool solving_is_active(const struct controller *c)
{
    return c->solving.process != NULL;
}

json_t *solving_view(const struct controller *c)
{
    return c->solving.known ? solve_view_json(&c->solving.view) : json_null();
}

/* --- what is published -------------------------------------------------------------- */

static uint64_t now_usec(const struct controller *c)
{
    uint64_t now = 0;

    (void)sd_event_now(c->loop, CLOCK_MONOTONIC, &now);
    return now;
}

static void publish_run(struct controller *c)
{
    struct solving *s = &c->solving;
    json_t *now = solving_view(c);
    uint64_t pause = json_dumpb(now, NULL, 0, JSON_COMPACT) * PUBLISH_BYTES_USEC;

    s->told = s->view.state;
    s->next_usec = now_usec(c) + (pause > PUBLISH_USEC ? pause : PUBLISH_USEC);
    s->publish = sd_event_source_disable_unref(s->publish);
    publish(c, "solve", now);
}

static int on_publish(sd_event_source *source, uint64_t usec, void *arg)
{
    (void)source, (void)usec;
    publish_run(arg);
    return 0;
}

/* A new state is published at once, all else in a moment. */
static void changed(struct controller *c)
{
    struct solving *s = &c->solving;

    if (s->view.state != s->told || now_usec(c) >= s->next_usec)
        publish_run(c);
    else if (!s->publish)
        (void)sd_event_add_time(c->loop, &s->publish, CLOCK_MONOTONIC, s->next_usec, 1000,
                                on_publish, c);
}

static void on_event(const json_t *event, void *arg)
{
    struct controller *c = arg;

    solve_view_hear(&c->solving.view, event);
    changed(c);
}

static void on_words(const char *line, void *arg)
{
    struct controller *c = arg;

    solve_view_note(&c->solving.view, line);
    changed(c);
}

static void on_end(int status, unsigned long left_out, void *arg)
{
    struct controller *c = arg;
    struct solving *s = &c->solving;
    const char *id;

    solve_process_free(TAKE_PTR(s->process));
    solve_view_end(&s->view, status, left_out, clock_ms(CLOCK_REALTIME));
    publish_run(c);
    id = solve_view_id(&s->view);
    if (id)
        publish(c, "experiment", json_pack("{s:s}", "id", id));
    controller_evaluate_soon(c); /* deploys have waited for its end */
}

/* --- the command ----------------------------------------------------------------------- */

static int add_option(struct strings *argv, const char *name, const char *value)
{
    CLEANUP_TEXT struct text option = TEXT_INIT;

    if (!value)
        return 0;
    text_addf(&option, "--%s=%s", name, value);
    return text_error(&option) < 0 ? -ENOMEM : strings_add(argv, text_str(&option));
}

static int add_list(struct strings *argv, const char *name, const struct strings *values)
{
    int r = 0;

    for (size_t i = 0; i < values->count && r == 0; i++)
        r = add_option(argv, name, values->items[i]);
    return r;
}

static int add_flag(struct strings *argv, const char *option, bool set)
{
    return set ? strings_add(argv, option) : 0;
}

static int add_numbers(struct strings *argv, const struct deploy_options *o)
{
    CLEANUP_TEXT struct text forks = TEXT_INIT, timeout = TEXT_INIT;
    int r;

    text_addf(&forks, "%u", o->forks);
    text_addf(&timeout, "%u.%03u", o->timeout_ms / 1000, o->timeout_ms % 1000);
    if (text_error(&forks) < 0 || text_error(&timeout) < 0)
        return -ENOMEM;
    r = add_option(argv, "forks", o->forks ? text_str(&forks) : NULL);
    return r < 0 ? r : add_option(argv, "timeout", text_str(&timeout));
}

/* The service's own settings, as far as a run needs them. */
static int add_settings(const struct controller *c, struct strings *argv)
{
    const struct deploy_options *o = &c->settings.deploy;
    const struct {
        const char *name, *value;
    } options[] = {
        {"state-dir", c->paths.state},
        {"config", o->config_dir},
        {"fleet", o->fleet},
        {"domain", o->domain},
        {"user", o->user},
        {"pydcop", o->spec},
        {"deps", o->deps},
        {"orchestrator", o->orchestrator},
        {"apt-proxy", o->caches.apt_proxy},
        {"pip-index", o->caches.pip_index},
    };
    int r = add_list(argv, "problem", &o->problems);

    if (r == 0)
        r = add_list(argv, "key", &o->keys);
    for (size_t i = 0; i < ARRAY_SIZE(options) && r == 0; i++)
        r = add_option(argv, options[i].name, options[i].value);
    if (r == 0)
        r = add_flag(argv, "--offline", o->caches.offline);
    if (r == 0)
        r = add_flag(argv, "--cache-direct", o->caches.direct);
    if (r == 0)
        r = add_flag(argv, "--keep-proxy", o->caches.keep_proxy);
    if (r == 0)
        r = add_flag(argv, "--accept-new", o->accept_new);
    return r < 0 ? r : add_numbers(argv, o);
}

static int make_command(const struct controller *c, const struct solve_request *asked,
                        struct strings *ret)
{
    CLEANUP_FREE char *program = paths_program("dcop-deploy");
    int r = program ? strings_add(ret, program) : -ENOENT;

    if (r == 0)
        r = add_settings(c, ret);
    if (r == 0)
        r = strings_add(ret, "--json");
    if (r == 0)
        r = strings_add(ret, "solve");
    for (size_t i = 0; i < asked->options.count && r == 0; i++)
        r = strings_add(ret, asked->options.items[i]);
    return r;
}

/* The service has taken the passwords out of its environment; files are read already. */
static void add_password(struct text *t, const char *variable, const struct secret *secret,
                         const char **env)
{
    if (!secret)
        return;
    text_addf(t, "%s=", variable);
    text_add(t, secret_text(secret), secret_size(secret));
    *env = text_str(t);
}

static int start(struct controller *c, const struct strings *command, struct error *err)
{
    CLEANUP(text_wipe) struct text login = TEXT_INIT, become = TEXT_INIT;
    CLEANUP_FREE const char **argv = calloc(command->count + 1, sizeof(*argv));
    const char *env[3] = {NULL, NULL, NULL};
    const struct solve_process_options options = {
        .argv = argv,
        .env = env,
        .on_event = on_event,
        .on_words = on_words,
        .on_end = on_end,
        .arg = c,
    };

    add_password(&login, "DCOP_PASSWORD", c->passwords.login, &env[0]);
    add_password(&become, "DCOP_BECOME_PASSWORD", c->passwords.become, &env[env[0] ? 1 : 0]);
    if (!argv || text_error(&login) < 0 || text_error(&become) < 0)
        return error_sys(err, -ENOMEM, "cannot begin the run");
    for (size_t i = 0; i < command->count; i++)
        argv[i] = command->items[i];
    return solve_process_start(c->loop, &options, &c->solving.process, err);
}

/* --- beginning and ending ----------------------------------------------------------------- */

/* Would a run get in the way of this action, or the action in the way of the run? */
static bool disturbs(const char *verb)
{
    static const char *const quiet[] = {"logs", "identify", "assign"};

    for (size_t i = 0; verb && i < ARRAY_SIZE(quiet); i++)
        if (strcmp(verb, quiet[i]) == 0)
            return false;
    return verb != NULL;
}

/* -EBUSY with a sentence when the machines are not free. */
static int check_machines(const struct controller *c, struct error *err)
{
    for (const struct member *m = c->directory.members; m; m = m->hh.next) {
        const char *verb = m->at_work ? m->verb : packing_is_awaited(c, m) ? NULL : m->pending;

        if (disturbs(verb))
            return error_set(err, -EBUSY, "%s is at work on %s; wait for its end.", verb,
                             m->machine.host ? m->machine.host : m->ref);
    }
    return 0;
}

static const struct match_pair *pair_of(const struct controller *c, const char *agent)
{
    for (size_t i = 0; i < c->evaluation.match.n_matched; i++)
        if (strcmp(c->evaluation.match.matched[i].agent, agent) == 0)
            return &c->evaluation.match.matched[i];
    return NULL;
}

/* With `partial`, those that have a machine. */
static void show_agents(struct controller *c, bool partial)
{
    for (size_t i = 0; i < c->problem.agents.count; i++) {
        const char *agent = c->problem.agents.items[i];
        const struct match_pair *pair = pair_of(c, agent);

        if (pair || !partial)
            solve_view_add_agent(&c->solving.view, agent, pair ? pair->machine->host : NULL);
    }
}

int solving_begin(struct controller *c, const struct solve_request *asked, struct error *err)
{
    CLEANUP_STRINGS struct strings command = {0};
    struct solve_view view;
    int r;

    if (solving_is_active(c))
        return error_set(
            err, -EBUSY,
            "The problem is being solved already; stop that run, or wait for its end.");
    if (!c->has_problem)
        return error_set(err, -EBUSY, "The service has no problem to solve%s%s; see --problem.",
                         c->troubles.problem ? ": " : "",
                         c->troubles.problem ? c->troubles.problem : "");
    r = check_machines(c, err);
    if (r < 0)
        return r;
    r = make_command(c, asked, &command);
    if (r == 0)
        r = solve_view_init(&view, asked->shown, clock_ms(CLOCK_REALTIME));
    if (r < 0)
        return error_sys(err, r, "cannot begin the run");
    r = start(c, &command, err);
    if (r < 0) {
        solve_view_clear(&view);
        return r;
    }
    solve_view_clear(&c->solving.view);
    c->solving.view = view;
    c->solving.known = true;
    show_agents(c, asked->partial);
    publish_run(c);
    controller_evaluate_soon(c);
    return 0;
}

int solving_stop(struct controller *c)
{
    if (!solving_is_active(c))
        return -ENOENT;
    solve_view_stop(&c->solving.view);
    solve_process_stop(c->solving.process);
    publish_run(c);
    return 0;
}

void solving_clear(struct controller *c)
{
    solve_process_free(TAKE_PTR(c->solving.process));
    c->solving.publish = sd_event_source_disable_unref(c->solving.publish);
    solve_view_clear(&c->solving.view);
}
