/*
 * An avahi_poll lets Avahi's client library run on an sd-event loop: it is the
 * AvahiPoll that avahi_client_new() wants.
 *
 * It belongs to the loop's thread, and so does every Avahi object made with
 * it.  Free those objects first, then the avahi_poll; the loop is referenced
 * until the last of them is gone.
 *
 * Why not Avahi's own AvahiSimplePoll: it runs one callback a turn, so that a
 * busy descriptor starves the others, and its timers follow the wall clock,
 * which jumps by hours after the boot of a machine without a battery clock.
 */
#pragma once

#include <avahi-common/watch.h>
#include <systemd/sd-event.h>

#include "cleanup.h"

struct avahi_poll;

/* Returns 0 or -ENOMEM. */
int avahi_poll_new(sd_event *loop, struct avahi_poll **ret);
void avahi_poll_free(struct avahi_poll *p);

DEFINE_CLEANUP(struct avahi_poll *, avahi_poll_free);

/* What Avahi's functions take; valid as long as `p`. */
const AvahiPoll *avahi_poll_get(const struct avahi_poll *p);
