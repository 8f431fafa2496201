/*
 * Finds out which machine answers at an address, for targets without an id: an
 * address that a person gave, a line of an inventory.
 *
 * The host key comes first: a scan (key exchange, no login) shows it.  A key
 * that is pinned is that machine's, whatever its address; one that is not is
 * new, and goes through the one question for all, unless the address is that
 * of a machine whose pin is another: then that machine is expected there, and
 * the key is refused with both fingerprints.  A first look over SSH, which
 * changes nothing, then reads the id; from there on the target is treated like a
 * machine that was found by its id.
 *
 * A machine without a beacon has no id: its target keeps its host key, which
 * stands for the id in the database (see known-machine.h).
 */
#pragma once

#include "program.h"

/* program_identify (program.h) fills in hostkey and id of the targets that have none.  A
 * machine that does not answer stays as it is: the action says so.  What is sent by the
 * caller is packed after it. */

/* The first look alone: the ids of targets that have a host key and no id. */
int identify_look(struct program *p, struct error *err);
