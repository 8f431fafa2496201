/*
 * The limits of the Avahi daemon that a client can reach, with the setting of
 * avahi-daemon.conf(5) that raises each.  One place for the words of all programs.
 *
 * The daemon answers a call with org.freedesktop.Avahi.TooMany{Clients,Objects,Entries}Error
 * (avahi-common/dbus.h), which Avahi's client library turns into an error number.  Clients are
 * counted when they make their first object, not when they connect.  Errors of
 * avahi_client_new itself come from D-Bus, whose LimitsExceeded has the same number as
 * TooManyObjects: do not ask for those here.
 *
 * Pure; any thread.
 */
#pragma once

enum avahi_limit {
    AVAHI_LIMIT_NONE, /* another error */
    AVAHI_LIMIT_CLIENTS,
    AVAHI_LIMIT_OBJECTS,
    AVAHI_LIMIT_ENTRIES,
    AVAHI_LIMITS,
};

/* `error`: an AVAHI_ERR number of a call that makes or fills an object. */
enum avahi_limit avahi_limit_of(int error);

/* Where limits are set, and how they take effect: follows "raise it in ". */
#define AVAHI_LIMIT_FILE "/etc/avahi/avahi-daemon.conf and restart avahi-daemon"

/* The setting, what the daemon refused, and what to do: a sentence without a full stop.
 * NULL for AVAHI_LIMIT_NONE. */
const char *avahi_limit_words(enum avahi_limit limit);
