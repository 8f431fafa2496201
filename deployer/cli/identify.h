/*
 * Finds out which machine answers at an address, for targets without an id: an
 * address that a person gave, a line of an inventory.
 *
 * Each machine is connected to once.  One that was met at that address before is
 * expected there; its host key is checked in the job's own session, and if the key
 * is another machine's pin, it is that machine (job/attempt.c).  Only what is new
 * is scanned first (key exchange, no login), because a person must see the key: it
 * goes through the one question for all.  The id is read in the job's session, too
 * (run/run.c); an id that is pinned with another key is refused there.
 *
 * A machine without a beacon has no id: its target keeps its host key, which
 * stands for the id in the database (see known-machine.h).
 */
#pragma once

#include "program.h"

/* program_identify (program.h) fills in hostkey or id of the targets that have none.  A
 * machine that does not answer stays as it is: the action says so.  What is sent by the
 * caller is packed after it. */

/* A first look over SSH, which changes nothing: the ids of targets that have a host key and no id.
 */
int identify_look(struct program *p, struct error *err);
