/*
 * Waiting for the next card: media that come into a reader, or readers with a medium, after
 * the watch has begun.  What is there before is left alone.
 *
 * The kernel's own events (NETLINK_KOBJECT_UEVENT) say that something has changed; what it is
 * comes from /sys/class/block.
 */
#pragma once

#include <stdbool.h>

#include "discovery/base/error.h"

struct card_watch_events {
    /* From now on a card that comes is seen. */
    void (*on_begin)(void *arg);
    /* A card is in the disk `name` ("sdb").  0: wait for the next one; 1: that was the last;
     * -EAGAIN: not yet, its partitions may still come; another negative errno ends the watch. */
    int (*on_card)(const char *name, void *arg, struct error *err);
    /* The disk stays without a boot partition. */
    void (*on_strange)(const char *name, void *arg);
};

/* Whether the disk can be a card: removable, or of an SD or USB reader; never a partition.  `sys`
 * is /sys/class/block.  Tests make cards of loop devices: those count whose file is in the folder
 * that DCOP_TEST_CARDS names. */
bool card_watch_takes(const char *sys, const char *name);

/* Returns when the callback says so.  SIGINT, SIGTERM and SIGHUP take effect between two cards
 * only.  -EPERM and the like: no events are to be had. */
int card_watch(const struct card_watch_events *events, void *arg, struct error *err);
