#include "settings.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "discovery/advert/advert.h"
#include "discovery/base/clock.h"
#include "discovery/base/file.h"
#include "discovery/base/options.h"

void settings_clear(struct settings *s)
{
    strings_clear(&s->agents);
    strings_clear(&s->errors);
    free(s->fleet);
    free(s->user);
    *s = SETTINGS_INIT;
}

/* "'VALUE' is not …", escaped and short: the message goes into the advert and
 * to terminals. */
static int refuse_value(struct error *err, const char *value, const char *wanted)
{
    enum { SHOWN_MAX = 40 };
    CLEANUP_TEXT struct text shown = TEXT_INIT;

    text_add_printable(&shown, value);
    if (shown.size > SHOWN_MAX)
        return error_set(err, -EINVAL, "this is not %s", wanted);
    return error_set(err, -EINVAL, "'%s' is not %s", text_str(&shown), wanted);
}

static int set_string(char **field, const char *value, struct error *err)
{
    char *copy = strdup(value);

    if (!copy)
        return error_sys(err, -ENOMEM, "cannot store the settings");
    free(*field);
    *field = copy;
    return 0;
}

static int set_agent(struct settings *s, const char *value, struct error *err)
{
    if (!advert_agent_valid(value, strlen(value)))
        return refuse_value(err, value, "an agent name (1 to 246 bytes of UTF-8)");
    if (strings_has(&s->agents, value))
        return refuse_value(err, value, "unique: the name is given twice");
    if (s->agents.count >= ADVERT_AGENTS_MAX)
        return error_set(err, -EINVAL, "more than %d agent names", ADVERT_AGENTS_MAX);
    if (strings_add(&s->agents, value) < 0)
        return error_sys(err, -ENOMEM, "cannot store the settings");
    return 0;
}

int settings_set(struct settings *s, const char *key, const char *value, struct error *err)
{
    long port;
    int r;

    if (strcmp(key, "agent") == 0)
        return set_agent(s, value, err);
    if (strcmp(key, "fleet") == 0)
        return advert_fleet_valid(value)
                   ? set_string(&s->fleet, value, err)
                   : refuse_value(err, value, "a fleet name (2 to 62 of a-z, 0-9 and -)");
    if (strcmp(key, "user") == 0)
        return advert_user_valid(value) ? set_string(&s->user, value, err)
                                        : refuse_value(err, value, "a user name");
    if (strcmp(key, "port") == 0) {
        r = parse_number(value, 1, 65535, &port, NULL);
        if (r < 0)
            return refuse_value(err, value, "a port (1 to 65535)");
        s->port = (unsigned)port;
        return 0;
    }
    return refuse_value(err, key, "a setting (agent, fleet, user, port)");
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* Removes the quotes and escapes in place. */
static int unquote_value(char *value, struct error *err)
{
    char *to = value, *from = value + 1;

    for (; *from != '"'; from++) {
        if (*from == '\\' && (from[1] == '\\' || from[1] == '"'))
            from++;
        else if (*from == '\\')
            return error_set(err, -EINVAL, "only \\\\ and \\\" may follow a backslash in quotes");
        if (*from == '\0')
            return error_set(err, -EINVAL, "the closing quote is missing");
        *to++ = *from;
    }
    if (from[1] != '\0')
        return error_set(err, -EINVAL, "text follows the closing quote");
    *to = '\0';
    return 0;
}

/* One line without its newline; changed in place. */
static int parse_line(struct settings *s, char *line, struct error *err)
{
    char *end = line + strlen(line), *value;
    int r;

    while (end > line && is_blank(end[-1]))
        *--end = '\0';
    while (is_blank(*line))
        line++;
    if (*line == '\0' || *line == '#')
        return 0;
    value = line + strcspn(line, " \t");
    while (is_blank(*value))
        *value++ = '\0';
    if (*value == '\0')
        return error_set(err, -EINVAL, "the value is missing: write 'key value'");
    if (*value == '"') {
        r = unquote_value(value, err);
        if (r < 0)
            return r;
    }
    return settings_set(s, line, value, err);
}

static int note_error(struct strings *errors, const char *name, unsigned line,
                      const struct error *err)
{
    struct error words;

    if (errors->count >= SETTINGS_ERRORS_MAX)
        return 0;
    error_set(&words, -EINVAL, "%s:%u: %s", name, line, err->text);
    return strings_add(errors, words.text);
}

static int parse_lines(struct settings *s, char *text, const char *name)
{
    struct error err;
    unsigned line = 1;
    char *newline;
    int r;

    for (; text; text = newline ? newline + 1 : NULL, line++) {
        newline = strchr(text, '\n');
        if (newline)
            *newline = '\0';
        r = parse_line(s, text, &err);
        if (r == -EINVAL)
            r = note_error(&s->errors, name, line, &err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* The number of the first line that is not UTF-8 text; 0: all lines are. */
static unsigned find_line_not_utf8(const char *text, size_t size)
{
    unsigned line = 1;

    while (size > 0) {
        uint32_t c;
        size_t n = utf8_decode(text, size, &c);

        if (n == 0 || c == 0)
            return line;
        if (c == '\n')
            line++;
        text += n;
        size -= n;
    }
    return 0;
}

int settings_parse(const char *text, size_t size, const char *name, bool whole,
                   struct settings *ret, struct error *err)
{
    static const char mark[] = "\xef\xbb\xbf"; /* U+FEFF, which Windows puts in front */
    CLEANUP(settings_clear) struct settings s = SETTINGS_INIT;
    CLEANUP_FREE char *copy = NULL;
    unsigned line;

    if (size > SETTINGS_FILE_MAX)
        return error_set(err, -EBADMSG, "%s:1: larger than %d bytes", name, SETTINGS_FILE_MAX);
    line = find_line_not_utf8(text, size);
    if (line > 0)
        return error_set(err, -EBADMSG, "%s:%u: not UTF-8 text: save it as UTF-8", name, line);
    if (whole && size > 0 && text[size - 1] != '\n') {
        line = 1;
        for (size_t i = 0; i < size; i++)
            line += text[i] == '\n';
        return error_set(
            err, -EBADMSG,
            "%s:%u: the last line does not end with a newline: is the file half-written?", name,
            line);
    }
    if (size >= sizeof(mark) - 1 && memcmp(text, mark, sizeof(mark) - 1) == 0) {
        text += sizeof(mark) - 1;
        size -= sizeof(mark) - 1;
    }
    copy = strndup(text, size);
    if (!copy || parse_lines(&s, copy, name) < 0)
        return error_sys(err, -ENOMEM, "cannot read %s", name);
    *ret = s;
    s = SETTINGS_INIT;
    return 0;
}

void settings_file_clear(struct settings_file *f)
{
    settings_clear(&f->last);
    free(f->path);
    free(f->trouble);
    *f = (struct settings_file){0};
}

/* Has nobody written to it for some time?  By its own time, or, as a machine's clock may be
 * wrong at first, by what was seen of it. */
static bool is_still(const struct stat *st, size_t size, struct settings_stamp *stamp)
{
    int64_t now = clock_ms(CLOCK_MONOTONIC);
    int64_t changed = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;

    if (clock_ms(CLOCK_REALTIME) - changed / 1000000 >= SETTINGS_STILL_MS)
        return true;
    if (stamp->seen_ms == 0 || stamp->changed_ns != changed || stamp->size != size)
        *stamp = (struct settings_stamp){.changed_ns = changed, .size = size, .seen_ms = now};
    return now - stamp->seen_ms >= SETTINGS_STILL_MS;
}

/* 0 with `present` false when there is no such file. */
static int read_text(const char *path, struct text *ret, struct stat *ret_st, bool *present,
                     struct error *err)
{
    struct stat st;

    *present = true;
    if (stat(path, &st) < 0) {
        if (errno == ENOENT || errno == ENOTDIR) {
            *present = false;
            return 0;
        }
        return error_sys(err, -errno, "cannot read %s", path);
    }
    if (!S_ISREG(st.st_mode)) /* a pipe would block the beacon for ever */
        return error_set(err, -EINVAL, "%s is not a file", path);
    *ret_st = st;
    return file_read(path, SETTINGS_FILE_MAX, ret, err);
}

int settings_file_read(struct settings_file *f)
{
    CLEANUP_TEXT struct text text = TEXT_INIT;
    struct settings s;
    struct error err = {0};
    struct stat st = {0};
    bool present;
    int r;

    r = read_text(f->path, &text, &st, &present, &err);
    f->unfinished = r == 0 && present && f->whole && text.size > 0 &&
                    text.data[text.size - 1] != '\n' && !is_still(&st, text.size, &f->stamp);
    if (r == 0 && present)
        r = settings_parse(text_str(&text), text.size, f->path, f->unfinished, &s, &err);
    free(TAKE_PTR(f->trouble));
    if (r < 0) {
        f->trouble = strdup(err.text);
        return r == -ENOMEM || !f->trouble ? -ENOMEM : 0;
    }
    settings_clear(&f->last);
    if (present)
        f->last = s;
    f->present = present;
    return 0;
}

static int merge_source(struct settings *to, const struct settings *from)
{
    if (!to->fleet && from->fleet && !(to->fleet = strdup(from->fleet)))
        return -ENOMEM;
    if (!to->user && from->user && !(to->user = strdup(from->user)))
        return -ENOMEM;
    if (to->port == 0)
        to->port = from->port;
    for (size_t i = 0; i < from->errors.count; i++)
        if (strings_add(&to->errors, from->errors.items[i]) < 0)
            return -ENOMEM;
    return 0;
}

int settings_merge(const struct settings *options, const struct settings_file *files, size_t count,
                   struct settings *ret)
{
    CLEANUP(settings_clear) struct settings s = SETTINGS_INIT;
    bool named = options->agents.count > 0;
    int r;

    r = merge_source(&s, options);
    if (r == 0 && named)
        r = strings_copy(&s.agents, &options->agents);
    for (size_t i = 0; i < count && r == 0; i++) {
        const struct settings_file *f = &files[i];

        if (f->trouble)
            r = strings_add(&s.errors, f->trouble);
        if (r == 0 && f->present)
            r = merge_source(&s, &f->last);
        if (r == 0 && f->present && !named) {
            named = true;
            r = strings_copy(&s.agents, &f->last.agents);
        }
    }
    if (r < 0)
        return -ENOMEM;
    *ret = s;
    s = SETTINGS_INIT;
    return 0;
}
