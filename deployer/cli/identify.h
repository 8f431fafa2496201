/*
 * Who is it that answers at an address?  For targets without an id: an address
 * that a person gave, a line of an inventory.
 *
 * The host key comes first: a scan (key exchange, no login) shows it.  A key
 * that is pinned is that machine's, whatever its address; one that is not is
 * new, and goes through the one question for all, unless the address is that
 * of a machine whose pin is another: then that machine is expected there, and
 * the key is refused with both fingerprints.  A first look over SSH, which
 * changes nothing, then reads the id, and all goes the way of machines that
 * were found by it.
 *
 * A machine without a beacon has no id: its target keeps its host key, which
 * stands for the id in the database (see known.h).
 */
#pragma once

#include "program.h"

/* Fills in hostkey and id of the program's targets that have none.  A machine
 * that does not answer stays as it is: the action says so.  What is sent by the
 * caller is packed after this.  0; 1: a person said no; or negative with words. */
int identify(struct program *p, struct error *err);

/* The first look alone: the ids of targets that have a host key and no id. */
int identify_look(struct program *p, struct error *err);

/* Adds the hosts of -i, with the agents that it names: a person's word.  What
 * the file says and is not used is told on stderr.  Each host has the passwords
 * that the file gives it, unless a person gave the run one.  What hosts_read and
 * secret_new say. */
int identify_inventory(struct program *p, struct error *err);

/* Adds a target for "[USER@]HOST[:PORT]", looked up within the timeout of SSH.
 * What resolve_host and place_parse say; -ENOMEM. */
int identify_add(struct program *p, const char *place, struct error *err);
