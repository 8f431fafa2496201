#include "discovery-private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

enum {
    EVENTS_PER_TURN = 64, /* so that probes and answers get their turn in a flood */
    KNOWN_MS = 15 * 1000, /* between two looks at which machines are known */
    STUCK_MS = 2000,      /* in one call: the daemon does not answer */
    SECOND_USEC = 1000 * 1000,
};

uint64_t discovery_now_ms(const struct discovery *d)
{
    uint64_t usec = 0;

    (void)sd_event_now(d->loop, CLOCK_MONOTONIC, &usec);
    return usec / 1000;
}

struct timespec discovery_wall_clock(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return t;
}

void discovery_report_progress(struct discovery *d)
{
    if (d->options.progress)
        d->options.progress(d->options.arg);
}

void discovery_report_daemon(struct discovery *d, bool there, const char *reason)
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
        d->status.news = discovery_now_ms(d);
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
        roster_set_online(d->roster, key, online, from, discovery_wall_clock());
        d->from_liveness = false;
    }
    discovery_report_progress(d);
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
    querier_ask(d->querier, m && m->instance ? m->instance : instance,
                m && m->online && !m->by_hand);
}

bool discovery_is_known_directly(const struct discovery *d, const char *name)
{
    return d->querier && querier_has(d->querier, name);
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

static void on_candidate(void *arg)
{
    struct discovery *d = arg;

    d->status.new_candidate = discovery_now_ms(d);
    discovery_report_progress(d);
}

/* Where multicast comes from, the machine tells of itself. */
static bool is_beyond(const struct discovery *d, const struct known_host *h)
{
    return address_is_unicast(&h->address) && !address_is_link_local(&h->address) &&
           !links_is_near(&d->links, &h->address);
}

/* Without a network nothing is near, and nothing is reached: all stays as it was. */
static void list_by_hand(struct discovery *d)
{
    for (size_t i = 0; i < d->known.n_hosts && d->links.n_networks > 0; i++) {
        struct known_host *h = &d->known.hosts[i];
        bool beyond = is_beyond(d, h);

        /* One that could not be taken is tried again. */
        bool listed = h->listed && !h->changed && beyond;

        if (beyond && !listed)
            listed = discovery_take_by_hand(d, h);
        if (h->listed && !listed)
            discovery_lose_by_hand(d, h, false);
        h->listed = listed;
        h->changed = false;
    }
}

/* Another program may have learnt of more.  What cannot be read stays as it was. */
static void read_known(struct discovery *d)
{
    struct known now = {0};

    if (!d->known_path || discovery_now_ms(d) < d->known_due)
        return;
    d->known_due = discovery_now_ms(d) + KNOWN_MS;
    d->known_error = (struct error){0};
    if (known_read(d->known_path, &now, &d->known_error) < 0) {
        known_clear(&now);
        return;
    }
    known_inherit(&now, &d->known);
    for (size_t i = 0; i < d->known.n_hosts; i++) {
        const struct known_host *h = &d->known.hosts[i];

        if (h->listed && !known_host_find(&now, h->advert.id))
            discovery_lose_by_hand(d, h, !known_has(&now, h->advert.id));
    }
    known_clear(&d->known);
    d->known = now;
}

static void on_links(const struct links *links, void *arg)
{
    struct discovery *d = arg;

    read_known(d); /* with each question */
    d->links = *links;
    roster_set_networks(d->roster, links->networks, links->n_networks);
    list_by_hand(d);
}

static int on_events(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
    struct discovery *d = arg;
    struct browser_event *e;

    (void)source, (void)fd, (void)revents;
    for (size_t i = 0; i < EVENTS_PER_TURN && (e = browser_take(d->browser)); i++) {
        discovery_take_event(d, e);
        browser_event_free(e);
    }
    discovery_report_progress(d);
    return 0;
}

static int on_domain_events(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
    struct discovery *d = arg;
    struct domain_event *e;

    (void)source, (void)fd, (void)revents;
    for (size_t i = 0; i < EVENTS_PER_TURN && (e = domain_take(d->domain)); i++) {
        discovery_take_domain_event(d, e);
        domain_event_free(e);
    }
    discovery_report_progress(d);
    return 0;
}

/* The browser's thread cannot report that it hangs: this checks it.  Looks at the state, too:
 * a person may have enrolled a machine, or made the state forget one. */
static int on_second(sd_event_source *source, uint64_t usec, void *arg)
{
    struct discovery *d = arg;
    bool stuck = browser_stuck_ms(d->browser) >= STUCK_MS;
    bool was_stuck = d->status.silent;

    (void)usec;
    read_known(d);
    list_by_hand(d);
    d->status.silent = stuck;
    if (stuck && !was_stuck)
        discovery_report_daemon(d, false, "the Avahi daemon does not answer");
    else if (!stuck && was_stuck)
        discovery_report_daemon(d, true, NULL); /* unless its next event says otherwise */
    discovery_report_progress(d);
    (void)sd_event_source_set_time_relative(source, SECOND_USEC);
    return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int start_domain(struct discovery *d, const char *name, struct error *err)
{
    int r;

    if (!name)
        return 0;
    d->status.asking = true;
    r = domain_new(name, d->options.key, d->options.keep, &d->domain, err);
    if (r < 0)
        return r;
    r = sd_event_add_io(d->loop, &d->domain_events, domain_fd(d->domain), EPOLLIN, on_domain_events,
                        d);
    return r < 0 ? error_sys(err, r, "cannot ask for the domain %s", name) : 0;
}

static int start_discovery(struct discovery *d, struct error *err)
{
    const struct liveness_listener liveness = {on_liveness, on_missed, d};
    const struct querier_listener querier = {.seen = discovery_take_seen,
                                             .unreadable = discovery_take_unreadable,
                                             .silent = discovery_take_silent,
                                             .too_many = on_too_many,
                                             .candidate = on_candidate,
                                             .links = on_links,
                                             .arg = d};
    const char *fleet = d->fleet;
    int r;

    read_known(d);
    roster_know(d->roster, &d->known);
    links_read(&d->links); /* the querier keeps them up to date */
    r = liveness_new(d->loop, d->options.keep, &liveness, &d->liveness, err);
    if (r < 0)
        return r;
    list_by_hand(d);
    /* The default fleet has no subtype: its machines name no fleet. */
    if (fleet && strcmp(fleet, ADVERT_FLEET_DEFAULT) == 0)
        fleet = NULL;
    /* Without it there is Avahi. */
    (void)querier_new(d->loop, d->options.key, d->options.keep, &querier, &d->querier, NULL);
    if (d->querier)
        querier_know(d->querier, &d->known);
    if (d->querier && d->candidates)
        querier_seek(d->querier, d->candidates);
    r = browser_new(fleet, d->options.key, &d->browser, err);
    if (r < 0)
        return r;
    r = sd_event_add_io(d->loop, &d->events, browser_fd(d->browser), EPOLLIN, on_events, d);
    if (r >= 0)
        r = sd_event_add_time_relative(d->loop, &d->second_timer, CLOCK_MONOTONIC, SECOND_USEC,
                                       SECOND_USEC / 4, on_second, d);
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
    if (options->known)
        d->known_path = strdup(options->known);
    if (options->candidates)
        d->candidates = candidates_new();
    if (!d->roster || (options->candidates && !d->candidates) || (options->fleet && !d->fleet) ||
        (options->known && !d->known_path))
        return error_sys(err, -ENOMEM, "cannot discover machines");
    d->options.fleet = d->fleet;
    d->options.domain = NULL; /* the domain has it */
    if (options->key) {
        d->key = *options->key;
        d->options.key = &d->key;
        roster_expect_signatures(d->roster);
    }
    roster_listen(d->roster, on_change, d);
    r = start_discovery(d, err);
    if (r >= 0)
        r = start_domain(d, options->domain, err);
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
    sd_event_source_disable_unref(d->domain_events);
    sd_event_source_disable_unref(d->second_timer);
    domain_free(d->domain);
    free(d->domain_reason);
    browser_free(d->browser);
    querier_free(d->querier);
    candidates_free(d->candidates);
    unresolved_clear(&d->unresolved);
    unreadable_clear(&d->unreadable);
    daemon_view_clear(&d->view);
    liveness_free(d->liveness);
    roster_free(d->roster);
    known_clear(&d->known);
    free(d->known_path);
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

int discovery_candidates(const struct discovery *d, struct candidate_list *ret)
{
    size_t n;
    const struct machine *const *machines = roster_machines(d->roster, &n);

    return d->candidates ? candidates_list(d->candidates, machines, n, ret) : 0;
}

bool discovery_too_many_candidates(const struct discovery *d)
{
    return d->candidates && candidates_too_many(d->candidates);
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
