/*
 * What the writers of inventory formats share: the hosts, named and checked.
 * Private to discovery/inventory*.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "discovery/base/text.h"
#include "discovery/roster/roster.h"

enum { APT_CACHE_PORT = 3142, PIP_CACHE_PORT = 3141 }; /* apt-cacher-ng's and devpi's own */

/* A machine as a host of the inventory.  Strings are valid UTF-8. */
struct inventory_host {
    const struct machine *machine;
    char *name;             /* unique; safe in every format, in patterns and on command lines */
    char *address;          /* or a plain host name where no address is known */
    char *agt_name;         /* the agents' names with blanks between them */
    bool ambiguous;         /* agt_name does not say where a name ends */
    bool shared;            /* another host has one of its names, too */
    struct strings aliases; /* agent names that are safe as a computer's name */
};

struct inventory {
    struct inventory_host *hosts;
    size_t n_hosts;
    const struct machine **left_out;
    size_t n_left_out;
    const char *controller; /* borrowed; may be NULL */
};

/* One a format; each appends.  -ENOMEM. */
int inventory_write_yaml(const struct inventory *inventory, struct text *ret);
int inventory_write_ini(const struct inventory *inventory, struct text *ret);
int inventory_write_ssh_config(const struct inventory *inventory, struct text *ret);
int inventory_write_hosts(const struct inventory *inventory, struct text *ret);
int inventory_write_json(const struct inventory *inventory, struct text *ret);
int inventory_write_list(const struct inventory *inventory, struct text *ret);
int inventory_write_hostvars(const struct inventory_host *host, struct text *ret);

/* A line of comment for each machine that is left out: who and why. */
void inventory_add_left_out(const struct inventory *inventory, struct text *ret);

/* Would Jinja do something with it?  Ansible templates every value. */
bool inventory_is_template(const char *value);

/* May the character stand as it is in every format: it is seen, and is neither
 * a blank, nor a line's end to some reader, nor a control of any kind? */
bool inventory_is_visible(uint32_t c);
