/*
 * A host's name in an Ansible inventory is a pattern: a name that may contain
 * ranges, as in web[01:12], db-[a:f] or n[0:10:2], and may end in ":" and a port.
 *
 * Pure, any thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "discovery/base/text.h"

enum {
    HOSTS_NAME_MAX = 253,   /* bytes of a name */
    HOSTS_RANGE_MAX = 4096, /* names that one pattern may expand to */
};

/* Appends the names that the pattern expands to; *ret_port is 0 when it has no
 * port.  Returns NULL, or what is wrong with the pattern, for a message ("is
 * empty"); `ret` may then hold some of the names. */
const char *hosts_name_expand(const char *pattern, struct strings *ret, uint16_t *ret_port);
