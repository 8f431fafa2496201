/* The API's requests, one function each; openapi.yaml describes them. */
#include <errno.h>
#include <string.h>

#include "deployer/state/report.h"
#include "discovery/advert/advert.h"
#include "discovery/report/roster-text.h"
#include "private.h"
#include "qr.h"

enum { MACHINES_AT_ONCE = 1000, NAMES_AT_ONCE = 64 };

/* --- reading ------------------------------------------------------------------------ */

static void get_roster(struct controller *c, const struct http_request *request, struct answer *ret)
{
    size_t n = 0;
    CLEANUP_FREE struct member **members = members_list(&c->directory, &n);
    CLEANUP_FREE const struct machine **machines = calloc(n + 1, sizeof(*machines));

    (void)request;
    for (size_t i = 0; members && machines && i < n; i++)
        machines[i] = &members[i]->machine;
    if (!members || !machines || report_roster_json(machines, n, &ret->body) < 0) {
        answer_problem(ret, 500, NULL);
        return;
    }
    ret->status = 200;
    ret->type = "application/json";
}

static void get_machines(struct controller *c, const struct http_request *request,
                         struct answer *ret)
{
    (void)request;
    answer_json(ret, 200, json_pack("{s:i, s:o}", "version", 1, "machines", view_machines(c)));
}

static void get_match(struct controller *c, const struct http_request *request, struct answer *ret)
{
    (void)request;
    answer_json(ret, 200, view_match(c));
}

static void get_runs(struct controller *c, const struct http_request *request, struct answer *ret)
{
    (void)request;
    answer_json(ret, 200, json_pack("{s:i, s:o}", "version", 1, "runs", view_runs(c)));
}

static void get_status(struct controller *c, const struct http_request *request, struct answer *ret)
{
    (void)request;
    answer_json(ret, 200, view_status(c));
}

/* Is the token right?  It is: else the request would not be here. */
static void get_session(struct controller *c, const struct http_request *request,
                        struct answer *ret)
{
    (void)c, (void)request;
    ret->status = 204;
}

static struct member *find_member(struct controller *c, const char *ref, struct answer *ret)
{
    struct member *m = NULL;
    int r = members_find(&c->directory, ref, &m);

    if (r > 0)
        return m;
    if (r == 0)
        answer_problem(ret, 404, "There is no such machine.");
    else
        answer_problem(ret, 409, "Several machines have this id; give the ref of one of them.");
    return NULL;
}

static void get_machine(struct controller *c, const struct http_request *request,
                        struct answer *ret)
{
    struct member *m = find_member(c, request->routed.parameter, ret);

    if (m)
        answer_json(ret, 200,
                    json_pack("{s:i, s:o, s:o}", "version", 1, "machine", view_machine(c, m),
                              "history", view_history(c, m->machine.advert.id)));
}

static void get_log(struct controller *c, const struct http_request *request, struct answer *ret)
{
    struct member *m = find_member(c, request->routed.parameter, ret);

    if (m)
        api_log(c, m, request, ret);
}

static void get_inventory(struct controller *c, const struct http_request *request,
                          struct answer *ret)
{
    const char *name = request->format;
    enum inventory_format format = INVENTORY_YAML;
    struct error err;

    if (name && inventory_format_from_name(name, &format, &err) < 0) {
        answer_problem(ret, 400,
                       "The parameter \"format\" must be yaml, ini, json, ssh-config or hosts.");
        return;
    }
    if (inventory_file_text(c, format, &ret->body) < 0) {
        answer_problem(ret, 500, NULL);
        return;
    }
    ret->status = 200;
    ret->type = format == INVENTORY_YAML   ? "application/yaml"
                : format == INVENTORY_JSON ? "application/json"
                                           : "text/plain; charset=utf-8";
}

static void get_qr(struct controller *c, const struct http_request *request, struct answer *ret)
{
    int r = request->of ? qr_svg(request->of, &ret->body) : -EINVAL;

    (void)c;
    if (r < 0) {
        text_clear(&ret->body);
        answer_problem(ret, r == -EINVAL ? 400 : 500,
                       r == -EINVAL ? "The parameter \"of\" must have 1 to 300 bytes." : NULL);
        return;
    }
    ret->status = 200;
    ret->type = "image/svg+xml";
}

static void get_run(struct controller *c, const struct http_request *request, struct answer *ret)
{
    struct state_report_page page = {
        .machine = request->machine, .bounded = true, .quiet = !request->trusted};
    struct error err;
    long number, from = 0;

    if (request->after && parse_number(request->after, 0, 1000000000, &from, &err) < 0) {
        answer_problem(ret, 400, "The parameter \"after\" must be the \"next\" of an answer.");
        return;
    }
    page.from = (size_t)from;
    if (parse_number(request->routed.parameter, 1, 1000000000, &number, &err) < 0) {
        answer_problem(ret, 404, "There is no such run.");
        return;
    }
    if (state_report_run_json(c->state, number, &page, &ret->body, &err) < 0) {
        answer_error(ret, &err);
        return;
    }
    ret->status = 200;
    ret->type = "application/json";
}

static void get_later(struct controller *c, const struct http_request *request, struct answer *ret)
{
    struct error err;

    (void)request;
    if (state_report_later_json(c->state, &ret->body, &err) < 0) {
        answer_error(ret, &err);
        return;
    }
    ret->status = 200;
    ret->type = "application/json";
}

static void get_metrics(struct controller *c, const struct http_request *request,
                        struct answer *ret)
{
    (void)request;
    view_metrics(c, &ret->body);
    ret->status = text_error(&ret->body) < 0 ? 500 : 200;
    ret->type = "text/plain; version=0.0.4; charset=utf-8";
}

static void get_health(struct controller *c, const struct http_request *request, struct answer *ret)
{
    json_t *health = view_health(c);
    bool ok = json_is_true(json_object_get(health, "ok"));

    (void)request;
    answer_json(ret, ok ? 200 : 503, health);
}

/* --- actions --------------------------------------------------------------------------- */

/* Why the machine cannot take an action now; NULL: it can. */
static const char *refusal_reason(const struct controller *c, const struct member *m,
                                  const char *verb)
{
    CLEANUP_STRINGS struct strings agents = {0};

    if (m->standing.state != STANDING_ACCEPTED)
        return m->standing.why ? m->standing.why : "A person has to accept its host key first.";
    if (!m->machine.online)
        return "The machine is offline.";
    if (m->pending && !packing_is_awaited(c, m))
        return "Another action is already queued for this machine.";
    if (strcmp(verb, "deploy") != 0)
        return NULL;
    if (model_agents(c, m, &agents) < 0 || agents.count > 0)
        return NULL;
    return c->has_problem ? "None of its agents is in the problem." : "It has no agent name.";
}

static void add_refused(json_t *refused, const char *ref, const char *why)
{
    (void)json_array_append_new(refused, json_pack("{s:s, s:s}", "ref", ref, "detail", why));
}

static void queue_action(struct controller *c, struct member *m, const char *verb, json_t *queued,
                         json_t *refused)
{
    const char *why = verb ? refusal_reason(c, m, verb) : NULL;

    if (why) {
        add_refused(refused, m->ref, why);
        return;
    }
    if (verb)
        m->pending = verb;
    else if (!m->at_work)
        ledger_reset(&m->ledger);
    (void)json_array_append_new(queued, json_string(m->ref));
}

static bool wants_all(const json_t *body)
{
    return json_is_true(json_object_get(body, "all"));
}

static void queue_all(struct controller *c, const char *verb, json_t *queued, json_t *refused)
{
    for (struct member *m = c->directory.members; m; m = m->hh.next)
        if (!verb || (m->machine.online && m->standing.state == STANDING_ACCEPTED))
            queue_action(c, m, verb, queued, refused);
}

/* A ref is compared literally; an unknown one is not repeated in the answer. */
static void queue_one(struct controller *c, const json_t *ref, const char *verb, json_t *queued,
                      json_t *refused)
{
    struct member *m = NULL;
    const char *text = json_string_value(ref);

    if (text && members_find(&c->directory, text, &m) == 1)
        queue_action(c, m, verb, queued, refused);
    else
        add_refused(refused, "", "There is no such machine.");
}

/* `verb` NULL: retry. */
static void post_action(struct controller *c, const struct http_request *request, const char *verb,
                        struct answer *ret)
{
    const json_t *machines = json_object_get(request->body, "machines");
    json_t *queued, *refused;
    size_t n = json_array_size(machines);

    if (wants_all(request->body) == json_is_array(machines) || n > MACHINES_AT_ONCE ||
        (json_is_array(machines) && n == 0)) {
        answer_problem(ret, 422,
                       "Give either \"machines\", a list of 1 to 1000 refs, or \"all\": true.");
        return;
    }
    queued = json_array();
    refused = json_array();
    if (json_is_array(machines))
        for (size_t i = 0; i < n; i++)
            queue_one(c, json_array_get(machines, i), verb, queued, refused);
    else
        queue_all(c, verb, queued, refused);
    if (verb && strcmp(verb, "deploy") == 0 && json_array_size(queued) > 0)
        packing_start(c); /* deploy the present state of the source */
    model_clear(c);
    controller_evaluate_soon(c);
    answer_json(ret, 202,
                json_pack("{s:i, s:o, s:o}", "version", 1, "queued", queued, "refused", refused));
}

static void post_verb(struct controller *c, const struct http_request *request, struct answer *ret)
{
    post_action(c, request, request->routed.word, ret);
}

static void post_retry(struct controller *c, const struct http_request *request, struct answer *ret)
{
    post_action(c, request, NULL, ret);
}

/* --- names --------------------------------------------------------------------------------- */

static int assign_names(struct controller *c, struct member *m, const struct strings *agents,
                        struct error *err)
{
    int r =
        state_names_set(c->state, machine_fleet(&m->machine), m->machine.advert.id, agents, err);

    if (r == 0 && strings_copy(&m->assigned, agents) < 0)
        r = error_sys(err, -ENOMEM, "cannot assign names");
    if (r == 0)
        m->pending = "assign";
    return r;
}

static void post_assign_all(struct controller *c, const struct http_request *request,
                            struct answer *ret)
{
    json_t *queued = json_array(), *refused = json_array();

    (void)request;
    for (size_t i = 0; i < c->evaluation.assignments.count; i++) {
        const struct assignment *a = &c->evaluation.assignments.items[i];
        struct member *m = member_of(a->machine);
        CLEANUP_STRINGS struct strings agents = {0};
        const char *why = refusal_reason(c, m, "assign");
        struct error err = {0};

        if (!why && (strings_add(&agents, a->agent) < 0 || assign_names(c, m, &agents, &err) < 0))
            why = err.text;
        if (why)
            add_refused(refused, m->ref, why);
        else
            (void)json_array_append_new(queued, json_string(m->ref));
    }
    model_clear(c);
    controller_evaluate_soon(c);
    answer_json(ret, 202,
                json_pack("{s:i, s:o, s:o}", "version", 1, "queued", queued, "refused", refused));
}

static int parse_names(const json_t *list, struct strings *ret)
{
    if (!json_is_array(list) || json_array_size(list) > NAMES_AT_ONCE)
        return -EINVAL;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        const char *name = json_string_value(item);

        if (!name || !advert_agent_valid(name, json_string_length(item)) || strings_has(ret, name))
            return -EINVAL;
        if (strings_add(ret, name) < 0)
            return -ENOMEM;
    }
    return 0;
}

static void post_assign(struct controller *c, const struct http_request *request,
                        struct answer *ret)
{
    CLEANUP_STRINGS struct strings agents = {0};
    struct member *m = find_member(c, request->routed.parameter, ret);
    struct error err;
    const char *why;

    if (!m)
        return;
    if (parse_names(json_object_get(request->body, "agents"), &agents) < 0) {
        answer_problem(ret, 422,
                       "\"agents\" must be a list of at most 64 different names that are valid in "
                       "an advert.");
        return;
    }
    why = refusal_reason(c, m, "assign");
    if (why) {
        answer_problem(ret, 409, why);
        return;
    }
    if (assign_names(c, m, &agents, &err) < 0) {
        answer_error(ret, &err);
        return;
    }
    model_clear(c);
    controller_evaluate_soon(c);
    answer_json(ret, 202,
                json_pack("{s:i, s:[s], s:[]}", "version", 1, "queued", m->ref, "refused"));
}

/* --- trust ----------------------------------------------------------------------------------- */

static void post_accept(struct controller *c, const struct http_request *request,
                        struct answer *ret)
{
    struct member *m = find_member(c, request->routed.parameter, ret);
    const char *hostkey = json_string_value(json_object_get(request->body, "hostkey"));
    bool replace = json_is_true(json_object_get(request->body, "replace"));
    struct state_pin pin = {.source = PIN_TRUST};
    struct error err = {0};
    int r;

    if (!m)
        return;
    if (!hostkey || !advert_hostkey_valid(hostkey)) {
        answer_problem(ret, 422, "\"hostkey\" must be the fingerprint that was compared, SHA256:…");
        return;
    }
    if (!string_equal(hostkey, m->machine.advert.hostkey)) {
        answer_problem(ret, 409,
                       "The machine now advertises a different fingerprint; compare again.");
        return;
    }
    if (m->machine.untrusted) {
        answer_problem(ret, 409,
                       "Its record is not signed with this fleet's key; enroll it first.");
        return;
    }
    pin.id = m->machine.advert.id;
    pin.fingerprint = (char *)(uintptr_t)hostkey;
    r = replace ? state_pin_replace(c->state, &pin, &err) : state_pin_put(c->state, &pin, &err);
    if (r == -EEXIST)
        (void)error_set(&err, r,
                        "A different host key is pinned for this machine: it was reflashed, or it "
                        "is an impostor. \"replace\": true pins the new key.");
    if (r < 0) {
        answer_error(ret, &err);
        return;
    }
    if (!m->at_work)
        ledger_reset(&m->ledger);
    model_clear(c);
    for (struct member *other = c->directory.members; other; other = other->hh.next)
        if (strcmp(other->machine.advert.id, m->machine.advert.id) == 0) {
            model_find_standing(c, other);
            publish_machine(c, other, "trust");
        }
    controller_evaluate_soon(c);
    answer_json(ret, 200, json_pack("{s:i, s:o}", "version", 1, "machine", view_machine(c, m)));
}

static void post_forget(struct controller *c, const struct http_request *request,
                        struct answer *ret)
{
    struct member *m = find_member(c, request->routed.parameter, ret);
    CLEANUP(state_forgotten_clear) struct state_forgotten f = {0};
    struct error err = {0};
    json_t *names;
    int r;

    if (!m)
        return;
    r = state_forget(c->state, m->machine.advert.id, &f, &err);
    if (r < 0 && r != -ENOENT) {
        answer_error(ret, &err);
        return;
    }
    names = json_array();
    for (size_t i = 0; i < f.names.count; i++)
        (void)json_array_append_new(names, view_text(f.names.items[i]));
    strings_clear(&m->assigned);
    ledger_reset(&m->ledger);
    m->ledger.held = false;
    model_clear(c);
    model_find_standing(c, m);
    if (m->machine.online || m->at_work)
        publish_machine(c, m, "trust");
    else
        discovered_gone(c, m);
    controller_evaluate_soon(c);
    answer_json(ret, 200,
                json_pack("{s:i, s:i, s:o}", "version", 1, "pins", (int)f.pins, "names", names));
}

/* --- the queue ------------------------------------------------------------------------------- */

static void cancel_later(struct controller *c, const struct http_request *request,
                         struct answer *ret)
{
    const char *id = request->routed.parameter;
    struct error err;
    int r = state_later_drop(c->state, id, &err);

    if (r == -ENOENT) {
        answer_problem(ret, 404, "No deploy waits for such a machine.");
        return;
    }
    if (r < 0) {
        answer_error(ret, &err);
        return;
    }
    model_clear(c);
    controller_evaluate_soon(c);
    answer_json(ret, 200, json_pack("{s:i, s:[s]}", "version", 1, "cancelled", id));
}

/* --- all requests ------------------------------------------------------------------------------
 */

/* Those that are not here are answered by http/server.c. */
static void (*const handlers[ROUTES])(struct controller *c, const struct http_request *request,
                                      struct answer *ret) = {
    [ROUTE_ROSTER] = get_roster,
    [ROUTE_MACHINES] = get_machines,
    [ROUTE_MACHINE] = get_machine,
    [ROUTE_LOG] = get_log,
    [ROUTE_MATCH] = get_match,
    [ROUTE_INVENTORY] = get_inventory,
    [ROUTE_RUNS] = get_runs,
    [ROUTE_RUN] = get_run,
    [ROUTE_STATUS] = get_status,
    [ROUTE_SESSION] = get_session,
    [ROUTE_METRICS] = get_metrics,
    [ROUTE_HEALTH] = get_health,
    [ROUTE_ACTION] = post_verb,
    [ROUTE_RETRY] = post_retry,
    [ROUTE_ASSIGN_ALL] = post_assign_all,
    [ROUTE_ASSIGN] = post_assign,
    [ROUTE_ACCEPT] = post_accept,
    [ROUTE_FORGET] = post_forget,
    [ROUTE_LATER] = get_later,
    [ROUTE_LATER_CANCEL] = cancel_later,
    [ROUTE_QR] = get_qr,
    [ROUTE_SOLVE] = api_solve,
    [ROUTE_SOLVE_BEGIN] = api_solve_begin,
    [ROUTE_SOLVE_STOP] = api_solve_stop,
    [ROUTE_SOLVE_ALGORITHMS] = api_solve_algorithms,
    [ROUTE_EXPERIMENTS] = api_experiments,
    [ROUTE_EXPERIMENT] = api_experiments,
    [ROUTE_EXPERIMENT_METRICS] = api_experiments,
    [ROUTE_EXPERIMENT_PLOT] = api_experiments,
    [ROUTE_EXPERIMENT_FOLDER] = api_experiments,
};

void api_handle(const struct http_request *request, struct answer *ret, void *controller)
{
    struct controller *c = controller;

    evaluate_if_due(c);
    if (handlers[request->routed.route])
        handlers[request->routed.route](c, request, ret);
    else
        answer_problem(ret, 500, NULL);
}

static int add_chunk(const char *bytes, size_t size, void *text)
{
    text_add(text, bytes, size);
    return text_error(text) < 0 ? -1 : 0;
}

int api_snapshot(struct text *ret, void *controller)
{
    struct controller *c = controller;
    json_t *o;
    int r;

    evaluate_if_due(c);
    o = json_pack("{s:i, s:o, s:o, s:o, s:o, s:o}", "version", 1, "status", view_status(c),
                  "machines", view_machines(c), "match", view_match(c), "runs", view_runs(c),
                  "solve", solving_view(c));
    r = o ? json_dump_callback(o, add_chunk, ret, ANSWER_JSON) : -1;
    json_decref(o);
    return r < 0 ? -1 : 0;
}
