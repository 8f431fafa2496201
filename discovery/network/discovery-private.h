/*
 * What the files of discovery share: discovery.c has its life and its listeners,
 * discovery-record.c takes what the daemon and the machines tell, discovery-explain.c says
 * what is missing, and why.
 */
#pragma once

#include "browser.h"
#include "discovery.h"
#include "domain.h"
#include "liveness.h"
#include "unreadable.h"
#include "unresolved.h"

enum { REASON_MAX = 128 };

struct discovery {
    sd_event *loop;
    struct discovery_options options;
    char *fleet;
    struct key key; /* options.key points here, if there is one */
    struct browser *browser;
    struct roster *roster;
    struct liveness *liveness;
    struct querier *querier;       /* NULL: it could not be created */
    struct candidates *candidates; /* NULL: not looked for */
    struct links links;
    char *known_path; /* NULL: no machine is known */
    struct known known;
    uint64_t known_due; /* ms: when it is read again */
    struct error known_error;
    struct unresolved *unresolved;
    struct domain *domain; /* NULL: none */
    char *domain_reason;   /* what is amiss with it */
    bool domain_is_short;
    sd_event_source *events, *domain_events, *second_timer;
    struct discovery_status status; /* but `flooded` and `unprobed` */
    struct unreadable unreadable;
    struct daemon_view view;
    bool from_liveness; /* a change that liveness brought about */
};

uint64_t discovery_now_ms(const struct discovery *d);
struct timespec discovery_wall_clock(void);
void discovery_report_progress(struct discovery *d);
void discovery_report_daemon(struct discovery *d, bool there, const char *reason);

/* Has this instance answered us? */
bool discovery_is_known_directly(const struct discovery *d, const char *name);

/* ---- discovery-record.c ---- */

/* The browser's next event; borrowed. */
void discovery_take_event(struct discovery *d, const struct browser_event *e);

/* A machine that the state knows, at an address that a person gave.  Is it in the roster now? */
bool discovery_take_by_hand(struct discovery *d, const struct known_host *h);

/* It is to tell of itself, or the state does not know it any more (`forgotten`). */
void discovery_lose_by_hand(struct discovery *d, const struct known_host *h, bool forgotten);

/* The domain's next event; borrowed. */
void discovery_take_domain_event(struct discovery *d, const struct domain_event *e);

/* Of struct querier_listener. */
void discovery_take_seen(const struct sighting *s, void *arg);
void discovery_take_unreadable(const struct sighting *s, const char *reason, void *arg);
void discovery_take_silent(const struct sighting_key *key, bool doubted, void *arg);
