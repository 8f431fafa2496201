/*
 * Reports of what the state database holds: pins and runs, as text for people
 * and as JSON for programs.
 *
 * Writers append to a text and keep nothing.  What came from the network or a
 * machine is escaped in text.  Times are local in text, RFC 3339 in UTC with
 * milliseconds in JSON; what is unknown is left out.  One thread at a time.
 */
#pragma once

#include "discovery/base/terminal.h"
#include "state.h"

enum { STATE_REPORT_LINES_SHOWN = 10 /* of a step's output */ };

/* All pins, a line each, and which machines share a key. */
int state_report_pins_text(struct state *s, const struct terminal_style *style, struct text *ret,
                           struct error *err);

/* The pins of one machine, nothing cut. */
int state_report_pins_of(struct state *s, const char *id, struct text *ret, struct error *err);

/* When the machines that a person may mean by this word (state_find_ids) were last seen,
 * and where, a line each; nothing for a word that is not known. */
int state_report_last_seen(struct state *s, const char *word, struct text *ret, struct error *err);

/* {"version": 1, "pins": […], "warnings": […]}; of these ids, NULL: of all. */
int state_report_pins_json(struct state *s, const struct strings *ids, struct text *ret,
                           struct error *err);

/* All runs, a line each, the newest last. */
int state_report_runs_text(struct state *s, const struct terminal_style *style, struct text *ret,
                           struct error *err);

/* {"version": 1, "runs": […]}, in the same order. */
int state_report_runs_json(struct state *s, struct text *ret, struct error *err);

/* The queue of deploys for machines that are away, two lines each; nothing when it is empty. */
int state_report_later_text(struct state *s, const struct terminal_style *style, struct text *ret,
                            struct error *err);

/* {"version": 1, "later": […]}, in the order of state_later_list. */
int state_report_later_json(struct state *s, struct text *ret, struct error *err);

/* What an entry waits for: "off since 2026-01-01 12:00", escaped. */
void state_report_add_reason(struct text *t, const struct state_later *l);

/* One run: what it was, each machine's steps, and the last lines of what failed
 * (`verbose`: of every step that said something).  -ENOENT with words. */
int state_report_run_text(struct state *s, int64_t number, bool verbose,
                          const struct terminal_style *style, struct text *ret, struct error *err);

/* Which machines of a run are reported: the one that `machine` names, or those from number
 * `from` (the first is 0) on; after some STATE_REPORT_PAGE_BYTES the page ends with the
 * machine that exceeds them. */
struct state_report_page {
    const char *machine; /* NULL: all */
    size_t from;
    bool bounded; /* false: without an end */
    bool quiet;   /* without what the steps' commands printed */
};
enum { STATE_REPORT_PAGE_BYTES = 256 * 1024 };

/* {"version": 1, "run": {…, "machines": [{…, "steps": […]}]}, "next": N}; `next`, where the
 * page after this one begins, only when there is one.  -ENOENT with words. */
int state_report_run_json(struct state *s, int64_t number, const struct state_report_page *page,
                          struct text *ret, struct error *err);

/* "4f2a… (rpi-1.local, a1 a2)", escaped. */
void state_report_add_machine(struct text *t, const struct state_machine *m);

/* "2026-01-01 12:00", local; "" for 0. */
void state_report_add_time(struct text *t, int64_t ms);

/* One run that is there, or -ENOENT with words. */
int state_report_find_run(struct state *s, int64_t number, struct state_run *ret,
                          struct error *err);
