/* What the service knows, as JSON; openapi.yaml has the schemas. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "deployer/base/url.h"
#include "discovery/base/clock.h"
#include "discovery/report/value.h"
#include "private.h"

json_t *view_text(const char *string)
{
    CLEANUP_TEXT struct text masked = TEXT_INIT, printable = TEXT_INIT;

    url_add_masked(&masked, string);
    if (utf8_valid(text_str(&masked), masked.size))
        return text_error(&masked) < 0 ? NULL : json_string(text_str(&masked));
    text_add_printable(&printable, text_str(&masked));
    return text_error(&printable) < 0 ? NULL : json_string(text_str(&printable));
}

static void put_text(json_t *o, const char *key, const char *value)
{
    if (value && *value)
        (void)json_object_set_new(o, key, view_text(value));
}

void view_put_time(json_t *o, const char *key, int64_t wall_ms)
{
    time_t seconds = (time_t)(wall_ms / 1000);
    char text[40], whole[80];
    struct tm tm;

    if (wall_ms <= 0 || !gmtime_r(&seconds, &tm) ||
        strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm) == 0)
        return;
    (void)snprintf(whole, sizeof(whole), "%s.%03dZ", text, (int)(wall_ms % 1000));
    (void)json_object_set_new(o, key, json_string(whole));
}

static json_t *view_texts(const struct strings *s)
{
    json_t *a = json_array();

    for (size_t i = 0; a && i < s->count; i++)
        (void)json_array_append_new(a, view_text(s->items[i]));
    return a;
}

static json_t *view_trust(const struct standing *s)
{
    json_t *o = json_pack("{s:s}", "state", standing_name(s->state));

    if (!o)
        return NULL;
    put_text(o, "pin", s->pin);
    if (s->pin)
        put_text(o, "source", pin_source_name(s->source));
    put_text(o, "why", s->why);
    return o;
}

static json_t *view_work(const struct member *m)
{
    json_t *o = json_pack("{s:s}", "state", work_state_name(m->state));

    if (!o)
        return NULL;
    put_text(o, "verb", m->pending && !m->at_work ? m->pending : m->verb);
    put_text(o, "phase", m->at_work ? m->phase : NULL);
    put_text(o, "step", m->at_work ? m->step : NULL);
    if (m->at_work && m->number)
        (void)json_object_set_new(o, "number", json_integer(m->number));
    if (m->at_work && m->total)
        (void)json_object_set_new(o, "total", json_integer(m->total));
    if (m->run)
        (void)json_object_set_new(o, "run", json_integer(m->run));
    if (m->ledger.failures)
        (void)json_object_set_new(o, "attempts", json_integer(m->ledger.failures));
    if (m->again_ms)
        view_put_time(o, "next",
                      clock_ms(CLOCK_REALTIME) + m->again_ms - clock_ms(CLOCK_MONOTONIC));
    put_text(o, "outcome", m->outcome);
    put_text(o, "detail", m->detail);
    put_text(o, "why", m->why);
    if (m->ledger.held)
        (void)json_object_set_new(o, "held", json_true());
    if (m->assigned.count)
        (void)json_object_set_new(o, "assigned", view_texts(&m->assigned));
    return o;
}

json_t *view_machine(const struct controller *c, const struct member *m)
{
    json_t *o = report_machine_value(&m->machine);

    (void)c;
    if (!o || json_object_set_new(o, "ref", json_string(m->ref)) < 0 ||
        json_object_set_new(o, "trust", view_trust(&m->standing)) < 0 ||
        json_object_set_new(o, "work", view_work(m)) < 0) {
        json_decref(o);
        return NULL;
    }
    return o;
}

json_t *view_machines(const struct controller *c)
{
    json_t *a = json_array();
    size_t n = 0;
    CLEANUP_FREE struct member **list = members_list(&c->directory, &n);

    for (size_t i = 0; list && i < n; i++)
        (void)json_array_append_new(a, view_machine(c, list[i]));
    return a;
}

static json_t *view_assignments(const struct controller *c)
{
    json_t *a = json_array();

    for (size_t i = 0; a && i < c->evaluation.assignments.count; i++) {
        const struct assignment *item = &c->evaluation.assignments.items[i];
        const struct member *m = member_of(item->machine);
        json_t *o = json_pack("{s:s, s:o}", "ref", m->ref, "agent", view_text(item->agent));

        if (o)
            put_text(o, "why", assignment_reason_text(item->reason));
        (void)json_array_append_new(a, o);
    }
    return a;
}

static json_t *view_reserved(const struct controller *c)
{
    json_t *a = json_array();

    for (size_t i = 0; a && i < c->evaluation.assignments.n_reserved; i++) {
        const struct state_name *name = c->evaluation.assignments.reserved[i];
        CLEANUP(state_machine_clear) struct state_machine machine = {0};
        json_t *o = json_pack("{s:o, s:s}", "agent", view_text(name->agent), "machine", name->id);

        if (o && state_machine_get(c->state, name->id, &machine, NULL) == 0)
            view_put_time(o, "last_seen", machine.last_seen_ms);
        (void)json_array_append_new(a, o);
    }
    return a;
}

/* A machine that may have replaced one that is gone: the name of that one is offered,
 * and only a person gives it, because the other machine may just be switched off. */
static json_t *view_offers(const struct controller *c)
{
    const struct assignments *a = &c->evaluation.assignments;
    json_t *offers = json_array();

    for (size_t i = 0; offers && i < a->n_reserved && i < a->n_idle; i++)
        (void)json_array_append_new(
            offers, json_pack("{s:s, s:o, s:s}", "ref", member_of(a->idle[i])->ref, "agent",
                              view_text(a->reserved[i]->agent), "gone", a->reserved[i]->id));
    return offers;
}

/* An impostor is listed as such, not as a second holder of the name. */
static json_t *view_doubtful(const struct controller *c)
{
    json_t *a = json_array();
    size_t n = 0;
    CLEANUP_FREE struct member **list = members_list(&c->directory, &n);

    for (size_t i = 0; list && a && i < n; i++) {
        const struct member *m = list[i];
        json_t *o;

        if (!m->machine.online || !members_is_impostor(&c->directory, m))
            continue;
        o = json_pack(
            "{s:s, s:s, s:o, s:o}", "ref", m->ref, "machine", m->machine.advert.id, "agents",
            view_texts(&m->machine.advert.agents), "why",
            view_text(m->standing.why ? m->standing.why : "its host key is not the pinned one"));
        if (o)
            put_text(o, "host", m->machine.host);
        (void)json_array_append_new(a, o);
    }
    return a;
}

json_t *view_match(const struct controller *c)
{
    json_t *o = c->has_problem && c->evaluation.match.problem
                    ? report_match_value(&c->evaluation.match, false)
                    : json_pack("{s:i}", "version", 1);

    if (!o)
        return NULL;
    put_text(o, "problem_error", c->troubles.problem);
    if (c->has_problem) {
        (void)json_object_set_new(o, "doubtful", view_doubtful(c));
        (void)json_object_set_new(o, "assignments", view_assignments(c));
        (void)json_object_set_new(o, "reserved", view_reserved(c));
        (void)json_object_set_new(o, "offers", view_offers(c));
    }
    return o;
}

static void add_reason(json_t *reasons, const char *what, const char *words)
{
    CLEANUP_TEXT struct text t = TEXT_INIT;

    if (!words)
        return;
    text_addf(&t, "%s%s", what, words);
    (void)json_array_append_new(reasons, view_text(text_str(&t)));
}

json_t *view_health(const struct controller *c)
{
    json_t *reasons = json_array(), *o;

    if (!c->avahi_told)
        add_reason(reasons, "", "Avahi has not been reached yet");
    add_reason(reasons, "Avahi: ", c->troubles.avahi);
    add_reason(reasons, "", c->troubles.domain);
    add_reason(reasons, "", c->troubles.problem);
    add_reason(reasons, "", c->troubles.settings);
    add_reason(reasons, "", c->packs.error);
    add_reason(reasons, "", c->troubles.state);
    add_reason(reasons, "", c->troubles.known);
    add_reason(reasons, "runs cannot be recorded: ", c->troubles.record);
    add_reason(reasons, "the queue of deploy --later: ", c->troubles.queue);
    o = json_pack("{s:b, s:o}", "ok", json_array_size(reasons) == 0, "reasons", reasons);
    return o;
}

json_t *view_status(const struct controller *c)
{
    const struct controller_options *s = &c->settings;
    json_t *o = json_pack("{s:i, s:s, s:b, s:b, s:b, s:i, s:i, s:b, s:i, s:b, s:o}", "version", 1,
                          "service", "dcop-controller " DCOP_VERSION, "auto", (int)s->automatic,
                          "assign", (int)s->assign, "accept_new", (int)s->deploy.accept_new,
                          "quorum", (int)s->quorum, "present", (int)c->plan.present, "fleet_key",
                          (int)c->has_key, "forks", (int)s->deploy.forks, "packing",
                          (int)(c->packs.packing != NULL), "health", view_health(c));

    if (!o)
        return NULL;
    put_text(o, "fleet", s->deploy.fleet);
    if (c->queue.shown)
        (void)json_object_set(o, "later", c->queue.shown);
    put_text(o, "pydcop", c->packs.pack ? c->packs.pack->wheels.version : NULL);
    return o;
}

json_t *view_run(const struct state_run *run)
{
    json_t *o = json_pack("{s:I, s:o, s:s}", "number", (json_int_t)run->number, "verb",
                          view_text(run->verb ? run->verb : ""), "status", state_run_word(run));

    if (!o)
        return NULL;
    view_put_time(o, "started", run->started_ms);
    view_put_time(o, "ended", run->ended_ms);
    put_text(o, "spec", run->spec);
    return o;
}

json_t *view_runs(const struct controller *c)
{
    CLEANUP(state_runs_clear) struct state_runs runs = {0};
    json_t *a = json_array();

    if (state_run_list(c->state, RUNS_SHOWN, &runs, NULL) < 0)
        return a;
    for (size_t i = 0; a && i < runs.count; i++)
        (void)json_array_append_new(a, view_run(&runs.items[i]));
    return a;
}

/* Its overall results in the last runs. */
json_t *view_history(const struct controller *c, const char *id)
{
    enum { SHOWN = 20 };
    CLEANUP(state_runs_clear) struct state_runs runs = {0};
    json_t *a = json_array();

    if (state_run_list(c->state, RUNS_SHOWN, &runs, NULL) < 0)
        return a;
    for (size_t i = 0; a && i < runs.count && json_array_size(a) < SHOWN; i++) {
        CLEANUP(state_results_clear) struct state_results results = {0};
        const struct state_result *r;
        json_t *o;

        if (state_result_list_of(c->state, runs.items[i].number, id, "", &results, NULL) < 0 ||
            results.count == 0)
            continue;
        r = &results.items[0];
        o = json_pack("{s:I, s:o, s:o}", "run", (json_int_t)runs.items[i].number, "verb",
                      view_text(runs.items[i].verb), "status", view_text(r->status));
        if (!o)
            continue;
        put_text(o, "detail", r->detail);
        view_put_time(o, "started", r->started_ms);
        view_put_time(o, "ended", r->ended_ms);
        (void)json_array_append_new(a, o);
    }
    return a;
}

void view_metrics(const struct controller *c, struct text *ret)
{
    static const char machines[] = "dcop_machines", work[] = "dcop_machines_work";
    unsigned states[WORK_STUCK + 1] = {0}, online = 0, offline = 0;
    struct http_counts http = {0};
    json_t *health = view_health(c);

    for (const struct member *m = c->directory.members; m; m = m->hh.next) {
        states[m->state]++;
        online += m->machine.online;
        offline += !m->machine.online;
    }
    metrics_head(ret, machines, "gauge", "Machines that discovery knows.");
    metrics_add_labelled(ret, machines, "state", "online", online);
    metrics_add_labelled(ret, machines, "state", "offline", offline);
    metrics_head(ret, work, "gauge", "Machines by state of their work.");
    for (size_t i = 0; i <= WORK_STUCK; i++)
        metrics_add_labelled(ret, work, "state", work_state_name((enum work_state)i), states[i]);
    metrics_add(ret, "dcop_agents_wanted", "gauge", "Agents of the problem.",
                c->has_problem ? (double)c->problem.agents.count : 0);
    metrics_add(ret, "dcop_agents_matched", "gauge", "Agents of the problem that have a machine.",
                (double)c->evaluation.match.n_matched);
    metrics_add(ret, "dcop_healthy", "gauge", "1 if /healthz reports no trouble.",
                json_is_true(json_object_get(health, "ok")));
    json_decref(health);
    metrics_write(&c->metrics, ret);
    if (c->web.http)
        http_count(c->web.http, &http);
    metrics_add(ret, "dcop_http_connections", "gauge", "Open connections.", http.connections);
    metrics_add(ret, "dcop_http_listeners", "gauge", "Clients that listen to the events.",
                http.listeners);
    metrics_add(ret, "dcop_http_requests_total", "counter", "Requests that were answered.",
                (double)http.requests);
    metrics_add(ret, "dcop_http_refused_total", "counter", "Requests that were refused.",
                (double)http.refused);
}
