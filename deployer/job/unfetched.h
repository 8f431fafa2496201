/*
 * The failure of a step that lacks packages, kept back as long as the controller
 * may bring them.  A value: start with {0}.
 */
#pragma once

#include "stepwire.h"

struct unfetched {
    bool wanted; /* the machine has said so; the failure comes next */
    char *step;  /* that failed; NULL: none has */
    struct text detail, lines;
};

void unfetched_clear(struct unfetched *u);

/* True: the event is that failure or a consequence of it, and must not be told now. */
bool unfetched_takes(struct unfetched *u, const struct stepwire_event *event);
