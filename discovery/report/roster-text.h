/*
 * Reports: roster and match as JSON for programs and as text for people, and a
 * roster read back from its JSON.
 *
 * Writers append to a text and return 0 or -ENOMEM; they keep nothing.  Text for
 * people is escaped (text_add_printable) and keeps the order of the caller's
 * array; its times are local.  JSON ends with a newline, unknown values are left
 * out, times are RFC 3339 in UTC with milliseconds.
 *
 * Pure but for interface names in link-local addresses and the time zone; one thread at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "discovery/base/error.h"
#include "discovery/base/terminal.h"
#include "discovery/base/text.h"
#include "discovery/match/match.h"
#include "discovery/roster/candidates.h"
#include "discovery/roster/roster.h"

/* How text for people is written. */
struct report_style {
    struct terminal_style terminal; /* its width 0: a pipe or a file */
    time_t now;                     /* times of today are written without the day */
    bool verbose;                   /* lists in full */
};

/* {"version": 1, "machines": […]}, a machine a line. */
int report_roster_json(const struct machine *const *machines, size_t n, struct text *ret);

/* The same with {"candidates": […]} behind the machines: {"host", "addresses", "port", "mac",
 * "services": ["ssh", "sftp-ssh", "workstation"]} each. */
int report_all_json(const struct machine *const *machines, size_t n,
                    const struct candidate_list *candidates, struct text *ret);

/* A table, or "No machines.".  On a terminal, columns that are empty or do not fit
 * are left out, and what is wrong with a machine stands below its row.  Elsewhere a
 * machine is one line, and the columns are always the same ones: two or more blanks
 * between them and none in a row within, "-" where there is nothing. */
int report_roster_text(const struct machine *const *machines, size_t n,
                       const struct report_style *style, struct text *ret);

/* The table in at most so many lines.  Where not all machines fit, those in trouble
 * come first.  The number of those that are not shown is returned. */
int report_roster_fit(const struct machine *const *machines, size_t n,
                      const struct report_style *style, size_t lines, struct text *ret,
                      size_t *ret_hidden);

/* "30 machines: 27 there, 2 offline, 1 in doubt; 6 more are not shown", and a
 * newline.  Each machine is counted once. */
void report_add_sum_line(const struct machine *const *machines, size_t n, size_t hidden,
                         const struct report_style *style, struct text *ret);

/* The machines, those in trouble first, then those that are there, then claims that
 * are not verified, for anybody can send many.  The caller frees the array; NULL
 * without memory. */
const struct machine **report_sort_trouble(const struct machine *const *machines, size_t n);

/* One change, one line: {"version": 1, "event": "appeared", "time": "…",
 * "machine": {…}}, or words.  `when` is of CLOCK_REALTIME. */
int report_change_json(const struct machine *m, enum roster_change change,
                       const struct timespec *when, struct text *ret);
int report_change_text(const struct machine *m, enum roster_change change,
                       const struct terminal_style *style, struct text *ret);

/* The match after match_explain; `strict` as for match_ok.  The text starts
 * with one sentence that is the answer; without `verbose`, lists that other people's
 * machines can make long are cut. */
int report_match_json(const struct match *m, bool strict, struct text *ret);
int report_match_text(const struct match *m, bool strict, const struct report_style *style,
                      struct text *ret);

/* A sentence for each claim of the match. */
int report_claims_text(const struct match *m, const struct report_style *style, struct text *ret);

/* For other modules' sentences: a machine's label; a name, in quotes where its
 * ends could not be seen; a machine with its names.  All escaped. */
void report_add_label(struct text *t, const struct machine *m);
void report_add_name(struct text *t, const char *name);
void report_add_machine(struct text *t, const struct machine *m);

/* Machines read back: owned values, and the pointers that everything else
 * takes.  A value; machine_list_clear. */
struct machine_list {
    struct machine *items;
    const struct machine **pointers; /* to the items, in the file's order */
    size_t count;
};

#define MACHINE_LIST_INIT ((struct machine_list){0})

void machine_list_clear(struct machine_list *l);

enum { REPORT_JSON_MAX = 32 << 20 /* for file_read */ };

/* Reads what report_roster_json wrote; unknown keys are ignored, and everything
 * else must fit the advert's forms and the roster's bounds.  `name` is what
 * errors call the input: "roster.json:3:17: …" where it is not JSON,
 * "roster.json: machines[3].id: …" where it is not a roster.  A link-local
 * address on an interface that is not here is left out.  `ret` is written on
 * success only.  -EBADMSG, -ENOMEM. */
int report_roster_read(const char *json, size_t size, const char *name, struct machine_list *ret,
                       struct error *err);
