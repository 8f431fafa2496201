#include "error.h"

#include <stdio.h>
#include <string.h>

/* Cuts at a character's boundary and marks the cut. */
static void mark_cut(char *text, size_t size)
{
    static const char mark[] = "…";
    size_t at = size - sizeof(mark);

    while (at > 0 && ((unsigned char)text[at] & 0xc0) == 0x80)
        at--;
    memcpy(text + at, mark, sizeof(mark));
}

static void append_text(struct error *err, size_t at, const char *format, va_list args)
{
    int n = vsnprintf(err->text + at, sizeof(err->text) - at, format, args);

    if (n < 0)
        err->text[at] = '\0';
    else if ((size_t)n >= sizeof(err->text) - at)
        mark_cut(err->text, sizeof(err->text));
}

int error_set(struct error *err, int code, const char *format, ...)
{
    va_list args;

    if (!err)
        return code;
    err->code = code;
    va_start(args, format);
    append_text(err, 0, format, args);
    va_end(args);
    return code;
}

static void append_words(struct error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void append_words(struct error *err, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    append_text(err, strlen(err->text), format, args);
    va_end(args);
}

int error_sys(struct error *err, int code, const char *format, ...)
{
    va_list args;

    if (!err)
        return code;
    err->code = code;
    va_start(args, format);
    append_text(err, 0, format, args);
    va_end(args);
    append_words(err, ": %s", strerror(-code));
    return code;
}

int error_prefix(struct error *err, const char *format, ...)
{
    char old[ERROR_TEXT_MAX];
    va_list args;

    if (!err)
        return -1;
    memcpy(old, err->text, sizeof(old));
    va_start(args, format);
    append_text(err, 0, format, args);
    va_end(args);
    append_words(err, ": %s", old);
    return err->code;
}
