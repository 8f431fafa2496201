/*
 * What the Avahi daemon has told of, beside the machines that answered this program
 * directly, and which of its limits it has reported.  The difference is the only sign of
 * a full cache (avahi-core/cache.c drops what does not fit silently) and of an interface
 * that avahi-daemon.conf(5) leaves out.
 *
 * A value: all bytes 0 is empty.  Pure but for interface names; one thread at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "discovery/base/avahi-limit.h"
#include "discovery/base/text.h"
#include "discovery/roster/roster.h"
#include "links.h"

enum {
    DAEMON_VIEW_MAX = 32768, /* instances on interfaces; others are not compared */
    /* Avahi has had two questions on the air for a machine that answered us so long ago:
     * RFC 6762 §5.2, the second comes one second after the first. */
    DAEMON_VIEW_SETTLE_MS = 1500,
    DAEMON_VIEW_CACHE_MIN = 5,    /* missing machines that make a full cache a possible cause … */
    DAEMON_VIEW_CACHE_FULL = 500, /* … or one, where it has told of so many: 4096 records */
};

/* What the daemon lacks. */
enum daemon_lack {
    DAEMON_LACKS_CLIENTS, /* clients-max: it cannot be asked at all */
    DAEMON_LACKS_OBJECTS, /* objects-per-client-max: records that were not resolved */
    DAEMON_LACKS_CACHE,   /* it has told of some machines of a link, and not of others */
    DAEMON_LACKS_LINK,    /* it has told of none there */
    DAEMON_LACKS,
};

struct daemon_instance;

struct daemon_view {
    struct daemon_instance *instances;
    bool limits[AVAHI_LIMITS]; /* that are reached */
    bool told_all;             /* its ALL_FOR_NOW has come */
};

void daemon_view_clear(struct daemon_view *v);

/* The daemon has gone, or has another life: nothing is told, no limit reached. */
void daemon_view_restart(struct daemon_view *v);

/* Its tuples come and go; without memory, and beyond the bound, they do not count. */
void daemon_view_told(struct daemon_view *v, const struct sighting_key *key);
void daemon_view_removed(struct daemon_view *v, const struct sighting_key *key);

/* The instance answered this program directly, at `now` (ms); or no longer does. */
void daemon_view_heard(struct daemon_view *v, const struct sighting_key *key, uint64_t now);
void daemon_view_silent(struct daemon_view *v, const struct sighting_key *key);

/* The interfaces on which a machine answers, each once; how many, at most LINKS_MAX. */
size_t daemon_view_interfaces(const struct daemon_view *v, int ret[static LINKS_MAX]);

/* Is every machine that answered either told, or overdue? */
bool daemon_view_is_settled(const struct daemon_view *v, uint64_t now);

/* Which lacks there are, a bit each: 1 << enum daemon_lack. */
unsigned daemon_view_lacks(const struct daemon_view *v, uint64_t now);

/* Adds what is known of a lack in a sentence without a full stop, for each interface in
 * turn; nothing when there is none.  A cause that is only possible is told as that.
 * `refused`: machines that are not known because of a limit. */
void daemon_view_explain(const struct daemon_view *v, enum daemon_lack lack, uint64_t now,
                         size_t refused, struct text *ret);
