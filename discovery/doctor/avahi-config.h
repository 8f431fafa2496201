/*
 * avahi-daemon.conf(5): the host's name, and which interfaces are left out.
 *
 * Pure; the strings are copies of the settings' lines.
 */
#pragma once

#include <stddef.h>

enum { AVAHI_CONFIG_LIST_MAX = 512 };

struct avahi_config {
    char allow[AVAHI_CONFIG_LIST_MAX], deny[AVAHI_CONFIG_LIST_MAX]; /* "eth0,wlan0"; "": not set */
    char host_name[256];
};

/* Reads the text of the file; of a setting that is given twice the last one counts, as in
 * avahi-daemon.  What is longer than fits is as if it were not set. */
void avahi_config_parse(const char *text, struct avahi_config *ret);

/* Writes the setting that leaves the interface out, "deny-interfaces=eth0", cut to `size`
 * bytes; "" when none does.  Denied counts before allowed. */
void avahi_config_left_out(const struct avahi_config *c, const char *interface, char *ret,
                           size_t size);
