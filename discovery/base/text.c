#include "text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

void text_clear(struct text *t)
{
    free(t->data);
    *t = TEXT_INIT;
}

void text_wipe(struct text *t)
{
    if (t->data)
        explicit_bzero(t->data, t->room);
    text_clear(t);
}

void text_reset(struct text *t)
{
    t->size = 0;
    t->failed = false;
    if (t->data)
        t->data[0] = '\0';
}

/* Makes room for `more` bytes and a NUL. */
static bool grow_text(struct text *t, size_t more)
{
    size_t need, room;
    char *data;

    if (t->failed)
        return false;
    if (__builtin_add_overflow(t->size, more, &need) || need > SIZE_MAX / 2) {
        t->failed = true;
        return false;
    }
    need++;
    if (need <= t->room)
        return true;
    room = t->room ? t->room : 32;
    while (room < need)
        room *= 2;
    data = realloc(t->data, room);
    if (!data) {
        t->failed = true;
        return false;
    }
    t->data = data;
    t->room = room;
    return true;
}

void text_add(struct text *t, const void *bytes, size_t size)
{
    if (!grow_text(t, size))
        return;
    if (size)
        memcpy(t->data + t->size, bytes, size);
    t->size += size;
    t->data[t->size] = '\0';
}

void text_adds(struct text *t, const char *string)
{
    text_add(t, string, strlen(string));
}

void text_addc(struct text *t, char c)
{
    text_add(t, &c, 1);
}

void text_addf(struct text *t, const char *format, ...)
{
    va_list args, again;
    int n;

    va_start(args, format);
    va_copy(again, args);
    n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0)
        t->failed = true;
    else if (grow_text(t, (size_t)n)) {
        (void)vsnprintf(t->data + t->size, (size_t)n + 1, format, again);
        t->size += (size_t)n;
    }
    va_end(again);
}

int text_error(const struct text *t)
{
    return t->failed ? -ENOMEM : 0;
}

const char *text_str(const struct text *t)
{
    return t->data ? t->data : "";
}

char *text_take(struct text *t)
{
    char *data;

    (void)grow_text(t, 0);
    if (t->failed) {
        text_clear(t);
        return NULL;
    }
    data = t->data;
    data[t->size] = '\0';
    *t = TEXT_INIT;
    return data;
}

void strings_clear(struct strings *s)
{
    for (size_t i = 0; i < s->count; i++)
        free(s->items[i]);
    free(s->items);
    *s = (struct strings){0};
}

int strings_addn(struct strings *s, const char *bytes, size_t size)
{
    /* The array grows at powers of two, as the count shows. */
    if ((s->count & (s->count - 1)) == 0) {
        size_t room = s->count ? s->count * 2 : 1;
        char **items = reallocarray(s->items, room, sizeof(*items));

        if (!items)
            return -ENOMEM;
        s->items = items;
    }
    s->items[s->count] = strndup(bytes, size);
    if (!s->items[s->count])
        return -ENOMEM;
    s->count++;
    return 0;
}

int strings_add(struct strings *s, const char *string)
{
    return strings_addn(s, string, strlen(string));
}

int strings_copy(struct strings *to, const struct strings *from)
{
    CLEANUP_STRINGS struct strings copy = {0};

    for (size_t i = 0; i < from->count; i++) {
        int r = strings_add(&copy, from->items[i]);

        if (r < 0)
            return r;
    }
    strings_clear(to);
    *to = copy;
    copy = (struct strings){0};
    return 0;
}

bool strings_equal(const struct strings *a, const struct strings *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->items[i], b->items[i]) != 0)
            return false;
    return true;
}

bool strings_has(const struct strings *s, const char *string)
{
    for (size_t i = 0; i < s->count; i++)
        if (strcmp(s->items[i], string) == 0)
            return true;
    return false;
}

char *strings_join(const struct strings *s, const char *separator)
{
    CLEANUP_TEXT struct text joined = TEXT_INIT;

    for (size_t i = 0; i < s->count; i++)
        text_addf(&joined, "%s%s", i ? separator : "", s->items[i]);
    return text_take(&joined);
}

size_t utf8_decode(const void *bytes, size_t size, uint32_t *ret_char)
{
    const unsigned char *p = bytes;
    uint32_t c, least;
    size_t length;

    if (size == 0)
        return 0;
    if (p[0] < 0x80) {
        *ret_char = p[0];
        return 1;
    } else if ((p[0] & 0xe0) == 0xc0) {
        length = 2, c = p[0] & 0x1fu, least = 0x80;
    } else if ((p[0] & 0xf0) == 0xe0) {
        length = 3, c = p[0] & 0x0fu, least = 0x800;
    } else if ((p[0] & 0xf8) == 0xf0) {
        length = 4, c = p[0] & 0x07u, least = 0x10000;
    } else
        return 0;
    if (size < length)
        return 0;
    for (size_t i = 1; i < length; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (p[i] & 0x3fu);
    }
    if (c < least || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return 0;
    *ret_char = c;
    return length;
}

bool utf8_valid(const void *bytes, size_t size)
{
    const unsigned char *p = bytes;
    uint32_t c;

    for (size_t n; size > 0; p += n, size -= n) {
        n = utf8_decode(p, size, &c);
        if (n == 0)
            return false;
    }
    return true;
}

size_t text_width(const char *utf8)
{
    size_t width = 0, left = strlen(utf8);
    uint32_t c;

    for (size_t n; left > 0; utf8 += n, left -= n) {
        int w = 1;

        n = utf8_decode(utf8, left, &c);
        if (n == 0)
            n = 1;
        else
            w = wcwidth((wchar_t)c);
        width += w < 0 ? 1 : (size_t)w;
    }
    return width;
}

/* Unicode's explicit bidirectional controls, line and paragraph separators,
 * the byte order mark and the interlinear and tag characters: invisible, or
 * able to make a line read as something else. */
static bool is_deceptive(uint32_t c)
{
    return (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
           (c >= 0x2060 && c <= 0x206f) || c == 0xfeff || (c >= 0xfff9 && c <= 0xfffb) ||
           c >= 0xe0000 || c == 0x61c || c == 0x180e;
}

void text_add_printable(struct text *t, const char *string)
{
    size_t left = strlen(string);
    uint32_t c;

    for (size_t n; left > 0; string += n, left -= n) {
        n = utf8_decode(string, left, &c);
        if (n == 0) {
            n = 1;
            text_addf(t, "\\x%02x", (unsigned char)string[0]);
        } else if (c < 0x20 || c == 0x7f)
            text_addf(t, "\\x%02x", (unsigned)c);
        else if ((c >= 0x80 && c < 0xa0) || is_deceptive(c))
            text_addf(t, "\\u{%x}", (unsigned)c);
        else
            text_add(t, string, n);
    }
}

void text_add_shown(struct text *t, const char *string)
{
    enum { SHOWN_MAX = 80 };
    size_t size = strnlen(string, SHOWN_MAX + 1);
    CLEANUP_FREE char *cut = NULL;

    if (size > SHOWN_MAX)
        for (size = SHOWN_MAX; size > 0 && ((unsigned char)string[size] & 0xc0) == 0x80;)
            size--;
    cut = strndup(string, size);
    if (cut)
        text_add_printable(t, cut);
    if (string[size])
        text_adds(t, "…");
}

static bool is_plain(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("._:/,@+-", c));
}

void text_add_percent(struct text *t, const char *string)
{
    for (; *string; string++) {
        if (is_plain(*string))
            text_addc(t, *string);
        else
            text_addf(t, "%%%02X", (unsigned char)*string);
    }
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

int percent_decode(char *string)
{
    char *to = string;

    for (const char *from = string; *from; from++) {
        int high, low;

        if (*from != '%') {
            *to++ = *from;
            continue;
        }
        high = hex_value(from[1]);
        low = high < 0 ? -1 : hex_value(from[2]);
        if (low < 0 || (high == 0 && low == 0))
            return -EBADMSG;
        *to++ = (char)(high << 4 | low);
        from += 2;
    }
    *to = '\0';
    return 0;
}

bool string_ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);

    return n > m && strcmp(s + n - m, end) == 0;
}

bool string_is_one_of(const char *s, const char *chars, size_t min, size_t max)
{
    size_t n = strspn(s, chars);

    return s[n] == '\0' && n >= min && n <= max;
}
