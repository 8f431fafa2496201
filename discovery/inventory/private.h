/*
 * What the writers of inventory formats share: the hosts, named and checked.
 * Private to discovery/inventory.
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
    bool ambiguous;         /* agt_name does not show where a name ends */
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

/* One writer for each format; each appends.  -ENOMEM. */
int inventory_write_yaml(const struct inventory *inventory, struct text *ret);
int inventory_write_ini(const struct inventory *inventory, struct text *ret);
int inventory_write_ssh_config(const struct inventory *inventory, struct text *ret);
int inventory_write_hosts(const struct inventory *inventory, struct text *ret);
int inventory_write_json(const struct inventory *inventory, struct text *ret);
int inventory_write_list(const struct inventory *inventory, struct text *ret);
int inventory_write_hostvars(const struct inventory_host *host, struct text *ret);

/* Appends a comment line for each machine that is left out, with the reason. */
void inventory_add_left_out(const struct inventory *inventory, struct text *ret);

/* Whom to log in as: what the machine says, else what dcop-deploy takes. */
const char *inventory_user(const struct machine *m);

/* Would Jinja change it?  Ansible templates every value. */
bool inventory_is_template(const char *value);

/* Is the character safe unescaped in every format: visible, not a blank, not a
 * line end for any reader, and not a control character? */
bool inventory_is_visible(uint32_t c);
