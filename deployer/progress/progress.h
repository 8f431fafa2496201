/*
 * What the user sees during a run, and the recap at its end.
 *
 * A model: events and the time go in, text comes out through one callback of
 * the program's; nothing here reads a clock, asks for a terminal or prints.
 * One thread.  All strings of an event are borrowed for the call, may come from
 * the remote side, and reach a terminal in printable form only.
 *
 *   PROGRESS_TERMINAL  one line a machine, redrawn in place at most some ten
 *                      times a second; failures scroll by above and stay, with
 *                      their output
 *   PROGRESS_PLAIN     one line per thing that happened; output is in the recap
 *   PROGRESS_JSON      one object a line, each with "version": 1
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "discovery/base/cleanup.h"
#include "discovery/base/error.h"
#include "discovery/base/text.h"

enum {
    PROGRESS_REDRAW_MS = 100,
    PROGRESS_LINES_SHOWN = 10, /* of a failed step's output */
};

enum progress_format { PROGRESS_PLAIN, PROGRESS_TERMINAL, PROGRESS_JSON };

typedef void progress_write(const char *bytes, size_t size, void *arg);

struct progress_options {
    enum progress_format format;
    bool colour;
    bool quiet;             /* failures and the recap only (not for JSON) */
    bool verbose;           /* plain: starts, and steps that were ok or skipped, too */
    bool recap_apart;       /* terminal: the recap goes elsewhere, so it repeats the output */
    unsigned width, height; /* of the terminal; 0: 80 by 24 */
    progress_write *write;
    void *arg;
};

enum progress_kind {
    PROGRESS_CONNECTING,
    PROGRESS_CHECKING,
    PROGRESS_SENDING,     /* the bundle */
    PROGRESS_PLAN,        /* number: how many steps there are */
    PROGRESS_START,       /* step */
    PROGRESS_RESULT,      /* step, result, detail, lines */
    PROGRESS_NOTE,        /* detail: something to know, such as another run in progress there */
    PROGRESS_UNREACHABLE, /* detail; ends the machine */
    PROGRESS_BROKEN,      /* detail, lines; ends the machine: failed, but in no step */
    PROGRESS_SKIP,        /* detail; ends the machine: nothing was tried */
    PROGRESS_DONE,        /* ends the machine */
};

/* In the order of enum step_status. */
enum progress_result {
    PROGRESS_OK,
    PROGRESS_CHANGE, /* --check: it would be changed */
    PROGRESS_CHANGED,
    PROGRESS_FAILED,
    PROGRESS_SKIPPED,
};

struct progress_event {
    size_t machine; /* what progress_add_machine returned */
    enum progress_kind kind;
    unsigned number;
    enum progress_result result;
    const char *step;   /* these three may be NULL */
    const char *detail; /* one line */
    const char *lines;  /* output, '\n' between lines */
};

struct progress;

/* NULL without memory. */
struct progress *progress_new(const struct progress_options *options);
void progress_free(struct progress *p);
DEFINE_CLEANUP(struct progress *, progress_free);

/* `label` is the machine's agents or, without any, its id; `host` may be NULL. */
int progress_add_machine(struct progress *p, const char *label, const char *host,
                         size_t *ret_index);

/* Times: milliseconds of any clock that does not go back, the same one always. */
void progress_event(struct progress *p, const struct progress_event *event, uint64_t now_ms);

/* Redraws if it is time; to be called each PROGRESS_REDRAW_MS on a terminal. */
void progress_tick(struct progress *p, uint64_t now_ms);
void progress_resize(struct progress *p, unsigned width, unsigned height);

/* Erases the drawing, so that the program can print something; the next tick draws it
 * again. */
void progress_hide(struct progress *p);

/* The last drawing, left standing, cursor below it.  Machines that have not
 * ended are "interrupted" from here on. */
void progress_finish(struct progress *p, uint64_t now_ms);

struct progress_counts {
    unsigned machines, ok, changed, failed, skipped, unreachable, interrupted;
};
/* Machines by how they ended; `ok` had nothing to change. */
void progress_count(const struct progress *p, struct progress_counts *ret);

/* Appends the recap: a table with a row a machine, the failed steps below, with
 * their last lines where nobody has seen them yet; as JSON, one event.  After
 * progress_finish. */
int progress_recap(const struct progress *p, struct text *ret);
