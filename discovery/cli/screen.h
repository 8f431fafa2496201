/*
 * What --watch keeps on a terminal, as lines of text: the daemon's trouble, the
 * match, the sum, the last change, the table.
 *
 * Pure but for the time zone; the caller draws it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "discovery/base/text.h"
#include "discovery/match/match.h"
#include "discovery/report/roster-text.h"

/* Borrowed values. */
struct screen {
    const struct machine *const *machines;
    size_t n;
    const struct match *match; /* after match_explain; NULL: there is no problem */
    bool strict;
    const char *trouble;      /* the daemon's; NULL: none */
    const char *domain;       /* what is amiss with it, a sentence; NULL: nothing */
    const char *known;        /* why it cannot be read which machines are; NULL: it can */
    const char *const *lacks; /* of the daemon, sentences; some may be NULL */
    size_t n_lacks;
    bool too_many;
    const char *change; /* the last one, printable; NULL: there was none */
    time_t changed;
    struct report_style style; /* with a width */
    size_t rows;               /* of the terminal */
};

/* Appends at most `rows` lines, each with a newline.  What does not fit of a match is
 * counted, as are machines.  -ENOMEM. */
int screen_write(const struct screen *s, struct text *ret);
