/*
 * Text: a growing string, a list of strings, and the UTF-8 functions that all
 * modules need.
 *
 * A struct text is a value: text_init (or TEXT_INIT), text_clear.  Its bytes are
 * always NUL-terminated and may hold NULs inside.  When memory runs out, the
 * text is marked as failed; later calls do nothing and text_error() reports it,
 * so that a writer checks once, at the end.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"

struct text {
    char *data;  /* NULL until something was added; see text_str */
    size_t size; /* bytes, without the NUL */
    size_t room;
    bool failed;
};

#define TEXT_INIT ((struct text){0})
#define CLEANUP_TEXT CLEANUP(text_clear)

void text_clear(struct text *t);
void text_wipe(struct text *t);  /* the same, for a secret: overwritten first (but for what
                                    realloc(3) may have left) */
void text_reset(struct text *t); /* empty again, memory kept */
void text_add(struct text *t, const void *bytes, size_t size);
void text_adds(struct text *t, const char *string);
void text_addc(struct text *t, char c);
void text_addf(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* 0, or -ENOMEM when an addition was lost. */
int text_error(const struct text *t);

/* The bytes, "" when empty; valid until the next change. */
const char *text_str(const struct text *t);

/* Hands the string over (caller frees); NULL when an addition was lost. */
char *text_take(struct text *t);

/* A list of strings that it owns. */
struct strings {
    char **items;
    size_t count;
};

#define CLEANUP_STRINGS CLEANUP(strings_clear)

void strings_clear(struct strings *s);
int strings_add(struct strings *s, const char *string);              /* 0 or -ENOMEM */
int strings_addn(struct strings *s, const char *bytes, size_t size); /* as above */
int strings_copy(struct strings *to, const struct strings *from);    /* replaces `to` */
bool strings_equal(const struct strings *a, const struct strings *b);
bool strings_has(const struct strings *s, const char *string);

/* All strings, joined with the separator; the caller frees it.  NULL without
 * memory. */
char *strings_join(const struct strings *s, const char *separator);

/* Decodes one character (RFC 3629: no overlong forms, no surrogates).
 * Returns its length in bytes, or 0 when the bytes are not UTF-8. */
size_t utf8_decode(const void *bytes, size_t size, uint32_t *ret_char);
bool utf8_valid(const void *bytes, size_t size);

/* Columns that a string takes on a terminal (wide characters take 2). */
size_t text_width(const char *utf8);

/* Appends a string for a terminal: control characters, bytes that are not UTF-8
 * and characters that reorder text (bidi controls) become \xNN or \u{NNNN}, so
 * that nothing from the network can steer the terminal. */
void text_add_printable(struct text *t, const char *string);

/* The same for a quotation in a message: of more than 80 bytes, the characters in
 * the first 80 and "…". */
void text_add_shown(struct text *t, const char *string);

/* Appends for a line protocol: bytes outside [A-Za-z0-9._:/,@+-] as %XX. */
void text_add_percent(struct text *t, const char *string);

/* Decodes text_add_percent's output in place; -EBADMSG for a broken escape or a
 * NUL. */
int percent_decode(char *string);

/* Whether it ends with `end` and has more before it. */
bool string_ends_with(const char *s, const char *end);
bool string_is_one_of(const char *s, const char *chars, size_t min, size_t max);
static inline bool string_equal(const char *a, const char *b)
{
    if (!a || !b)
        return a == b;
    return __builtin_strcmp(a, b) == 0;
}
