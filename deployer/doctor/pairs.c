#include "pairs.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deployer/target/fleet-networks.h"
#include "discovery/base/address.h"

enum { WHY_MAX = 64 };

/* What a machine says that it cannot connect to. */
struct unreached {
    char address[INET_ADDRSTRLEN];
    unsigned port;
    char why[WHY_MAX];
};

struct pair_end {
    char *label;                   /* "a1 on rpi-1" */
    char tried[INET_ADDRSTRLEN];   /* "": unknown */
    char address[INET_ADDRSTRLEN]; /* where its agents listen, as it says; "": they do not */
    char *reaches;                 /* what its unit lets them talk to; NULL: all */
    bool reached;                  /* from here */
    bool relayed;                  /* SSH goes by another machine: nothing is tried from here */
    unsigned agents;
    struct unreached *unreached;
    size_t n_unreached;
};

static int label_of(const struct target *t, char **ret)
{
    CLEANUP_TEXT struct text label = TEXT_INIT;
    char key[TARGET_KEY_MAX];

    if (t->agents.count > 0)
        text_addf(&label, "%s on ", t->agents.items[0]);
    text_adds(&label, t->host ? t->host : target_key(t, key));
    *ret = text_take(&label);
    return *ret ? 0 : -ENOMEM;
}

static void expected_address(const struct target *t, char ret[static INET_ADDRSTRLEN])
{
    *ret = '\0';
    if (t->agent_address) {
        (void)snprintf(ret, INET_ADDRSTRLEN, "%s", t->agent_address);
        return;
    }
    for (size_t i = 0; i < t->n_addresses; i++)
        if (t->addresses[i].family == AF_INET) {
            (void)inet_ntop(AF_INET, t->addresses[i].bytes, ret, INET_ADDRSTRLEN);
            return;
        }
}

int pairs_init(struct pairs *p, const struct targets *targets)
{
    *p = (struct pairs){.ends = calloc(targets->count + 1, sizeof(*p->ends))};
    if (!p->ends)
        return -ENOMEM;
    for (; p->count < targets->count; p->count++) {
        const struct target *t = &targets->items[p->count];
        struct pair_end *e = &p->ends[p->count];

        if (label_of(t, &e->label) < 0)
            return -ENOMEM;
        expected_address(t, e->tried);
        e->relayed = t->relay.count > 0;
        e->agents = t->agents.count > 1 ? (unsigned)t->agents.count : 1;
    }
    return 0;
}

void pairs_clear(struct pairs *p)
{
    for (size_t i = 0; i < p->count; i++) {
        free(p->ends[i].label);
        free(p->ends[i].reaches);
        free(p->ends[i].unreached);
    }
    free(p->ends);
    *p = (struct pairs){0};
}

void pairs_settings(const struct pairs *p, unsigned port, struct text *ret)
{
    text_adds(ret, "peers ");
    for (size_t i = 0; i < p->count; i++)
        if (*p->ends[i].tried)
            text_addf(ret, "%s:%u,", p->ends[i].tried, p->ends[i].agents);
    text_addc(ret, '\n');
    if (port)
        text_addf(ret, "orchestrator_listens %u\n", port);
}

/* "ADDRESS PORT WHY" */
static int hear_unreached(struct pair_end *e, const char *said)
{
    struct unreached *all, one = {.port = 0};

    if (sscanf(said, "%15[0-9.] %5u %63[^\n]", one.address, &one.port, one.why) != 3)
        return 0;
    all = reallocarray(e->unreached, e->n_unreached + 1, sizeof(*all));
    if (!all)
        return -ENOMEM;
    e->unreached = all;
    all[e->n_unreached++] = one;
    return 0;
}

/* "ADDRESS PORT COUNT" */
static void hear_address(struct pair_end *e, const char *said)
{
    size_t size = strcspn(said, " ");
    struct in_addr parsed;

    *e->address = '\0';
    if (size >= sizeof(e->address))
        return;
    memcpy(e->address, said, size);
    e->address[size] = '\0';
    if (inet_pton(AF_INET, e->address, &parsed) != 1)
        *e->address = '\0';
}

static int hear_networks(struct pair_end *e, const char *said)
{
    free(e->reaches);
    e->reaches = strdup(said);
    return e->reaches ? 0 : -ENOMEM;
}

int pairs_hear(struct pairs *p, size_t machine, const struct strings *keys,
               const struct strings *values, bool reached)
{
    struct pair_end *e = &p->ends[machine];
    int r = 0;

    e->reached = reached;
    *e->address = '\0';
    e->n_unreached = 0;
    free(e->reaches);
    e->reaches = NULL;
    for (size_t i = 0; i < keys->count && r == 0; i++) {
        if (strcmp(keys->items[i], "at") == 0)
            hear_address(e, values->items[i]);
        if (strcmp(keys->items[i], "reaches") == 0)
            r = hear_networks(e, values->items[i]);
        if (strcmp(keys->items[i], "unreached") == 0)
            r = hear_unreached(e, values->items[i]);
    }
    return r;
}

static bool is_private(const struct address *a)
{
    static const struct network networks[] = {
        {.address = {.family = AF_INET, .bytes = {10}}, .prefix = 8},
        {.address = {.family = AF_INET, .bytes = {172, 16}}, .prefix = 12},
        {.address = {.family = AF_INET, .bytes = {192, 168}}, .prefix = 16},
        {.address = {.family = AF_INET, .bytes = {100, 64}}, .prefix = 10},
        {.address = {.family = AF_INET, .bytes = {169, 254}}, .prefix = 16},
    };

    for (size_t i = 0; i < sizeof(networks) / sizeof(*networks); i++)
        if (network_has(&networks[i], a))
            return true;
    return false;
}

/* May the others connect to where a machine says that its agents are?  job/reach.h has looked
 * when this computer connects there; no machine sends the others out of private networks. */
static bool is_sensible(const struct pair_end *e)
{
    struct address a;

    return e->reached && address_parse(e->address, &a) == 0 && address_is_unicast(&a) &&
           (!e->relayed || is_private(&a));
}

bool pairs_have_moved(struct pairs *p)
{
    bool moved = false;

    for (size_t i = 0; i < p->count; i++) {
        struct pair_end *e = &p->ends[i];

        if (!*e->address || strcmp(e->address, e->tried) == 0 || !is_sensible(e))
            continue;
        (void)snprintf(e->tried, sizeof(e->tried), "%s", e->address);
        moved = true;
    }
    return moved;
}

/* --- what is wrong ------------------------------------------------------------------------- */

static const struct unreached *find_unreached(const struct pair_end *from,
                                              const struct pair_end *to)
{
    if (to->reaches && !fleet_networks_have(to->reaches, from->address))
        return NULL; /* its unit drops what comes from there, which verbs/outside.h tells */
    for (size_t i = 0; i < from->n_unreached && *from->address; i++)
        if (strcmp(from->unreached[i].address, to->address) == 0)
            return &from->unreached[i];
    return NULL;
}

/* Those that cannot connect to the agents of `to`. */
static size_t count_unreached(const struct pairs *p, const struct pair_end *to)
{
    size_t n = 0;

    for (size_t i = 0; i < p->count; i++)
        n += &p->ends[i] != to && find_unreached(&p->ends[i], to);
    return n;
}

static int judge_pair(const struct pairs *p, size_t from, const struct pair_end *to,
                      pairs_listener *listener, void *arg)
{
    const struct unreached *u = find_unreached(&p->ends[from], to);
    CLEANUP_TEXT struct text wrong = TEXT_INIT;
    CLEANUP_TEXT struct text proof = TEXT_INIT;

    text_addf(&wrong, "it cannot connect to the agents of %s", to->label);
    text_addf(&proof, "%s port %u: %s", u->address, u->port, u->why);
    if (text_error(&wrong) < 0 || text_error(&proof) < 0)
        return -ENOMEM;
    listener(from, text_str(&wrong), text_str(&proof),
             "a firewall, or an access point that keeps its clients apart: let the machines "
             "connect to each other",
             arg);
    return 0;
}

/* Many cannot connect to it: told once. */
static int judge_many(const struct pairs *p, size_t to, size_t n, pairs_listener *listener,
                      void *arg)
{
    CLEANUP_TEXT struct text wrong = TEXT_INIT;
    CLEANUP_TEXT struct text proof = TEXT_INIT;
    size_t told = 0;

    for (size_t i = 0; i < p->count && told < PAIRS_NAMED; i++) {
        const struct unreached *u = i == to ? NULL : find_unreached(&p->ends[i], &p->ends[to]);

        if (!u)
            continue;
        text_addf(&wrong, "%s%s", told > 0 ? ", " : "", p->ends[i].label);
        if (told++ == 0)
            text_addf(&proof, "%s port %u: %s", u->address, u->port, u->why);
    }
    text_addf(&wrong, " and %zu more cannot connect to its agents", n - told);
    if (text_error(&wrong) < 0 || text_error(&proof) < 0)
        return -ENOMEM;
    listener(to, text_str(&wrong), text_str(&proof),
             "a firewall there, or an access point that keeps its clients apart: let the machines "
             "connect to each other",
             arg);
    return 0;
}

static int judge_orchestrator(const struct pairs *p, size_t from, unsigned port,
                              pairs_listener *listener, void *arg)
{
    const struct pair_end *e = &p->ends[from];
    const struct unreached *u = NULL;
    CLEANUP_TEXT struct text proof = TEXT_INIT;
    CLEANUP_TEXT struct text advice = TEXT_INIT;

    for (size_t i = 0; i < e->n_unreached && *e->address && !u; i++)
        u = e->unreached[i].port == port ? &e->unreached[i] : NULL;
    if (!u)
        return 0;
    text_addf(&proof, "%s port %u: %s", u->address, u->port, u->why);
    text_addf(&advice,
              "a firewall on this computer lets it not in (with ufw: `ufw allow %u/tcp`), or that "
              "is not this computer's address there (deploy with --orchestrator)",
              port);
    if (text_error(&proof) < 0 || text_error(&advice) < 0)
        return -ENOMEM;
    listener(from, "it cannot connect to the orchestrator on this computer", text_str(&proof),
             text_str(&advice), arg);
    return 0;
}

int pairs_judge(const struct pairs *p, unsigned port, pairs_listener *listener, void *arg)
{
    int r = 0;

    for (size_t i = 0; i < p->count && r == 0 && port; i++)
        r = judge_orchestrator(p, i, port, listener, arg);
    for (size_t to = 0; to < p->count && r == 0; to++) {
        const struct pair_end *e = &p->ends[to];
        size_t n = *e->address && e->reached ? count_unreached(p, e) : 0;

        if (n > PAIRS_NAMED) {
            r = judge_many(p, to, n, listener, arg);
            continue;
        }
        for (size_t from = 0; from < p->count && n > 0 && r == 0; from++)
            if (from != to && find_unreached(&p->ends[from], e))
                r = judge_pair(p, from, e, listener, arg);
    }
    return r;
}
