#include "input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "directives.h"

enum {
    TABS_MAX = 1 << 20,
    LOOK_BACK = 4 /* bytes in front of the checked ones that stay in the buffer */
};

struct yaml_input_file {
    char *name;
    struct yaml_mark start;
    bool bom;
};

/* A tab, or a "#" on a line that has a tab or an `after_header`. */
struct yaml_tab {
    struct yaml_mark mark;
    bool hash;
    bool after_header; /* a "#" that touches what may be a block scalar's header */
};

static const char *name_shown(const char *path)
{
    return strcmp(path, "-") == 0 ? "standard input" : path;
}

static int add_file(struct yaml_input *in, const char *name)
{
    in->files[in->count].name = strdup(name);
    if (!in->files[in->count].name)
        return -ENOMEM;
    in->count++;
    return 0;
}

static int open_common(struct yaml_input *in, size_t files)
{
    *in = (struct yaml_input){.fd = -1};
    in->buffer = malloc(YAML_INPUT_CHUNK);
    in->files = calloc(files ? files : 1, sizeof(*in->files));
    return in->buffer && in->files ? 0 : -ENOMEM;
}

int yaml_input_open(struct yaml_input *in, const struct strings *paths)
{
    int r = open_common(in, paths->count);

    for (size_t i = 0; r == 0 && i < paths->count; i++)
        r = add_file(in, paths->items[i]);
    if (r < 0)
        yaml_input_close(in);
    return r;
}

int yaml_input_open_memory(struct yaml_input *in, const char *name, const void *data, size_t size)
{
    int r = open_common(in, 1);

    if (r == 0)
        r = add_file(in, name);
    if (r < 0)
        yaml_input_close(in);
    in->memory = data ? data : "";
    in->memory_left = size;
    return r;
}

void yaml_input_close(struct yaml_input *in)
{
    for (size_t i = 0; i < in->count; i++)
        free(in->files[i].name);
    free(in->files);
    free(in->buffer);
    free(in->tabs);
    if (in->fd > STDIN_FILENO)
        close(in->fd);
    *in = (struct yaml_input){.fd = -1};
}

/* Finds the file that holds the place, and the place in it, counted from 1. */
static const char *locate_mark(const struct yaml_input *in, struct yaml_mark at, size_t *ret_line,
                               size_t *ret_column)
{
    const struct yaml_input_file *f = in->files;

    for (size_t i = 1; i < in->opened; i++)
        if (in->files[i].start.index <= at.index)
            f = &in->files[i];
    *ret_line = at.line - f->start.line + 1u;
    *ret_column = at.column + 1u;
    if (at.line == f->start.line) {
        *ret_column -= f->start.column;
        if (f->bom && *ret_column > 1)
            --*ret_column;
    }
    return name_shown(f->name);
}

void yaml_input_place(const struct yaml_input *in, struct yaml_mark at, struct text *ret)
{
    size_t line, column;
    const char *name = locate_mark(in, at, &line, &column);

    text_addf(ret, "%s:%zu:%zu", name, line, column);
}

/* The file whose last line continues in the next file at this place.
 * Without this hint a person who looks at one file only would not
 * understand the error. */
static const char *runs_on(const struct yaml_input *in, struct yaml_mark at)
{
    for (size_t i = 1; i < in->opened; i++)
        if (in->files[i].start.line == at.line && in->files[i].start.column > 0)
            return in->files[i - 1].name;
    return NULL;
}

int yaml_input_error(const struct yaml_input *in, struct yaml_mark at, struct error *err, int code,
                     const char *format, va_list args)
{
    CLEANUP_TEXT struct text place = TEXT_INIT;
    char words[ERROR_TEXT_MAX];
    const char *before = runs_on(in, at);

    yaml_input_place(in, at, &place);
    (void)vsnprintf(words, sizeof(words), format, args);
    if (before)
        return error_set(err, code,
                         "%s: %s (%s does not end with a newline, so its last line continues here)",
                         text_str(&place), words, before);
    return error_set(err, code, "%s: %s", text_str(&place), words);
}

int yaml_input_fail(const struct yaml_input *in, struct yaml_mark at, struct error *err,
                    const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)yaml_input_error(in, at, err, -EBADMSG, format, args);
    va_end(args);
    return -EBADMSG;
}

static int fail_here(struct yaml_input *in, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static int fail_here(struct yaml_input *in, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)yaml_input_error(in, in->mark, &in->err, -EBADMSG, format, args);
    va_end(args);
    return -EBADMSG;
}

static void pass_newline(struct yaml_input *in, uint32_t characters)
{
    in->mark.index += characters;
    in->mark.line++;
    in->mark.column = 0;
    /* A "#" matters where there is a tab behind it. */
    if (!in->keep_line)
        in->tabs_count = in->tabs_line > in->tabs_head ? in->tabs_line : in->tabs_head;
    in->tabs_line = in->tabs_count;
    in->keep_line = false;
}

static void pass_characters(struct yaml_input *in, size_t n)
{
    in->mark.index += (uint32_t)n;
    in->mark.column += (uint32_t)n;
}

/* Whether "|", ">", "|-", ">2+" and the like end before `p`. */
static bool is_after_header(const struct yaml_input *in, const char *p)
{
    const char *q = p;

    while (q > in->buffer && p - q < 2 && q[-1] && strchr("+-123456789", q[-1]))
        q--;
    if (q == in->buffer || (q[-1] != '|' && q[-1] != '>'))
        return false;
    q--;
    return q == in->buffer || (unsigned char)q[-1] <= ' ' || (unsigned char)q[-1] >= 0x80;
}

static int note_tab(struct yaml_input *in, const char *p)
{
    bool hash = *p == '#', after_header = hash && is_after_header(in, p);

    if (in->tabs_head == in->tabs_count)
        in->tabs_head = in->tabs_count = in->tabs_line = 0;
    if (in->tabs_count == in->tabs_room) {
        size_t room = in->tabs_room ? in->tabs_room * 2 : 64;
        struct yaml_tab *tabs;

        if (room > TABS_MAX)
            return fail_here(in, "more than %d tabs in one text", TABS_MAX);
        tabs = reallocarray(in->tabs, room, sizeof(*tabs));
        if (!tabs)
            return fail_here(in, "not enough memory");
        in->tabs = tabs;
        in->tabs_room = room;
    }
    in->tabs[in->tabs_count++] =
        (struct yaml_tab){.mark = in->mark, .hash = hash, .after_header = after_header};
    in->keep_line |= !hash || after_header;
    return 0;
}

/* Bytes from 0x20 to 0x7e other than "#", eight at a time. */
static size_t span_ordinary(const char *p, size_t size)
{
    const uint64_t ones = 0x0101010101010101u, high = 0x8080808080808080u;
    size_t n = 0;

    for (; size - n >= 8; n += 8) {
        uint64_t w, hash;

        memcpy(&w, p + n, sizeof(w));
        hash = w ^ ones * '#';
        /* The first term finds bytes below 0x20, the second 0x7f, the third
         * "#", the last what is not ASCII; false alarms only above a hit. */
        if (((w - ones * 0x20) | (w + ones) | (hash - ones) | w) & high)
            break;
    }
    while (n < size && p[n] >= 0x20 && p[n] < 0x7f && p[n] != '#')
        n++;
    return n;
}

/* Whether the file seems to be UTF-16, at a byte that cannot be UTF-8 text:
 * half of a byte order mark, or of an ASCII character. */
static bool is_utf16(const struct yaml_input *in, unsigned char byte)
{
    uint32_t place = in->mark.index - in->files[in->current].start.index;

    return ((byte == 0xff || byte == 0xfe) && place == 0) || (byte == 0 && place <= 1);
}

static int fail_byte(struct yaml_input *in, unsigned char byte)
{
    if (is_utf16(in, byte))
        return yaml_input_fail(in, in->files[in->current].start, &in->err,
                               "this file is in UTF-16; save it as UTF-8");
    if (byte >= 0x80)
        return fail_here(in, "the byte 0x%02x is not UTF-8; save the file as UTF-8", byte);
    return fail_here(in, "the character U+%04X is not allowed in YAML", (unsigned)byte);
}

static size_t utf8_length(unsigned char lead)
{
    return lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
}

/* Checks one character outside ASCII; *ret_size 0: its remaining bytes are
 * missing. */
static int check_wide(struct yaml_input *in, char *p, size_t size, size_t *ret_size)
{
    unsigned char lead = (unsigned char)*p;
    uint32_t c;
    size_t n = utf8_decode(p, size, &c);

    *ret_size = n;
    if (n == 0 && size < utf8_length(lead) && lead >= 0xc2 && lead <= 0xf4)
        return 0;
    if (n == 0)
        return fail_byte(in, lead);
    if ((c >= 0x80 && c < 0xa0 && c != 0x85) || c == 0xfffe || c == 0xffff)
        return fail_here(in, "the character U+%04X is not allowed in YAML", (unsigned)c);
    if (c == 0x85 || c == 0x2028 || c == 0x2029) {
        pass_newline(in, 1);
        return 0;
    }
    if (c == 0xfeff && in->mark.index == 0 && !in->bom_dropped) {
        in->bom_dropped = true;
        in->given += n;
        return 0;
    }
    if (c == 0xfeff && in->mark.column == 0) {
        memcpy(p, YAML_BOM_STANDIN, 3);
        in->bom_replaced = true;
    }
    if (c == 0xfeff && in->mark.index == in->files[in->current].start.index)
        in->files[in->current].bom = true;
    pass_characters(in, 1);
    return 0;
}

/* Checks one character that is not ordinary ASCII. */
static int check_special(struct yaml_input *in, char *p, size_t size, size_t *ret_size)
{
    int r = 0;

    *ret_size = 1;
    if (*p == '\n')
        pass_newline(in, 1);
    else if (*p == '\r' && size == 1)
        *ret_size = 0;
    else if (*p == '\r') {
        *ret_size = p[1] == '\n' ? 2 : 1;
        pass_newline(in, (uint32_t)*ret_size);
    } else if (*p == '\t' || *p == '#') {
        if (*p == '\t' || !in->after_hash)
            r = note_tab(in, p);
        pass_characters(in, 1);
    } else if ((unsigned char)*p >= 0x80)
        return check_wide(in, p, size, ret_size);
    else
        return fail_byte(in, (unsigned char)*p);
    in->after_hash = *p == '#';
    return r;
}

/* A directive begins.  1: checked and, unless libyaml has to see it, made a
 * comment; 0: more of the line is needed. */
static int hide_directive(struct yaml_input *in, char *p, size_t size)
{
    const char *words = "a second %YAML line; remove it";
    enum yaml_directive kind = yaml_directive_parse(p, size, in->file_ended, &words);

    if (kind == YAML_DIRECTIVE_CUT)
        return 0;
    if (kind == YAML_DIRECTIVE_WRONG || (kind == YAML_DIRECTIVE_VERSION && in->version_seen))
        return fail_here(in, "%s", words);
    in->version_seen |= kind == YAML_DIRECTIVE_VERSION;
    in->line_known = in->mark.line + 1;
    if (kind == YAML_DIRECTIVE_TAG)
        return 1;
    *p = '#';
    if (!in->directive_hidden)
        in->directive = in->mark;
    in->directive_hidden = true;
    return 1;
}

/* Looks for directives and for the end of the lines that may be one.  Results
 * as above; *ret_span is the number of ordinary bytes. */
static int look_above_document(struct yaml_input *in, char *p, size_t size, size_t *ret_span)
{
    bool known = in->line_known == in->mark.line + 1;
    bool is_bom = in->mark.index == 0 && !in->bom_dropped && (unsigned char)*p == 0xef;
    int r = 1;

    if (!known && *p == '%' && in->mark.column == 0)
        r = hide_directive(in, p, size);
    else if (!known && *p == '#')
        in->line_known = in->mark.line + 1;
    else if (!known && *p != ' ' && *p != '\n' && *p != '\r' && !is_bom)
        in->in_document = true;
    *ret_span = !known && *p == ' ' ? 1 : span_ordinary(p, size);
    return r;
}

/* Checks the bytes that were read, up to a character that is not
 * complete yet. */
static int check_filled(struct yaml_input *in)
{
    while (in->checked < in->filled) {
        char *p = in->buffer + in->checked;
        size_t size = in->filled - in->checked, n;
        int r = 1;

        if (in->in_document)
            n = span_ordinary(p, size);
        else
            r = look_above_document(in, p, size, &n);
        if (r <= 0)
            return r;
        if (n > 0) {
            in->after_hash = false;
            pass_characters(in, n);
        } else {
            r = check_special(in, p, size, &n);
            if (r < 0)
                return r;
            if (n == 0)
                break;
        }
        in->checked += n;
    }
    return 0;
}

/* The file has ended inside a character, or after a carriage return: Python
 * reads that as a newline, whatever the next file begins with. */
static int check_end_of_file(struct yaml_input *in)
{
    int r;

    in->file_ended = true;
    r = check_filled(in);
    in->file_ended = false;
    if (r < 0 || in->checked == in->filled)
        return r;
    if (in->buffer[in->checked] != '\r')
        return fail_here(in, "the file ends inside a UTF-8 character; save it as UTF-8");
    in->buffer[in->checked] = '\n';
    return check_filled(in);
}

static int open_next(struct yaml_input *in)
{
    struct yaml_input_file *f = &in->files[in->current];

    f->start = in->mark;
    in->opened = in->current + 1;
    if (in->memory || strcmp(f->name, "-") == 0)
        in->fd = STDIN_FILENO;
    else
        in->fd = open(f->name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (in->fd < 0)
        return error_sys(&in->err, -errno, "cannot open %s", f->name);
    return 0;
}

static int read_some(struct yaml_input *in, size_t *ret_size)
{
    size_t room = YAML_INPUT_CHUNK - in->filled;
    ssize_t n;

    if (in->memory) {
        n = (ssize_t)(in->memory_left < room ? in->memory_left : room);
        memcpy(in->buffer + in->filled, in->memory, (size_t)n);
        in->memory += n;
        in->memory_left -= (size_t)n;
    } else {
        do
            n = read(in->fd, in->buffer + in->filled, room);
        while (n < 0 && errno == EINTR);
    }
    if (n < 0)
        return error_sys(&in->err, -errno, "cannot read %s",
                         name_shown(in->files[in->current].name));
    *ret_size = (size_t)n;
    return 0;
}

/* Makes more checked bytes available; none at the end of the last file. */
static int refill_buffer(struct yaml_input *in)
{
    size_t back = in->checked < LOOK_BACK ? in->checked : LOOK_BACK;
    size_t tail = in->filled - in->checked, n = 0;
    int r;

    memmove(in->buffer, in->buffer + in->checked - back, back + tail);
    in->given = in->checked = back;
    in->filled = back + tail;
    while (in->checked == in->given && in->current < in->count) {
        if (in->fd < 0 && (r = open_next(in)) < 0)
            return r;
        r = read_some(in, &n);
        if (r < 0)
            return r;
        in->filled += n;
        in->total += n;
        if (in->total > YAML_INPUT_MAX)
            return error_set(&in->err, -EFBIG, "%s: more than %d MiB (all files together)",
                             name_shown(in->files[in->current].name), YAML_INPUT_MAX >> 20);
        r = n > 0 ? check_filled(in) : check_end_of_file(in);
        if (r < 0)
            return r;
        if (n == 0) {
            if (in->fd > STDIN_FILENO)
                close(in->fd);
            in->fd = -1;
            in->current++;
        }
    }
    return 0;
}

int yaml_input_read(struct yaml_input *in, void *to, size_t room, size_t *ret_size)
{
    size_t n;

    if (in->given == in->checked) {
        int r = refill_buffer(in);

        if (r < 0)
            return r;
    }
    n = in->checked - in->given;
    if (n > room)
        n = room;
    memcpy(to, in->buffer + in->given, n);
    in->given += n;
    *ret_size = n;
    return 0;
}

int yaml_input_pass(struct yaml_input *in, uint32_t to, enum yaml_between what, struct error *err)
{
    for (; in->tabs_head < in->tabs_count; in->tabs_head++) {
        const struct yaml_tab *t = &in->tabs[in->tabs_head];

        if (t->mark.index >= to)
            break;
        if (what == YAML_BETWEEN_QUOTES || (what == YAML_BETWEEN_WORDS && t->hash))
            continue;
        if (t->hash)
            in->comment_line = t->mark.line + 1;
        else if (what == YAML_BETWEEN_WORDS || in->comment_line != t->mark.line + 1)
            return yaml_input_fail(
                in, t->mark, err,
                "a tab, which YAML allows in quotes and comments only; use spaces");
    }
    return 0;
}

uint32_t yaml_input_line_end(const struct yaml_input *in, uint32_t line, uint32_t least)
{
    for (size_t i = in->tabs_head; i < in->tabs_count && in->tabs[i].mark.line <= line; i++)
        if (in->tabs[i].mark.line == line && in->tabs[i].mark.index >= least)
            least = in->tabs[i].mark.index + 1;
    return least;
}

bool yaml_input_is_tab(const struct yaml_input *in, struct yaml_mark at)
{
    for (size_t i = in->tabs_head; i < in->tabs_count && in->tabs[i].mark.index <= at.index; i++)
        if (in->tabs[i].mark.index == at.index)
            return !in->tabs[i].hash;
    return false;
}

bool yaml_input_header_hash(const struct yaml_input *in, struct yaml_mark header,
                            struct yaml_mark *ret)
{
    for (size_t i = in->tabs_head; i < in->tabs_count; i++) {
        const struct yaml_tab *t = &in->tabs[i];

        if (t->mark.line > header.line || t->mark.index > header.index + 3)
            break;
        if (t->after_header && t->mark.index > header.index) {
            *ret = t->mark;
            return true;
        }
    }
    return false;
}

const char *yaml_input_hidden_key(const struct yaml_input *in)
{
    for (size_t i = 0; i < in->opened; i++)
        if (in->files[i].bom)
            return name_shown(in->files[i].name);
    return NULL;
}
