/* What the daemon and the machines tell goes into the roster. */
#include <stdio.h>
#include <string.h>

#include "discovery-private.h"

enum { RELEASE_MIN = 100 /* machines */ };

/* A record of this fleet was replaced by another one, verified or not. */
static void lose_record(struct discovery *d, const struct browser_event *e)
{
    if (d->options.key && !e->sighting.verified)
        roster_lose_record(d->roster, &e->sighting.key, false, discovery_wall_clock());
    else
        roster_lose(d->roster, &e->sighting.key, discovery_wall_clock());
}

/* Is it a signed record that the machine has since replaced?  Not what the state has. */
static bool is_replay(const struct discovery *d, const struct browser_event *e)
{
    const struct machine_key key = {e->advert.id, e->advert.hostkey, 0};
    const struct machine *m = roster_find(d->roster, &key);

    return e->sighting.verified && e->sighting.key.protocol != SIGHTING_BY_HAND && m &&
           m->verified && m->advert.seq > e->advert.seq;
}

/* A record that leads nowhere.  It is named, unless another record of the machine, for
 * example over the other protocol, says where it is.  One of this host itself, which
 * Avahi resolves on the loopback interface, too, is none of a person's business. */
static void take_unusable(struct discovery *d, const struct browser_event *e, const char *reason)
{
    const struct machine_key key = {e->advert.id, e->advert.hostkey, 0};
    const struct machine *m;

    lose_record(d, e);
    m = roster_find(d->roster, &key);
    if (!e->sighting.own && !(m && roster_is_sighted(m)))
        unreadable_add(&d->unreadable, &e->sighting, reason);
}

/* Whether Avahi brings a record or the machine itself, the same rule says what in it
 * can be used.  Leaves out addresses that cannot be the machine's; false: there is no
 * other, or no port, with the reason. */
static bool find_usable(const struct discovery *d, const struct sighting *s,
                        struct address ret[static ROSTER_ADDRESSES_MAX], size_t *ret_count,
                        char reason[static REASON_MAX])
{
    const char *refused = NULL;

    *ret_count = 0;
    if (s->port == 0) { /* IANA: reserved; no server can be reached there */
        (void)snprintf(reason, REASON_MAX, "its port is 0");
        return false;
    }
    for (size_t i = 0; i < s->n_addresses && *ret_count < ROSTER_ADDRESSES_MAX; i++) {
        const char *why = links_refuse(&d->links, &s->addresses[i], s->own);

        if (!why)
            ret[(*ret_count)++] = s->addresses[i];
        refused = refused ? refused : why;
    }
    if (*ret_count == 0)
        (void)snprintf(reason, REASON_MAX, "its address %s", refused ? refused : "is not known");
    return *ret_count > 0;
}

/* Somebody else tells of a machine that does not answer: it may be back, or at another address. */
static void probe_absent(struct discovery *d, const struct sighting *s)
{
    const struct machine *m = roster_find_record(d->roster, &s->key, s->verified);
    struct machine_key key;

    if (!m || m->online || m->untrusted)
        return;
    key = machine_key_of(m);
    (void)liveness_watch(d->liveness, m); /* without memory it keeps its state */
    liveness_probe_now(d->liveness, &key);
}

/* A record that moved to another fleet counts as gone.  Is it in the roster? */
static bool take_resolved(struct discovery *d, const struct browser_event *e)
{
    const char *fleet = e->advert.fleet ? e->advert.fleet : ADVERT_FLEET_DEFAULT;
    struct address usable[ROSTER_ADDRESSES_MAX];
    struct sighting s = e->sighting;
    char reason[REASON_MAX];

    if (is_replay(d, e))
        return false;
    if (d->fleet && strcmp(d->fleet, fleet) != 0) {
        lose_record(d, e);
        return false;
    }
    s.addresses = usable;
    if (!find_usable(d, &e->sighting, usable, &s.n_addresses, reason)) {
        take_unusable(d, e, reason);
        return false;
    }
    unreadable_remove(&d->unreadable, s.key.name);
    if (roster_see(d->roster, &s, discovery_wall_clock()) < 0) {
        d->status.too_many = true;
        return false;
    }
    probe_absent(d, &s);
    return true;
}

enum { BY_HAND_NAME_SIZE = sizeof(ADVERT_INSTANCE_PREFIX) + ADVERT_ID_LENGTH };

static struct sighting_key by_hand_key(const struct known_host *h,
                                       char name[static BY_HAND_NAME_SIZE])
{
    (void)snprintf(name, BY_HAND_NAME_SIZE, ADVERT_INSTANCE_PREFIX "%s", h->advert.id);
    return (struct sighting_key){-1, SIGHTING_BY_HAND, name, "local"};
}

/* That our own state knows it counts as a signature: nobody else can say so. */
bool discovery_take_by_hand(struct discovery *d, const struct known_host *h)
{
    char name[BY_HAND_NAME_SIZE];
    struct browser_event e = {
        .sighting = {.key = by_hand_key(h, name),
                     .host = h->host,
                     .addresses = &h->address,
                     .n_addresses = 1,
                     .port = h->port,
                     .verified = d->options.key != NULL},
        .advert = h->advert,
    };

    e.sighting.advert = &e.advert;
    return take_resolved(d, &e);
}

void discovery_lose_by_hand(struct discovery *d, const struct known_host *h, bool forgotten)
{
    char name[BY_HAND_NAME_SIZE];
    const struct sighting_key key = by_hand_key(h, name);

    if (forgotten)
        roster_forget(d->roster, &key, d->options.key != NULL);
    else
        roster_lose(d->roster, &key, discovery_wall_clock());
}

/* Anybody can send a goodbye, and the daemon's cache forgets: a machine that has
 * answered us is asked. */
static void take_removed(struct discovery *d, const struct sighting_key *key)
{
    struct sighting_key direct = *key;

    direct.protocol = SIGHTING_DIRECT;
    roster_lose(d->roster, key, discovery_wall_clock());
    if (d->querier && (roster_has_record(d->roster, &direct, true) ||
                       roster_has_record(d->roster, &direct, false)))
        querier_confirm(d->querier, key->name);
}

/* Is it news, so that a look has to wait for more?  Not what we know already from
 * the machine itself, and with a fleet key nothing that is unsigned. */
static bool is_news(const struct discovery *d, const struct browser_event *e)
{
    if (e->type == BROWSER_ALL_FOR_NOW || e->type == BROWSER_LIMIT || e->type == BROWSER_ACCEPTED ||
        (d->options.key && !e->sighting.verified))
        return false;
    return !e->sighting.key.name || !discovery_is_known_directly(d, e->sighting.key.name);
}

static void take_unresolved(struct discovery *d, const struct browser_event *e)
{
    struct unresolved *u = unresolved_find(d->unresolved, e->sighting.key.name);

    if (!u)
        return;
    u->failed = true;
    u->refused = e->limit != AVAHI_LIMIT_NONE;
}

void discovery_take_event(struct discovery *d, const struct browser_event *e)
{
    if (is_news(d, e))
        d->status.news = discovery_now_ms(d);
    switch (e->type) {
    case BROWSER_DAEMON_THERE:
        discovery_report_daemon(d, true, NULL);
        break;
    case BROWSER_DAEMON_GONE:
        d->status.all_for_now = false;
        daemon_view_restart(&d->view);
        roster_forget_sightings(d->roster);
        unresolved_clear(&d->unresolved);
        discovery_report_daemon(d, false, e->reason ? e->reason : "out of memory");
        break;
    case BROWSER_RESOLVED:
        unresolved_end(&d->unresolved, e->sighting.key.name);
        (void)take_resolved(d, e);
        break;
    case BROWSER_UNREADABLE:
        unresolved_end(&d->unresolved, e->sighting.key.name);
        unreadable_add(&d->unreadable, &e->sighting, e->reason);
        lose_record(d, e);
        break;
    case BROWSER_RELEASED:
        daemon_view_told(&d->view, &e->sighting.key);
        unresolved_end(&d->unresolved, e->sighting.key.name);
        roster_lose(d->roster, &e->sighting.key, discovery_wall_clock());
        break;
    case BROWSER_REMOVED:
        daemon_view_removed(&d->view, &e->sighting.key);
        unresolved_end(&d->unresolved, e->sighting.key.name);
        take_removed(d, &e->sighting.key);
        break;
    case BROWSER_ALL_FOR_NOW:
        d->status.all_for_now = true;
        d->view.told_all = true;
        break;
    case BROWSER_TOO_MANY:
        d->status.too_many = true;
        break;
    case BROWSER_FOUND:
        daemon_view_told(&d->view, &e->sighting.key);
        unresolved_add(&d->unresolved, e->sighting.key.name, e->sighting.key.interface);
        break;
    case BROWSER_UNRESOLVED:
        take_unresolved(d, e);
        break;
    case BROWSER_LIMIT:
        d->view.limits[e->limit] = true;
        break;
    case BROWSER_ACCEPTED:
        d->view.limits[AVAHI_LIMIT_CLIENTS] = false;
        break;
    }
}

/* Is Avahi's resolver too dear for this machine?  It costs the daemon a question every
 * two minutes, which counts where there are many.  Only for one that answers us over
 * IPv4, so that its changes are heard in the group. */
static bool is_to_release(const struct discovery *d, const struct sighting *s)
{
    struct sighting_key avahi = s->key;
    struct querier_counts counts;

    if (!d->options.keep || !s->answered || s->answered->family != AF_INET ||
        !querier_has(d->querier, s->key.name))
        return false;
    discovery_count(d, &counts);
    if (counts.machines < RELEASE_MIN)
        return false;
    for (avahi.protocol = 0; avahi.protocol <= 1; avahi.protocol++)
        if (roster_has_record(d->roster, &avahi, d->options.key != NULL))
            return true;
    return false;
}

void discovery_take_seen(const struct sighting *s, void *arg)
{
    struct browser_event e = {.sighting = *s, .advert = *s->advert};
    struct discovery *d = arg;
    struct machine_key key;
    const struct machine *m;

    if (is_replay(d, &e))
        return;
    (void)take_resolved(d, &e);
    if (!s->own && roster_has_record(d->roster, &s->key, s->verified))
        daemon_view_heard(&d->view, &s->key, discovery_now_ms(d));
    if (is_to_release(d, s))
        browser_set_heard(d->browser, &s->key, true);
    m = s->answered ? roster_find_record(d->roster, &s->key, s->verified) : NULL;
    /* Else a probe finds out at which of its addresses it can be reached. */
    if (m && !m->untrusted && m->n_addresses > 0 && roster_is_sighted(m) &&
        address_equal(s->answered, &m->addresses[0])) {
        key = machine_key_of(m);
        liveness_answered(d->liveness, &key, s->answered);
    }
    discovery_report_progress(d);
}

void discovery_take_domain_event(struct discovery *d, const struct domain_event *e)
{
    struct browser_event record = {.sighting = e->sighting, .advert = e->advert};

    if (!d->options.key || e->sighting.verified)
        d->status.news = discovery_now_ms(d);
    switch (e->type) {
    case DOMAIN_RECORD:
        (void)take_resolved(d, &record);
        break;
    case DOMAIN_UNREADABLE:
        discovery_take_unreadable(&e->sighting, e->reason, d);
        break;
    case DOMAIN_GONE:
        unreadable_remove(&d->unreadable, e->sighting.key.name);
        roster_lose(d->roster, &e->sighting.key, discovery_wall_clock());
        break;
    case DOMAIN_TOLD:
        d->status.asking = false;
        free(d->domain_reason);
        d->domain_reason = e->reason ? strdup(e->reason) : NULL;
        d->domain_is_short = e->is_short;
        break;
    }
}

void discovery_take_unreadable(const struct sighting *s, const char *reason, void *arg)
{
    struct discovery *d = arg;

    unreadable_add(&d->unreadable, s, reason);
    roster_lose(d->roster, &s->key, discovery_wall_clock());
}

void discovery_take_silent(const struct sighting_key *key, bool doubted, void *arg)
{
    struct sighting_key avahi = *key;
    struct discovery *d = arg;

    roster_lose(d->roster, key, discovery_wall_clock());
    /* What the daemon has is older than the machine's own answers, which are not signed. */
    for (avahi.protocol = 0; doubted && avahi.protocol <= 1; avahi.protocol++)
        roster_lose_record(d->roster, &avahi, true, discovery_wall_clock());
    daemon_view_silent(&d->view, key);
    browser_set_heard(d->browser, key, false);
    discovery_report_progress(d);
}
