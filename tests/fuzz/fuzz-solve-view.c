/* What the service shows of a run, from any events: lines of JSON, words, ends. */
#include <stdlib.h>
#include <string.h>

#include "deployer/controller/solve-view.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Bounded, and JSON that its readers can read. */
static void check_shown(const struct solve_view *v)
{
    enum { SHOWN_MAX = 4 * (SOLVE_VIEW_VALUES_MAX + SOLVE_VIEW_HOSTS_MAX) + 1024 * 1024 };
    json_t *shown = solve_view_json(v), *read;
    char *text = json_dumps(shown, JSON_COMPACT);

    if (!text || strlen(text) > SHOWN_MAX || v->values_size > SOLVE_VIEW_VALUES_MAX ||
        v->hosts_size > SOLVE_VIEW_HOSTS_MAX || json_array_size(v->notes) > SOLVE_VIEW_NOTES_MAX)
        abort();
    read = json_loads(text, 0, NULL);
    if (!read)
        abort();
    json_decref(read);
    json_decref(shown);
    free(text);
}

/* "!" and a status is its end, "#" words of its stderr, all else an event. */
static void take_line(struct solve_view *v, char *line, size_t size)
{
    json_t *event;

    if (*line == '!') {
        solve_view_end(v, atoi(line + 1) & 511, (unsigned char)line[size - 1], 2000);
        return;
    }
    if (*line == '#') {
        solve_view_note(v, line + 1);
        return;
    }
    if (*line == '^') {
        solve_view_stop(v);
        return;
    }
    event = json_loadb(line, size, JSON_REJECT_DUPLICATES, NULL);
    solve_view_hear(v, event);
    json_decref(event);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct solve_view v;
    const char *at = (const char *)data, *end = at + size;

    if (solve_view_init(&v, NULL, 1000) < 0)
        return 0;
    solve_view_add_agent(&v, "a1", "rpi-1");
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t part = (size_t)((newline ? newline : end) - at);
        char *line = malloc(part + 1);

        if (!line)
            abort();
        memcpy(line, at, part);
        line[part] = '\0';
        if (part > 0)
            take_line(&v, line, part);
        free(line);
        at += part + (newline != NULL);
    }
    check_shown(&v);
    solve_view_clear(&v);
    return 0;
}
