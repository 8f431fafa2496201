#include "backlog.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void drop_first_line(struct backlog *b)
{
    char **line = &b->lines[++b->first % BACKLOG_LINES];

    b->bytes -= strlen(*line);
    free(TAKE_PTR(*line));
}

static void drop_all_lines(struct backlog *b)
{
    while (b->first < b->last)
        drop_first_line(b);
}

void backlog_clear(struct backlog *b)
{
    drop_all_lines(b);
    *b = (struct backlog){0};
}

/* Cuts a line that is too long, but not in the middle of a character. */
static void cut_line(struct text *t)
{
    static const char more[] = "…";
    size_t size = BACKLOG_LINE_MAX - (sizeof(more) - 1);

    if (t->size <= BACKLOG_LINE_MAX)
        return;
    while (size > 0 && ((unsigned char)t->data[size] & 0xc0) == 0x80)
        size--;
    t->size = size;
    t->data[size] = '\0';
    text_adds(t, more);
}

int backlog_add(struct backlog *b, const char *line)
{
    CLEANUP_TEXT struct text t = TEXT_INIT;
    size_t size;
    char *kept;

    text_add_printable(&t, line);
    cut_line(&t);
    text_adds(&t, "");
    size = t.size;
    kept = text_take(&t);
    if (!kept) {
        drop_all_lines(b);
        b->first = ++b->last;
        return -ENOMEM;
    }
    while (b->first < b->last &&
           (b->last - b->first >= BACKLOG_LINES || b->bytes + size > BACKLOG_BYTES_MAX))
        drop_first_line(b);
    b->lines[++b->last % BACKLOG_LINES] = kept;
    b->bytes += size;
    return 0;
}

const char *backlog_line(const struct backlog *b, uint64_t number)
{
    return number > b->first && number <= b->last ? b->lines[number % BACKLOG_LINES] : NULL;
}
