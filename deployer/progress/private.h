/*
 * The model of progress that its three writers share: lines and events
 * (progress.c), the drawing (draw.c), the recap (recap.c); and what these share
 * (format.c).
 */
#pragma once

#include "json.h"
#include "progress.h"

/* In the order in which a crowded terminal gives lines to machines. */
enum machine_phase {
    PHASE_WAITING,
    PHASE_CONNECTING,
    PHASE_CHECKING,
    PHASE_SENDING,
    PHASE_RUNNING,
    PHASE_ENDED,
};

enum machine_outcome {
    OUTCOME_NONE,
    OUTCOME_OK,
    OUTCOME_CHANGED,
    OUTCOME_FAILED,
    OUTCOME_SKIPPED,
    OUTCOME_UNREACHABLE,
    OUTCOME_INTERRUPTED,
};
const char *progress_outcome_name(enum machine_outcome outcome);

struct progress_machine {
    char *label, *host; /* printable */
    enum machine_phase phase;
    enum machine_outcome outcome;
    unsigned planned, done;
    unsigned ok, changed, failed, skipped;
    bool only_checked; /* "changed" means: would be changed */
    bool started;
    uint64_t started_ms, ended_ms, step_ms;
    char *step;   /* now; after a failure, the one that failed; as it came */
    char *detail; /* of the failure, or why it was skipped or not reached */
    char *lines;  /* of the failure */
};

struct progress {
    struct progress_options options;
    struct progress_machine *machines;
    size_t count;
    struct text out; /* what the next flush writes */
    bool begun, finished, dirty;
    uint64_t begun_ms, drawn_ms, now_ms;
    unsigned *widths; /* columns of each line that is drawn */
    size_t drawn, widths_room;
};

enum progress_colour { COLOUR_NONE, COLOUR_RED, COLOUR_GREEN, COLOUR_YELLOW, COLOUR_DIM };
enum progress_colour progress_outcome_colour(enum machine_outcome outcome);
void progress_add_coloured(struct text *t, bool colour, enum progress_colour which,
                           const char *string);

/* A printable copy that the caller frees; NULL without memory. */
char *progress_printable(const char *string);

/* Appends at most `columns` of a printable string; "…" when cut. */
void progress_add_fit(struct text *t, const char *printable, size_t columns);
void progress_add_spaces(struct text *t, size_t n);

/* "3.2 s", "2 min 05 s" */
void progress_add_duration(struct text *t, uint64_t ms);

/* The last PROGRESS_LINES_SHOWN lines, each with `prefix`, printable. */
void progress_add_last_lines(struct text *t, const char *prefix, const char *lines);

/* "label host" */
void progress_add_label(struct text *t, const struct progress_machine *m);

/* --- the drawing --- */
void draw(struct progress *p);
void progress_draw_away(struct progress *p);

/* --- JSON --- */
void progress_json_add_machine(struct json_t *object, const struct progress_machine *m);
int progress_add_json_line(struct text *t, struct json_t *object);
