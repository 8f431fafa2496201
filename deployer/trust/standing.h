/*
 * Standing: whether the controller's pins accept a machine, before it is contacted.
 * One thread, the state's.
 */
#pragma once

#include "discovery/roster/roster.h"
#include "known-machine.h"

enum standing_state {
    STANDING_ACCEPTED,   /* its key is pinned, or will be: by a signed record or --accept-new */
    STANDING_NEW,        /* a person must accept it */
    STANDING_CHANGED,    /* another key is pinned, or this one was retired */
    STANDING_DOUBTFUL,   /* another machine has the same id */
    STANDING_UNVERIFIED, /* there is a fleet key, and the record is not signed with it */
};
const char *standing_name(enum standing_state state);

struct standing {
    enum standing_state state;
    char *pin; /* of its id; NULL: none */
    enum pin_source source;
    char *why; /* the message, as of trust_check; NULL: accepted */
};

void standing_clear(struct standing *s);

/* Reads the database and finds the machine's standing.  `ret` is replaced on success. */
int standing_find(struct state *s, const struct machine *m, struct consent consent,
                  struct standing *ret, struct error *err);
