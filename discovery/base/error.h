/*
 * An error tells a person about a failure: what was being done, to what, why it
 * failed, and what to do about it.
 *
 * Functions return 0 or a negative errno; the message is stored in a struct
 * error that the caller owns (a plain value, nothing to free).  A NULL error is
 * allowed everywhere: the message is then dropped.  Library code never prints;
 * the program reports each failure once.
 */
#pragma once

#include <stdarg.h>

enum { ERROR_TEXT_MAX = 1024 };

struct error {
    int code;                  /* negative errno, 0 while nothing went wrong */
    char text[ERROR_TEXT_MAX]; /* UTF-8, one line, no trailing newline */
};

/* Stores the message and returns `code`, so that `return error_set(…)` works.
 * Text that does not fit ends in "…", never in half a character. */
int error_set(struct error *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* As error_set, with ": " and strerror's text for the errno appended. */
int error_sys(struct error *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Adds context in front: "PREFIX: the message so far".  Returns err's code. */
int error_prefix(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
