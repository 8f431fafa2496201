/*
 * A host's name in an inventory is a pattern of Ansible's: a name, with a port
 * behind ":" perhaps, and with ranges: web[01:12], db-[a:f], n[0:10:2].
 *
 * Pure, any thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "discovery/base/text.h"

enum {
    HOSTS_NAME_MAX = 253,   /* bytes of a name */
    HOSTS_RANGE_MAX = 4096, /* names that one pattern may stand for */
};

/* Appends the names that the pattern stands for; *ret_port is 0 when it says
 * none.  NULL, or the words for what is wrong with it; `ret` may then hold a
 * part. */
const char *hosts_name_expand(const char *pattern, struct strings *ret, uint16_t *ret_port);
