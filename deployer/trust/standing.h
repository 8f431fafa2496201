/*
 * Standing: whether the controller's pins accept a machine, before it is contacted.
 * One thread, the state's.
 */
#pragma once

#include "discovery/roster/roster.h"
#include "known-machine.h"

enum standing_state {
    STANDING_ACCEPTED,   /* its key is pinned, or its record's signature or --accept-new will pin it
                          */
    STANDING_NEW,        /* a person has to accept it */
    STANDING_CHANGED,    /* another key is pinned, or this one was retired */
    STANDING_DOUBTFUL,   /* another machine has the same id */
    STANDING_UNVERIFIED, /* there is a fleet key, and it has not signed the record */
};
const char *standing_name(enum standing_state state);

struct standing {
    enum standing_state state;
    char *pin; /* of its id; NULL: none */
    enum pin_source source;
    char *why; /* in the words of trust_check; NULL: accepted */
};

void standing_clear(struct standing *s);

/* What the database says of it now.  `ret` is replaced. */
int standing_find(struct state *s, const struct machine *m, struct consent consent,
                  struct standing *ret, struct error *err);
