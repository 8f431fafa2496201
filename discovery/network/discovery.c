#include "discovery.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "browser.h"
#include "discovery/base/hash.h"
#include "liveness.h"
#include "querier.h"
#include "unreadable.h"

enum {
    EVENTS_PER_TURN = 64,  /* so that probes and answers get their turn in a flood */
    STUCK_MS = 2000,       /* in one call: the daemon does not answer */
    CACHE_JUDGED_MIN = 32, /* machines */
    RELEASE_MIN = 100,     /* machines */
    STUCK_LOOK_USEC = 1000 * 1000,
    UNANSWERED_MAX = 64, /* that are named */
    REASON_MAX = 128,
};

/* An instance that Avahi has in its cache and has not resolved. */
struct unresolved {
    bool failed; /* nobody answered the daemon */
    UT_hash_handle hh;
    char name[]; /* the hash key, so one for all its tuples */
};

struct discovery {
    sd_event *loop;
    struct discovery_options options;
    char *fleet;
    struct key key; /* options.key points here, if there is one */
    struct browser *browser;
    struct roster *roster;
    struct liveness *liveness;
    struct querier *querier; /* NULL: it could not be created */
    struct links links;
    struct unresolved *unresolved;
    sd_event_source *events, *stuck_timer;
    struct discovery_status status; /* but `flooded` and `unprobed` */
    struct unreadable unreadable;
    struct strings limits; /* settings of the daemon that are too low */
    bool from_liveness;    /* a change that liveness brought about */
};

static uint64_t now_ms(const struct discovery *d)
{
    uint64_t usec = 0;

    (void)sd_event_now(d->loop, CLOCK_MONOTONIC, &usec);
    return usec / 1000;
}

static struct timespec wall_clock(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return t;
}

static void report_progress(struct discovery *d)
{
    if (d->options.progress)
        d->options.progress(d->options.arg);
}

static void report_daemon(struct discovery *d, bool there, const char *reason)
{
    bool changed = !d->status.told || d->status.there != there;

    d->status.told = true;
    d->status.there = there;
    if (changed && d->options.daemon)
        d->options.daemon(there, reason, d->options.arg);
}

static void on_change(const struct machine *m, enum roster_change change, void *arg)
{
    struct discovery *d = arg;
    const struct machine_key key = machine_key_of(m);

    if (!m->untrusted) /* invented machines must not make us wait */
        d->status.news = now_ms(d);
    /* Without memory the machine is not probed, and keeps the state that Avahi
     * reports.  An unverified claim is not probed either: an attacker must not
     * be able to make us connect to an address of his choice. */
    if (change != ROSTER_OFFLINE && !m->untrusted)
        (void)liveness_watch(d->liveness, m);
    if (change == ROSTER_APPEARED && !m->untrusted && !d->from_liveness)
        liveness_probe_now(d->liveness, &key);
    if (d->options.change)
        d->options.change(m, change, d->options.arg);
}

static void on_liveness(const struct machine_key *key, bool online, const struct address *from,
                        void *arg)
{
    struct discovery *d = arg;
    const struct machine *m = roster_find(d->roster, key);

    /* It said goodbye, or now has another host key: stop probing it. */
    if (!m || !roster_is_sighted(m)) {
        liveness_forget(d->liveness, key);
    } else {
        d->from_liveness = true;
        roster_set_online(d->roster, key, online, from, wall_clock());
        d->from_liveness = false;
    }
    report_progress(d);
}

/* It may have moved to another address. */
static void on_missed(const struct machine_key *key, void *arg)
{
    struct discovery *d = arg;
    const struct machine *m = roster_find(d->roster, key);
    char instance[sizeof(ADVERT_INSTANCE_PREFIX) + ADVERT_ID_LENGTH];

    if (!d->querier)
        return;
    (void)snprintf(instance, sizeof(instance), ADVERT_INSTANCE_PREFIX "%s", key->id);
    querier_ask(d->querier, m && m->instance ? m->instance : instance);
}

/* A record of this fleet was replaced by another one, verified or not. */
static void lose_record(struct discovery *d, const struct browser_event *e)
{
    if (d->options.key && !e->sighting.verified)
        roster_lose_record(d->roster, &e->sighting.key, false, wall_clock());
    else
        roster_lose(d->roster, &e->sighting.key, wall_clock());
}

/* Is it a signed record that the machine has since replaced? */
static bool is_replay(const struct discovery *d, const struct browser_event *e)
{
    const struct machine_key key = {e->advert.id, e->advert.hostkey, 0};
    const struct machine *m = roster_find(d->roster, &key);

    return e->sighting.verified && m && m->verified && m->advert.seq > e->advert.seq;
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

/* A record that moved to another fleet counts as gone. */
static void take_resolved(struct discovery *d, const struct browser_event *e)
{
    const char *fleet = e->advert.fleet ? e->advert.fleet : ADVERT_FLEET_DEFAULT;
    struct address usable[ROSTER_ADDRESSES_MAX];
    struct sighting s = e->sighting;
    char reason[REASON_MAX];

    if (is_replay(d, e))
        return;
    if (d->fleet && strcmp(d->fleet, fleet) != 0) {
        lose_record(d, e);
        return;
    }
    s.addresses = usable;
    if (!find_usable(d, &e->sighting, usable, &s.n_addresses, reason)) {
        take_unusable(d, e, reason);
        return;
    }
    unreadable_remove(&d->unreadable, s.key.name);
    if (roster_see(d->roster, &s, wall_clock()) < 0)
        d->status.too_many = true;
}

/* Anybody can send a goodbye, and the daemon's cache forgets: a machine that has
 * answered us is asked. */
static void take_removed(struct discovery *d, const struct sighting_key *key)
{
    struct sighting_key direct = *key;

    direct.protocol = SIGHTING_DIRECT;
    roster_lose(d->roster, key, wall_clock());
    if (d->querier && (roster_has_record(d->roster, &direct, true) ||
                       roster_has_record(d->roster, &direct, false)))
        querier_confirm(d->querier, key->name);
}

static struct unresolved *find_unresolved(const struct discovery *d, const char *name)
{
    struct unresolved *u;

    HASH_FIND_STR(d->unresolved, name, u);
    return u;
}

/* Without memory it is not counted. */
static void add_unresolved(struct discovery *d, const char *name)
{
    size_t size = strlen(name) + 1;
    struct unresolved *u = find_unresolved(d, name) ? NULL : calloc(1, sizeof(*u) + size);

    if (!u)
        return;
    memcpy(u->name, name, size);
    HASH_ADD_STR(d->unresolved, name, u);
    if (!HASH_WAS_ADDED(u))
        free(u);
}

static void end_unresolved(struct discovery *d, const char *name)
{
    struct unresolved *u = find_unresolved(d, name);

    if (!u)
        return;
    HASH_DEL(d->unresolved, u); /* NOLINT(clang-analyzer-core.NullDereference): it is in there */
    free(u);
}

static void forget_unresolved(struct discovery *d)
{
    struct unresolved *u, *next;

    HASH_ITER(hh, d->unresolved, u, next)
    {
        HASH_DEL(d->unresolved, u);
        free(u);
    }
}

static bool is_known_directly(const struct discovery *d, const char *name)
{
    return d->querier && querier_has(d->querier, name);
}

/* Is it news, so that a look has to wait for more?  Not what we know already from
 * the machine itself, and with a fleet key nothing that is unsigned. */
static bool is_news(const struct discovery *d, const struct browser_event *e)
{
    if (e->type == BROWSER_ALL_FOR_NOW || (d->options.key && !e->sighting.verified))
        return false;
    return !e->sighting.key.name || !is_known_directly(d, e->sighting.key.name);
}

static void take_event(struct discovery *d, const struct browser_event *e)
{
    if (is_news(d, e))
        d->status.news = now_ms(d);
    switch (e->type) {
    case BROWSER_DAEMON_THERE:
        report_daemon(d, true, NULL);
        break;
    case BROWSER_DAEMON_GONE:
        d->status.all_for_now = false;
        roster_forget_sightings(d->roster);
        forget_unresolved(d);
        report_daemon(d, false, e->reason ? e->reason : "out of memory");
        break;
    case BROWSER_RESOLVED:
        end_unresolved(d, e->sighting.key.name);
        take_resolved(d, e);
        break;
    case BROWSER_UNREADABLE:
        end_unresolved(d, e->sighting.key.name);
        unreadable_add(&d->unreadable, &e->sighting, e->reason);
        lose_record(d, e);
        break;
    case BROWSER_RELEASED:
        end_unresolved(d, e->sighting.key.name);
        roster_lose(d->roster, &e->sighting.key, wall_clock());
        break;
    case BROWSER_REMOVED:
        end_unresolved(d, e->sighting.key.name);
        take_removed(d, &e->sighting.key);
        break;
    case BROWSER_ALL_FOR_NOW:
        d->status.all_for_now = true;
        break;
    case BROWSER_LIMIT:
        (void)strings_add(&d->limits, e->reason ? e->reason : "");
        break;
    case BROWSER_TOO_MANY:
        d->status.too_many = true;
        break;
    case BROWSER_FOUND:
        add_unresolved(d, e->sighting.key.name);
        break;
    case BROWSER_UNRESOLVED:
        if (find_unresolved(d, e->sighting.key.name))
            find_unresolved(d, e->sighting.key.name)->failed = true;
        break;
    }
}

/* Is Avahi's resolver too dear for this machine?  It costs the daemon a question every
 * two minutes, which counts where there are many.  Only for one that answers us over
 * IPv4, so that its changes are heard in the group; and not with a fleet key, because we
 * hear signed records only, and Avahi tells of a machine that is no longer signed. */
static bool is_to_release(const struct discovery *d, const struct sighting *s)
{
    struct sighting_key avahi = s->key;
    struct querier_counts counts;

    if (!d->options.keep || d->options.key || !s->answered || s->answered->family != AF_INET ||
        !querier_has(d->querier, s->key.name))
        return false;
    discovery_count(d, &counts);
    if (counts.machines < RELEASE_MIN)
        return false;
    for (avahi.protocol = 0; avahi.protocol <= 1; avahi.protocol++)
        if (roster_has_record(d->roster, &avahi, false))
            return true;
    return false;
}

static void on_querier_seen(const struct sighting *s, void *arg)
{
    struct browser_event e = {.sighting = *s, .advert = *s->advert};
    struct discovery *d = arg;
    struct machine_key key;
    const struct machine *m;

    if (is_replay(d, &e))
        return;
    take_resolved(d, &e);
    if (is_to_release(d, s))
        browser_set_heard(d->browser, &s->key, true);
    m = s->answered ? roster_find_record(d->roster, &s->key, s->verified) : NULL;
    /* Else a probe finds out at which of its addresses it can be reached. */
    if (m && !m->untrusted && m->n_addresses > 0 && roster_is_sighted(m) &&
        address_equal(s->answered, &m->addresses[0])) {
        key = machine_key_of(m);
        liveness_answered(d->liveness, &key, s->answered);
    }
    report_progress(d);
}

static void on_querier_unreadable(const struct sighting *s, const char *reason, void *arg)
{
    struct discovery *d = arg;

    unreadable_add(&d->unreadable, s, reason);
    roster_lose(d->roster, &s->key, wall_clock());
}

static void on_too_many(const struct address *from, void *arg)
{
    struct discovery *d = arg;
    char reason[REASON_MAX];
    const struct sighting s = {.key.name = "one sender", .addresses = from, .n_addresses = 1};

    d->status.too_many = true;
    if (!from)
        return;
    (void)snprintf(reason, sizeof(reason),
                   "it tells of more than %d machines; the others are ignored",
                   QUERIER_PER_SOURCE_MAX);
    unreadable_add(&d->unreadable, &s, reason);
}

static void on_links(const struct links *links, void *arg)
{
    struct discovery *d = arg;

    d->links = *links;
    roster_set_networks(d->roster, links->networks, links->n_networks);
}

static void on_querier_silent(const struct sighting_key *key, void *arg)
{
    struct discovery *d = arg;

    roster_lose(d->roster, key, wall_clock());
    browser_set_heard(d->browser, key, false);
    report_progress(d);
}

static int on_events(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
    struct discovery *d = arg;
    struct browser_event *e;

    (void)source, (void)fd, (void)revents;
    for (size_t i = 0; i < EVENTS_PER_TURN && (e = browser_take(d->browser)); i++) {
        take_event(d, e);
        browser_event_free(e);
    }
    report_progress(d);
    return 0;
}

/* The browser's thread cannot report that it hangs: this checks it. */
static int on_stuck_timer(sd_event_source *source, uint64_t usec, void *arg)
{
    struct discovery *d = arg;
    bool stuck = browser_stuck_ms(d->browser) >= STUCK_MS;
    bool was_stuck = d->status.silent;

    (void)usec;
    d->status.silent = stuck;
    if (stuck && !was_stuck)
        report_daemon(d, false, "the Avahi daemon does not answer");
    else if (!stuck && was_stuck)
        report_daemon(d, true, NULL); /* unless its next event says otherwise */
    report_progress(d);
    (void)sd_event_source_set_time_relative(source, STUCK_LOOK_USEC);
    return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int start_discovery(struct discovery *d, struct error *err)
{
    const struct liveness_listener liveness = {on_liveness, on_missed, d};
    const struct querier_listener querier = {
        on_querier_seen, on_querier_unreadable, on_querier_silent, on_too_many, on_links, d};
    const char *fleet = d->fleet;
    int r;

    links_read(&d->links); /* the querier keeps them up to date */
    r = liveness_new(d->loop, d->options.keep, &liveness, &d->liveness, err);
    if (r < 0)
        return r;
    /* The default fleet has no subtype: its machines name no fleet. */
    if (fleet && strcmp(fleet, ADVERT_FLEET_DEFAULT) == 0)
        fleet = NULL;
    /* Without it there is Avahi. */
    (void)querier_new(d->loop, d->options.key, d->options.keep, &querier, &d->querier, NULL);
    r = browser_new(fleet, d->options.key, &d->browser, err);
    if (r < 0)
        return r;
    r = sd_event_add_io(d->loop, &d->events, browser_fd(d->browser), EPOLLIN, on_events, d);
    if (r >= 0)
        r = sd_event_add_time_relative(d->loop, &d->stuck_timer, CLOCK_MONOTONIC, STUCK_LOOK_USEC,
                                       STUCK_LOOK_USEC / 4, on_stuck_timer, d);
    return r < 0 ? error_sys(err, r, "cannot discover machines") : 0;
}

int discovery_new(sd_event *loop, const struct discovery_options *options, struct discovery **ret,
                  struct error *err)
{
    CLEANUP(discovery_free_p) struct discovery *d = calloc(1, sizeof(*d));
    int r;

    if (!d)
        return error_sys(err, -ENOMEM, "cannot discover machines");
    d->loop = sd_event_ref(loop);
    d->options = *options;
    d->roster = roster_new();
    if (options->fleet)
        d->fleet = strdup(options->fleet);
    if (!d->roster || (options->fleet && !d->fleet))
        return error_sys(err, -ENOMEM, "cannot discover machines");
    d->options.fleet = d->fleet;
    if (options->key) {
        d->key = *options->key;
        d->options.key = &d->key;
        roster_expect_signatures(d->roster);
    }
    roster_listen(d->roster, on_change, d);
    r = start_discovery(d, err);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(d);
    return 0;
}

void discovery_free(struct discovery *d)
{
    if (!d)
        return;
    sd_event_source_disable_unref(d->events);
    sd_event_source_disable_unref(d->stuck_timer);
    browser_free(d->browser);
    querier_free(d->querier);
    forget_unresolved(d);
    unreadable_clear(&d->unreadable);
    strings_clear(&d->limits);
    liveness_free(d->liveness);
    roster_free(d->roster);
    free(d->fleet);
    key_clear(&d->key);
    sd_event_unref(d->loop);
    free(d);
}

struct roster *discovery_roster(struct discovery *d)
{
    return d->roster;
}

void discovery_status(const struct discovery *d, struct discovery_status *ret)
{
    *ret = d->status;
    ret->flooded = d->querier && querier_is_flooded(d->querier);
    ret->unprobed = liveness_unknown(d->liveness);
}

bool discovery_is_settled(const struct discovery *d)
{
    return d->querier && querier_is_settled(d->querier);
}

void discovery_count(const struct discovery *d, struct querier_counts *ret)
{
    *ret = (struct querier_counts){0};
    if (d->querier)
        querier_count(d->querier, ret);
}

void discovery_explain_silence(const struct discovery *d, struct text *ret)
{
    char name[IF_NAMESIZE];

    if (d->links.count == 0) {
        links_explain(&d->links, ret);
        return;
    }
    if (d->querier && querier_has_heard_others(d->querier)) {
        text_adds(ret, "other devices answer on this network, but no machine with a beacon");
        return;
    }
    text_adds(ret, "nothing was heard on UDP port 5353 (");
    for (size_t i = 0; i < d->links.count; i++)
        if (if_indextoname(d->links.items[i].interface, name))
            text_addf(ret, "%s%s", i > 0 ? ", " : "", name);
    text_adds(ret, "), not even of other services: are the machines on, and on this network? "
                   "A firewall here, or an access point, may hold multicast back");
}

void discovery_explain_ipv4(const struct discovery *d, struct text *ret)
{
    CLEANUP_TEXT struct text names = TEXT_INIT;

    links_explain_ipv4(&d->links, &names);
    if (text_error(&names) < 0)
        ret->failed = true;
    if (names.size > 0)
        text_addf(ret,
                  "this computer has no IPv4 address (%s), so none of the machines' can be seen or "
                  "reached from here, and pyDCOP supports only IPv4; give it one (DHCP, or a fixed "
                  "address)",
                  text_str(&names));
}

/* The daemon does not say that its cache is full.  After its first second it should know
 * every machine that answered us; loss explains a few. */
static bool is_cache_too_small(const struct discovery *d, size_t told, size_t machines)
{
    return d->status.there && d->status.all_for_now && machines >= CACHE_JUDGED_MIN &&
           told < machines - machines / 8;
}

int discovery_explain_limits(const struct discovery *d, struct strings *ret)
{
    CLEANUP_TEXT struct text t = TEXT_INIT;
    size_t told = browser_count(d->browser);
    struct querier_counts counts;

    discovery_count(d, &counts);
    for (size_t i = 0; i < d->limits.count; i++) {
        text_reset(&t);
        text_addf(&t,
                  "the Avahi daemon has reached its limit %s, so it does not tell of all machines "
                  "and changes; raise it in /etc/avahi/avahi-daemon.conf, then: systemctl restart "
                  "avahi-daemon",
                  d->limits.items[i]);
        if (strings_add(ret, text_str(&t)) < 0)
            return -ENOMEM;
    }
    if (!is_cache_too_small(d, told, counts.machines))
        return 0;
    text_reset(&t);
    text_addf(&t,
              "the Avahi daemon tells of %zu records of %zu machines: its cache may be too small; "
              "raise cache-entries-max in /etc/avahi/avahi-daemon.conf, then: systemctl restart "
              "avahi-daemon",
              told, counts.machines);
    return strings_add(ret, text_str(&t));
}

size_t discovery_pending(const struct discovery *d)
{
    size_t n = 0;

    for (const struct unresolved *u = d->unresolved; u; u = u->hh.next)
        n += !u->failed && !is_known_directly(d, u->name);
    return n;
}

int discovery_unanswered(const struct discovery *d, struct strings *ret)
{
    for (const struct unresolved *u = d->unresolved; u; u = u->hh.next)
        if (!is_known_directly(d, u->name) && ret->count < UNANSWERED_MAX &&
            strings_add(ret, u->name) < 0)
            return -ENOMEM;
    return 0;
}

const struct strings *discovery_unreadable(const struct discovery *d)
{
    return unreadable_lines(&d->unreadable);
}
