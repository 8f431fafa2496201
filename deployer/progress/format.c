/* Formatting that the writers share. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "private.h"

char *progress_printable(const char *string)
{
    CLEANUP_TEXT struct text t = TEXT_INIT;

    text_add_printable(&t, string);
    return text_take(&t);
}

void progress_add_spaces(struct text *t, size_t n)
{
    while (n-- > 0)
        text_addc(t, ' ');
}

void progress_add_fit(struct text *t, const char *string, size_t columns)
{
    size_t used = 0, left = strlen(string);

    if (text_width(string) <= columns) {
        text_adds(t, string);
        return;
    }
    while (left > 0 && columns > 0) {
        uint32_t c;
        size_t n = utf8_decode(string, left, &c), w;
        char one[8] = "";

        n = n ? n : 1;
        memcpy(one, string, n);
        w = text_width(one);
        if (used + w > columns - 1)
            break;
        text_add(t, string, n);
        used += w;
        string += n;
        left -= n;
    }
    if (columns > 0)
        text_adds(t, "…");
}

void progress_add_duration(struct text *t, uint64_t ms)
{
    unsigned long long s = ms / 1000;

    if (s < 60)
        text_addf(t, "%llu.%llu s", s, (unsigned long long)(ms % 1000 / 100));
    else
        text_addf(t, "%llu min %02llu s", s / 60, s % 60);
}

void progress_add_last_lines(struct text *t, const char *prefix, const char *lines)
{
    size_t size = lines ? strlen(lines) : 0, shown = 0;
    const char *start;

    while (size > 0 && lines[size - 1] == '\n')
        size--;
    if (size == 0)
        return;
    for (start = lines + size; start > lines; start--)
        if (start[-1] == '\n' && ++shown == PROGRESS_LINES_SHOWN)
            break;
    while (start < lines + size) {
        size_t n = strcspn(start, "\n");
        CLEANUP_FREE char *line = NULL;

        if (start + n > lines + size)
            n = (size_t)(lines + size - start);
        line = strndup(start, n);
        text_adds(t, prefix);
        text_add_printable(t, line ? line : "");
        text_addc(t, '\n');
        start += n + 1;
    }
}

void progress_add_label(struct text *t, const struct progress_machine *m)
{
    text_adds(t, m->label);
    if (m->host && strcmp(m->host, m->label) != 0)
        text_addf(t, " %s", m->host);
}

void progress_add_coloured(struct text *t, bool colour, enum progress_colour which,
                           const char *string)
{
    static const char *const codes[] = {
        [COLOUR_NONE] = "",           [COLOUR_RED] = "\033[31m", [COLOUR_GREEN] = "\033[32m",
        [COLOUR_YELLOW] = "\033[33m", [COLOUR_DIM] = "\033[2m",
    };
    bool really = colour && which != COLOUR_NONE;

    text_adds(t, really ? codes[which] : "");
    text_adds(t, string);
    text_adds(t, really ? "\033[0m" : "");
}

struct json_t *progress_json_text(const char *value)
{
    CLEANUP_FREE char *safe = NULL;

    if (!utf8_valid(value, strlen(value)))
        safe = progress_printable(value);
    return json_string(safe ? safe : value);
}

void progress_json_add(struct json_t *object, const char *key, const char *value)
{
    if (value && *value)
        (void)json_object_set_new(object, key, progress_json_text(value));
}

void progress_json_add_machine(struct json_t *object, const struct progress_machine *m)
{
    progress_json_add(object, "machine", m->label);
    progress_json_add(object, "host", m->host);
}

/* ASCII only: bytes from the remote side must not control a terminal that shows it. */
int progress_add_json_line(struct text *t, struct json_t *object)
{
    char *line = object
                     ? json_dumps(object, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(6))
                     : NULL;

    if (!line)
        return -ENOMEM;
    text_adds(t, line);
    text_addc(t, '\n');
    free(line);
    return text_error(t);
}

static const char *const outcome_names[] = {
    [OUTCOME_NONE] = "waiting",
    [OUTCOME_OK] = "ok",
    [OUTCOME_CHANGED] = "changed",
    [OUTCOME_FAILED] = "failed",
    [OUTCOME_SKIPPED] = "skipped",
    [OUTCOME_UNREACHABLE] = "unreachable",
    [OUTCOME_INTERRUPTED] = "interrupted",
};

const char *progress_outcome_name(enum machine_outcome outcome)
{
    return outcome_names[outcome];
}

enum progress_colour progress_outcome_colour(enum machine_outcome outcome)
{
    switch (outcome) {
    case OUTCOME_OK:
        return COLOUR_GREEN;
    case OUTCOME_CHANGED:
    case OUTCOME_INTERRUPTED:
        return COLOUR_YELLOW;
    case OUTCOME_FAILED:
    case OUTCOME_UNREACHABLE:
        return COLOUR_RED;
    case OUTCOME_SKIPPED:
        return COLOUR_DIM;
    case OUTCOME_NONE:
        break;
    }
    return COLOUR_NONE;
}

void progress_count(const struct progress *p, struct progress_counts *ret)
{
    struct progress_counts c = {.machines = (unsigned)p->count};

    for (size_t i = 0; i < p->count; i++) {
        enum machine_outcome o = p->machines[i].outcome;

        c.ok += o == OUTCOME_OK;
        c.changed += o == OUTCOME_CHANGED;
        c.failed += o == OUTCOME_FAILED;
        c.skipped += o == OUTCOME_SKIPPED;
        c.unreachable += o == OUTCOME_UNREACHABLE;
        c.interrupted += o == OUTCOME_INTERRUPTED;
    }
    *ret = c;
}
