#include "line-splitter.h"

#include <string.h>

static void pass_line(struct line_splitter *l)
{
    for (size_t i = 0; i < l->line.size; i++)
        if (l->line.data[i] == '\0')
            l->line.data[i] = '?';
    l->handler(text_str(&l->line), l->arg);
    text_reset(&l->line);
}

/* How many of `size` bytes fit into the line; no UTF-8 character is cut in two. */
static size_t fitting_size(const struct line_splitter *l, const char *bytes, size_t size)
{
    size_t room = LINE_SPLITTER_MAX - l->line.size;

    if (size <= room)
        return size;
    for (size_t back = 0; back < 4 && back <= room; back++)
        if (((unsigned char)bytes[room - back] & 0xc0) != 0x80)
            return room - back;
    return room;
}

void line_splitter_feed(struct line_splitter *l, const void *bytes, size_t size)
{
    const char *at = size > 0 ? bytes : "", *end = at + size; /* no bytes may be at NULL */

    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t whole = (size_t)((newline ? newline : end) - at);
        size_t taken = fitting_size(l, at, whole);

        text_add(&l->line, at, taken);
        at += taken;
        if (taken < whole)
            pass_line(l);
        else if (newline) {
            pass_line(l);
            at++;
        }
    }
}

void line_splitter_end(struct line_splitter *l)
{
    if (l->line.size > 0)
        pass_line(l);
}

void line_splitter_clear(struct line_splitter *l)
{
    text_clear(&l->line);
}
