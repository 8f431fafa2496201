/*
 * An inventory lists the machines that have an agent and their addresses, for
 * Ansible, for ssh, for the deployer.
 *
 * Hosts are the machines that are online and have an agent name and an address.
 * Others are left out, because pyDCOP's playbook runs on `all` and would stop at
 * a host without agt_name; comments name them where the format has comments.  A
 * host's name is the machine's first agent name if every reader accepts that as
 * a host's name, else dcop-<id>.  agt_name holds the names, separated by blanks
 * as `pydcop agent -n` takes them; where that is ambiguous (several, or one with
 * a blank) agt_names is the list.
 *
 * It has no secrets, keeps the order of the caller's machines, and stores
 * nothing.  Pure but for interface names in link-local addresses; one thread at
 * a time.
 */
#pragma once

#include <netinet/in.h>
#include <stddef.h>

#include "discovery/base/error.h"
#include "discovery/base/text.h"
#include "discovery/roster/roster.h"

enum inventory_format {
    INVENTORY_YAML, /* the shape of pyDCOP's hosts-conf.yaml */
    INVENTORY_INI,
    INVENTORY_JSON, /* the YAML as JSON; Ansible reads it as a file, too */
    INVENTORY_SSH_CONFIG,
    INVENTORY_HOSTS, /* lines of /etc/hosts */
    INVENTORY_LIST,  /* what Ansible's script plugin expects of --list */
};

/* "yaml" … "hosts" ("list" has an option of its own).  -EINVAL with the valid
 * names. */
int inventory_format_from_name(const char *name, enum inventory_format *ret, struct error *err);

/* This computer's address on the route to the machines; "": none.  Sends
 * nothing. */
void inventory_find_controller(const struct machine *const *machines, size_t n,
                               char ret[static INET_ADDRSTRLEN]);

/* Appends the inventory.  `controller` is this computer's address towards the
 * machines, for controller_proxy_addr; NULL leaves it out.  -ENOMEM. */
int inventory_write(const struct machine *const *machines, size_t n, enum inventory_format format,
                    const char *controller, struct text *ret);

/* Appends what the script plugin expects of --host NAME: the host's variables
 * as one JSON object.  -ENOENT when no host has that name, -ENOMEM. */
int inventory_write_host(const struct machine *const *machines, size_t n, const char *name,
                         struct text *ret);
