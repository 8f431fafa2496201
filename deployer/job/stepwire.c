#include "stepwire.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIELDS_MAX = 8 };

static const char *const status_names[] = {
    [STEP_OK] = "ok",         [STEP_CHANGE] = "change",   [STEP_CHANGED] = "changed",
    [STEP_FAILED] = "failed", [STEP_SKIPPED] = "skipped",
};

const char *step_status_name(enum step_status status)
{
    return status_names[status];
}

static bool status_from_name(const char *name, enum step_status *ret)
{
    for (size_t i = 0; i < ARRAY_SIZE(status_names); i++) {
        if (strcmp(name, status_names[i]) == 0) {
            *ret = (enum step_status)i;
            return true;
        }
    }
    return false;
}

void stepwire_init(struct stepwire *w, const char *nonce, uint64_t stream_max,
                   stepwire_handler *handler, void *arg)
{
    *w = (struct stepwire){
        .stream_max = stream_max, .stream_left = stream_max, .handler = handler, .arg = arg};
    (void)snprintf(w->nonce, sizeof(w->nonce), "%s", nonce);
}

void stepwire_clear(struct stepwire *w)
{
    text_clear(&w->line);
}

/* "\tDIGEST" up to STEPWIRE_BUNDLES_MAX times, and nothing else. */
static bool bundles_valid(const char *list)
{
    for (unsigned n = 0; *list; n++) {
        if (n == STEPWIRE_BUNDLES_MAX || *list != '\t' ||
            strspn(list + 1, "0123456789abcdef") != STEPWIRE_BUNDLE_LENGTH)
            return false;
        list += 1 + STEPWIRE_BUNDLE_LENGTH;
    }
    return true;
}

/* True when this line is the hello: "dcop-step 1 NONCE\thave". */
static bool read_hello(struct stepwire *w, const char *line)
{
    static const char prefix[] = "dcop-step 1 ";
    struct stepwire_event event = {.kind = STEPWIRE_HELLO, .name = "", .detail = "", .lines = ""};
    const char *rest;

    if (strncmp(line, prefix, sizeof(prefix) - 1) != 0)
        return false;
    rest = line + sizeof(prefix) - 1;
    if (strncmp(rest, w->nonce, NONCE_LENGTH) != 0)
        return false;
    rest += NONCE_LENGTH;
    if (strncmp(rest, "\twant", 5) == 0 && bundles_valid(rest + 5)) {
        event.wanted = true;
        event.detail = rest + 5 + (rest[5] == '\t');
    } else if (strcmp(rest, "\thave") != 0)
        return false;
    w->greeted = true;
    w->handler(&event, w->arg);
    return true;
}

/* Splits at tabs and decodes each field; what is not UTF-8 after that is
 * replaced, byte by byte.  Missing fields are "". */
static int split_fields(char *line, const char *fields[static FIELDS_MAX])
{
    size_t n = 0;
    char *next = line;

    for (size_t i = 0; i < FIELDS_MAX; i++)
        fields[i] = "";
    while (next && n < FIELDS_MAX) {
        char *field = strsep(&next, "\t");

        if (percent_decode(field) < 0)
            return -EPROTO;
        for (char *c = field; *c;) {
            uint32_t character;
            size_t size = utf8_decode(c, strlen(c), &character);

            if (size == 0)
                *c++ = '?';
            else
                c += size;
        }
        fields[n++] = field;
    }
    return 0;
}

static bool name_valid(const char *name)
{
    return string_is_one_of(name,
                            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.", 1,
                            STEPWIRE_NAME_MAX);
}

static const struct verb {
    const char *word;
    enum stepwire_kind kind;
    unsigned most; /* in a session */
    bool has_name, has_status;
} verbs[] = {
    {"check", STEPWIRE_CHECK, STEPWIRE_STEPS_MAX, true, true},
    {"start", STEPWIRE_START, STEPWIRE_STEPS_MAX, true, false},
    {"result", STEPWIRE_RESULT, STEPWIRE_STEPS_MAX, true, true},
    {"fact", STEPWIRE_FACT, STEPWIRE_FACTS_MAX, true, false},
    {"plan", STEPWIRE_PLAN, STEPWIRE_OTHERS_MAX, false, false},
    {"busy", STEPWIRE_BUSY, STEPWIRE_OTHERS_MAX, false, false},
    {"refused", STEPWIRE_REFUSED, STEPWIRE_OTHERS_MAX, false, false},
    {"end", STEPWIRE_END, 1, false, true},
    {"diff", STEPWIRE_DIFF, STEPWIRE_DIFFS_MAX, true, false},
    {"note", STEPWIRE_NOTE, STEPWIRE_NOTES_MAX, false, false},
    {"want", STEPWIRE_WANT, STEPWIRE_OTHERS_MAX, true, false},
    {"stream", STEPWIRE_STREAM, 1, false, false},
    {"alive", STEPWIRE_ALIVE, STEPWIRE_EVENTS_MAX, false, false},
};

static int parse_plan(const char *field, unsigned *ret)
{
    char *end;
    unsigned long number = strtoul(field, &end, 10);

    if (end == field || *end || number > STEPWIRE_STEPS_MAX)
        return -EPROTO;
    *ret = (unsigned)number;
    return 0;
}

/* Fills the event from the fields behind the verb. */
static int parse_fields(const struct verb *verb, const char *const *fields,
                        struct stepwire_event *event)
{
    if (verb->kind == STEPWIRE_PLAN)
        return parse_plan(fields[0], &event->number);
    if (verb->has_name) {
        event->name = *fields++;
        if (!name_valid(event->name))
            return -EPROTO;
    }
    if (verb->has_status) {
        const char *word = *fields++;

        if (strcmp(word, "changes") == 0)
            word = "change";
        if (!status_from_name(word, &event->status))
            return -EPROTO;
    }
    event->detail = *fields++;
    event->lines = *fields;
    return 0;
}

static int fail_endless(const char *what, uint64_t most, struct error *err)
{
    return error_set(err, -EPROTO,
                     "the machine sent more than %" PRIu64 " %s, which no run of ours does; look "
                     "at what runs there",
                     most, what);
}

/* Counts it; fails when it is one too many of its kind. */
static int count_event(struct stepwire *w, const struct verb *verb, struct error *err)
{
    char what[40];

    if (verb->kind == STEPWIRE_STREAM && w->stream_left == 0)
        return error_set(err, -EPROTO, "the machine sent output that nobody asked for");
    if (w->counts[verb->kind]++ < verb->most)
        return 0;
    (void)snprintf(what, sizeof(what), "'%s' events", verb->word);
    return fail_endless(what, verb->most, err);
}

static int parse_line(struct stepwire *w, char *line, struct error *err)
{
    struct stepwire_event event = {.name = "", .detail = "", .lines = ""};
    const char *fields[FIELDS_MAX];
    int r;

    if (!w->greeted) {
        (void)read_hello(w, line);
        return 0;
    }
    if (w->events++ >= STEPWIRE_EVENTS_MAX)
        return fail_endless("events", STEPWIRE_EVENTS_MAX, err);
    if (w->ended)
        return 0;
    if (split_fields(line, fields) < 0)
        return error_set(err, -EPROTO, "the machine sent an event that cannot be decoded");
    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
        if (strcmp(fields[0], verbs[i].word) != 0)
            continue;
        event.kind = verbs[i].kind;
        if (parse_fields(&verbs[i], fields + 1, &event) < 0)
            return error_set(err, -EPROTO, "the machine sent a broken '%s' event", verbs[i].word);
        r = count_event(w, &verbs[i], err);
        if (r < 0)
            return r;
        if (event.kind == STEPWIRE_END)
            w->ended = true;
        if (event.kind == STEPWIRE_STREAM)
            w->streaming = true;
        w->handler(&event, w->arg);
        return 0;
    }
    return 0;
}

static int pass_stream_on(struct stepwire *w, const void *bytes, size_t size, struct error *err)
{
    struct stepwire_event event = {.kind = STEPWIRE_STREAM,
                                   .name = "",
                                   .detail = "",
                                   .lines = "",
                                   .bytes = bytes,
                                   .size = size};

    if (size > w->stream_left)
        return fail_endless("bytes of output", w->stream_max, err);
    if (w->stream_max != STEPWIRE_STREAM_ENDLESS)
        w->stream_left -= size;
    w->handler(&event, w->arg);
    return 0;
}

int stepwire_feed(struct stepwire *w, const void *bytes, size_t size, struct error *err)
{
    const char *at = bytes, *end = at + size;

    if (!w->greeted) {
        w->noise += size;
        if (w->noise > STEPWIRE_NOISE_MAX)
            return error_set(err, -EPROTO,
                             "the login shell there prints more than %d KiB before it runs a "
                             "command: silence its profile (~/.bashrc, or the shell's own) for "
                             "logins without a terminal",
                             STEPWIRE_NOISE_MAX / 1024);
    }
    while (at < end) {
        const char *newline, *stop;
        int r;

        if (w->streaming)
            return pass_stream_on(w, at, (size_t)(end - at), err);
        newline = memchr(at, '\n', (size_t)(end - at));
        stop = newline ? newline : end;
        w->bytes += w->greeted ? (uint64_t)(stop - at) + 1 : 0;
        if (w->bytes > STEPWIRE_BYTES_MAX)
            return fail_endless("bytes of events", STEPWIRE_BYTES_MAX, err);
        if (w->line.size + (size_t)(stop - at) > STEPWIRE_LINE_MAX) {
            if (w->greeted)
                return error_set(err, -EPROTO, "the machine sent an event that is too long");
            text_reset(&w->line); /* noise; its tail cannot be a hello */
            at = stop;
        }
        text_add(&w->line, at, (size_t)(stop - at));
        at = newline ? newline + 1 : end;
        if (!newline)
            break;
        if (text_error(&w->line) < 0)
            return error_sys(err, -ENOMEM, "cannot read the machine's events");
        if (w->line.data && !memchr(w->line.data, '\0', w->line.size)) {
            r = parse_line(w, w->line.data, err);
            if (r < 0)
                return r;
        }
        text_reset(&w->line);
    }
    return 0;
}
