#include "doctor.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "claims.h"
#include "discovery/base/clock.h"
#include "discovery/match/addresses.h"
#include "discovery/network/discovery.h"
#include "discovery/network/links.h"
#include "discovery/network/look.h"
#include "observe.h"
#include "probe.h"
#include "rules.h"
#include "twins.h"

enum { NEIGHBOURS_MAX = 128, BESIDE_MAX = 256 };

struct visit {
    const struct doctor_options *options;
    struct view_host host;
    struct look *look; /* NULL: there was none */
    struct links links;
    int ear; /* of claims; -1: none */
    struct claims claims;
    struct view_machine *machines;
    size_t n, room;
    struct doctor_report *report;
};

void doctor_report_clear(struct doctor_report *r)
{
    findings_clear(&r->findings);
}

static void visit_clear(struct visit *v)
{
    view_host_clear(&v->host);
    look_free(v->look);
    if (v->ear >= 0)
        close(v->ear);
    free(v->machines);
}

/* ---- which machines ---- */

static bool is_asked_for(const struct machine *m, const char *target)
{
    struct address a;
    char label[MACHINE_LABEL_MAX];

    if (!target)
        return true;
    if (address_parse(target, &a) == 0)
        for (size_t i = 0; i < m->n_addresses; i++)
            if (address_equal(&a, &m->addresses[i]))
                return true;
    return string_equal(m->advert.id, target) || (m->host && strcasecmp(m->host, target) == 0) ||
           strcasecmp(machine_label(m, label), target) == 0 ||
           strings_has(&m->advert.agents, target);
}

static struct view_machine *add_machine(struct visit *v, const struct address *a)
{
    struct view_machine *grown, *made;

    if (v->n == v->room) {
        size_t room = v->room ? 2 * v->room : 64;

        grown = realloc(v->machines, room * sizeof(*grown));
        if (!grown)
            return NULL;
        v->machines = grown;
        v->room = room;
    }
    made = &v->machines[v->n++];
    *made = (struct view_machine){
        .address = *a, .near = links_is_near(&v->links, a), .own = links_is_own(&v->links, a)};
    return made;
}

void doctor_label(const char *name, const struct address *a, char ret[static DOCTOR_LABEL_MAX])
{
    char address[ADDRESS_TEXT_MAX];

    address_format(a, address);
    if (string_equal(name, address))
        (void)snprintf(ret, DOCTOR_LABEL_MAX, "%s", address);
    else
        (void)snprintf(ret, DOCTOR_LABEL_MAX, "%.*s (%s)", MACHINE_LABEL_MAX - 4, name, address);
}

static int add_record(struct visit *v, const struct machine *m)
{
    char label[MACHINE_LABEL_MAX];
    struct view_machine *made;

    if (m->n_addresses == 0)
        return 0;
    made = add_machine(v, &m->addresses[0]);
    if (!made)
        return -ENOMEM;
    made->record = m;
    made->port = m->port;
    for (size_t i = 0; i < m->n_addresses; i++)
        made->cards +=
            m->addresses[i].family == AF_INET && links_is_near(&v->links, &m->addresses[i]);
    doctor_label(machine_label(m, label), &made->address, made->label);
    return 0;
}

static int add_address(struct visit *v, const struct address *a, uint16_t port, bool given)
{
    struct view_machine *made = add_machine(v, a);

    if (!made)
        return -ENOMEM;
    made->port = port;
    made->given = given;
    address_format(a, made->label);
    return 0;
}

static bool is_in_records(const struct machine *const *machines, size_t n, const struct address *a)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < machines[i]->n_addresses; k++)
            if (address_equal(&machines[i]->addresses[k], a))
                return true;
    return false;
}

static bool is_visited(const struct visit *v, const struct address *a)
{
    for (size_t i = 0; i < v->n; i++)
        if (address_equal(&v->machines[i].address, a))
            return true;
    return false;
}

/* Those that are there may be machines whose multicast does not arrive. */
static int add_neighbours(struct visit *v, const struct machine *const *machines, size_t n)
{
    struct address all[NEIGHBOURS_MAX];
    size_t count = observe_neighbours(all, NEIGHBOURS_MAX);
    int r = 0;

    for (size_t i = 0; r == 0 && i < count; i++)
        if (links_is_near(&v->links, &all[i]) && !is_in_records(machines, n, &all[i]) &&
            !is_visited(v, &all[i]))
            r = add_address(v, &all[i], 0, false);
    for (size_t i = 0; r == 0 && i < v->links.n_networks; i++)
        if (v->links.networks[i].address.family == AF_INET)
            r = add_address(v, &v->links.networks[i].address, 0, false);
    return r;
}

static bool has_id(const struct machine *const *machines, size_t n, const char *id)
{
    for (size_t i = 0; i < n; i++)
        if (string_equal(machines[i]->advert.id, id))
            return true;
    return false;
}

/* At the address of another machine that is seen, the known one is not. */
static int add_known(struct visit *v, const struct machine *const *machines, size_t n)
{
    const char *target = v->options->target;

    for (size_t i = 0; i < v->options->n_known; i++) {
        const struct doctor_known *k = &v->options->known[i];
        struct view_machine *made;

        if (has_id(machines, n, k->id) || strings_has(&v->host.gone, k->id) ||
            is_in_records(machines, n, &k->address) ||
            (target && !string_equal(target, k->id) && !string_equal(target, k->host)))
            continue;
        made = add_machine(v, &k->address);
        if (!made)
            return -ENOMEM;
        made->port = k->port;
        made->given = made->known = true;
        doctor_label(k->host ? k->host : k->id, &k->address, made->label);
    }
    return 0;
}

/* What claims a name may be a copy of a machine that is seen. */
static int add_claims(struct visit *v, const struct machine *const *machines, size_t n)
{
    for (size_t i = 0; i < v->claims.count; i++) {
        const struct claim *c = &v->claims.items[i];
        size_t at = 0;

        if (is_in_records(machines, n, &c->address))
            continue;
        while (at < v->n && !address_equal(&v->machines[at].address, &c->address))
            at++;
        if (at == v->n) {
            if (add_address(v, &c->address, 0, false) < 0)
                return -ENOMEM;
            v->machines[at].heard = true;
        }
        (void)snprintf(v->machines[at].claim, sizeof(v->machines[at].claim), "%s", c->name);
    }
    return 0;
}

/* A machine that is not seen may be the copy of one that is; one that is seen may have a copy
 * among the neighbours. */
static int add_beside(struct visit *v, const struct machine *const *machines, size_t n)
{
    size_t count = 0, before = v->n;
    int r = 0;

    for (size_t i = 0; r == 0 && i < n && count < BESIDE_MAX; i++) {
        if (!machines[i]->beacon || machines[i]->untrusted || machines[i]->n_addresses == 0 ||
            !links_is_near(&v->links, &machines[i]->addresses[0]) ||
            is_visited(v, &machines[i]->addresses[0]))
            continue;
        r = add_record(v, machines[i]);
        count++;
    }
    if (r == 0)
        r = add_neighbours(v, machines, n);
    for (size_t i = before; i < v->n; i++)
        v->machines[i].beside = true;
    return r;
}

static int add_target(struct visit *v)
{
    const char *target = v->options->target;
    struct address a;

    if (address_parse(target, &a) == 0)
        return add_address(v, &a, SSH_PORT, true);
    findings_add(&v->report->findings, FINDING_NOT_SEEN, target,
                 "no machine of this name, id or agent was seen",
                 "the names in all records that were heard",
                 "look at its screen for its address, and ask for that: dcop-discover --doctor "
                 "ADDRESS");
    return 0;
}

/* Those that discovery has seen; what the state alone knows is examined as such. */
static int seen_machines(struct visit *v, const struct machine ***ret, size_t *ret_n)
{
    const struct machine *const *all = NULL;
    size_t n = 0, kept = 0;

    if (v->look)
        all = look_machines(v->look, &n);
    *ret = calloc(n + 1, sizeof(**ret));
    if (!*ret)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        if (!all[i]->by_hand)
            (*ret)[kept++] = all[i];
    *ret_n = kept;
    return 0;
}

static int choose_machines(struct visit *v)
{
    const char *target = v->options->target;
    CLEANUP_FREE const struct machine **machines = NULL;
    size_t n = 0;
    int r = seen_machines(v, &machines, &n);

    v->host.n_machines = n;
    for (size_t i = 0; r == 0 && i < n; i++)
        if (machines[i]->beacon && !machines[i]->untrusted && is_asked_for(machines[i], target))
            r = add_record(v, machines[i]);
    v->report->n_machines = v->n;
    if (r == 0)
        r = add_known(v, machines, n);
    if (r == 0 && !target)
        r = add_neighbours(v, machines, n);
    else if (r == 0 && v->n == 0)
        r = add_target(v);
    if (r == 0)
        r = add_claims(v, machines, n);
    if (r == 0 && target)
        r = add_beside(v, machines, n);
    return r;
}

/* ---- the look ---- */

static int read_look(struct visit *v)
{
    const struct discovery *d = look_discovery(v->look);
    CLEANUP_STRINGS struct strings gone = {0}, words = {0};
    size_t n, more, prefix = strlen(ADVERT_INSTANCE_PREFIX);
    const struct machine *const *machines = look_machines(v->look, &n);
    int r = 0;

    v->host.lacks = discovery_daemon_lacks(d);
    discovery_explain_silence(d, &v->host.silence);
    if (v->host.lacks & 1U << DAEMON_LACKS_CACHE)
        r = discovery_explain_lacks(d, 1U << DAEMON_LACKS_CACHE, &words);
    if (words.count > 0)
        text_adds(&v->host.cache, words.items[0]);
    if (r == 0)
        r = discovery_unanswered(d, &gone, &more);
    for (size_t i = 0; r == 0 && i < gone.count; i++) {
        const char *id = strncmp(gone.items[i], ADVERT_INSTANCE_PREFIX, prefix) == 0
                             ? gone.items[i] + prefix
                             : gone.items[i];

        if (!v->options->target || string_equal(v->options->target, id))
            r = strings_add(&v->host.gone, id);
    }
    if (r == 0 && !v->options->target)
        r = addresses_explain(machines, n, &v->host.wrong_addresses);
    return r;
}

/* Without a daemon there is nothing to look with; that is a finding already. */
static int look_at_network(struct visit *v, const struct look_options *o, struct error *err)
{
    sigset_t before;
    struct error why = {0};
    int r;

    (void)sigprocmask(SIG_BLOCK, NULL, &before);
    r = look_run(o, NULL, &v->look, &why);
    if (r == 0)
        v->report->signal = look_signal(v->look);
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    if ((r == -ENOTCONN || r == -ETIMEDOUT) && v->host.avahi_error == 0 && v->host.bus_error == 0)
        v->host.avahi_error = r; /* it has gone in between */
    if (r == -ENOTCONN || r == -ETIMEDOUT)
        r = 0;
    if (r < 0)
        return why.code ? error_set(err, r, "%s", why.text)
                        : error_sys(err, r, "cannot search the network");
    return v->look && look_discovery(v->look) ? read_look(v) : 0;
}

int doctor_run(const struct doctor_options *options, struct doctor_report *ret, struct error *err)
{
    CLEANUP(visit_clear) struct visit v = {.options = options, .report = ret, .ear = -1};
    const struct look_options look = {
        .fleet = options->fleet,
        .domain = options->domain,
        .key = options->key,
        .known = options->state,
        .timeout_ms = options->timeout_ms,
        .patient = true,
        .compare = true,
    };
    const int64_t end = clock_ms(CLOCK_MONOTONIC) + options->listen_ms;
    int64_t left;
    int r;

    links_read(&v.links);
    v.ear = claims_open(&v.links);
    observe_host(&v.host);
    r = look_at_network(&v, &look, err);
    if (r < 0 || ret->signal)
        return r < 0 && !err->code ? error_sys(err, r, "cannot look at the network") : r;
    left = end - clock_ms(CLOCK_MONOTONIC);
    claims_read(&v.claims, &v.links, v.ear, left > 0 ? (unsigned)left : 0);
    r = choose_machines(&v);
    if (r == 0)
        r = probe_machines(v.machines, v.n, &ret->rights);
    if (r < 0)
        return error_sys(err, r, "cannot ask the machines");
    v.host.rights = ret->rights;
    twins_find(v.machines, v.n);
    rules_judge(&v.host, v.machines, v.n, options->target != NULL, &ret->findings);
    return 0;
}
