/*
 * Records that do not describe a machine that can be used: which, from where, and
 * why.  One line for each instance, its newest; the first UNREADABLE_MAX.
 *
 * A value: all bytes 0 is an empty list.  It owns its strings.  Pure but for
 * interface names in link-local addresses; one thread at a time.
 */
#pragma once

#include "discovery/base/text.h"
#include "discovery/roster/roster.h"

enum { UNREADABLE_MAX = 64 };

struct unreadable {
    struct strings lines, instances; /* as many of both */
};

void unreadable_clear(struct unreadable *u);

/* The sighting needs no advert.  Without memory, and beyond the bound, the line is
 * lost. */
void unreadable_add(struct unreadable *u, const struct sighting *s, const char *reason);

/* A readable record of this instance has come. */
void unreadable_remove(struct unreadable *u, const char *instance);

/* "HOST (ADDRESS): reason"; not escaped.  Borrowed until the next change. */
const struct strings *unreadable_lines(const struct unreadable *u);
