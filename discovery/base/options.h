/*
 * The options of a program as one table, which drives parsing and help.
 *
 * Each row calls a function that stores what was given into the program's own
 * struct; nothing here keeps state.  -h and -V are rows like all others.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "error.h"
#include "text.h"

enum option_argument { OPTION_NONE, OPTION_REQUIRED, OPTION_OPTIONAL };

struct option_row {
    char letter;      /* '\0': long only */
    const char *name; /* without the dashes; NULL ends the table; "" with help: a heading */
    enum option_argument takes;
    const char *argument; /* what help calls it, e.g. "FILE" */
    const char *help;     /* one line; '\n' starts another */
    /* `value` is NULL when no argument was given.  Non-zero stops parsing: a
     * negative errno with `err` set, or a positive value of the program's. */
    int (*store)(void *into, const char *value, struct error *err);
};

/* Parses argv[1…]; options and operands may be mixed, "--" ends the options.
 * `ret_first` is the index of the first operand in the reordered argv.  Returns
 * 0, what a row's function returned, or -EINVAL with a message. */
int options_parse(const struct option_row *rows, int argc, char **argv, void *into, int *ret_first,
                  struct error *err);

/* For programs with verbs: as options_parse, but stops at the first operand,
 * which is the verb (argc: there is none); then, from argv[ret_verb] on, where
 * the verb's own rows (NULL: none) count before those of the same name. */
int options_parse_to_verb(const struct option_row *rows, int argc, char **argv, void *into,
                          int *ret_verb, struct error *err);
int options_parse_of_verb(const struct option_row *own, const struct option_row *rows, int argc,
                          char **argv, void *into, int *ret_first, struct error *err);

/* Appends the table for people, aligned, at most 80 columns. */
void options_help(const struct option_row *rows, struct text *ret);

/* A number of seconds ("3", "0.5"), from 0 to a year, as milliseconds. */
int parse_seconds(const char *value, unsigned *ret_ms, struct error *err);

/* A whole number in a range. */
int parse_number(const char *value, long min, long max, long *ret, struct error *err);

/* Stores the value of an option of which the first must not be lost.  -EINVAL when `to`
 * has another one. */
int option_store_one(const char **to, const char *value, struct error *err);

/*
 * The usual `store` functions.  OPTION_FLAG(struct my_options, quiet) defines
 * set_quiet(), which sets the struct's bool of that name; the others take what
 * was given: a const char *, which is borrowed; the same, which nothing else may have
 * been given for; one more of a struct strings; an unsigned number of milliseconds.  No
 * semicolon follows.
 */
#define OPTION_FLAG(type, field)                                                                   \
    static int set_##field(void *into, const char *value, struct error *err)                       \
    {                                                                                              \
        (void)value, (void)err;                                                                    \
        ((type *)into)->field = true;                                                              \
        return 0;                                                                                  \
    }

#define OPTION_STRING(type, field)                                                                 \
    static int set_##field(void *into, const char *value, struct error *err)                       \
    {                                                                                              \
        (void)err;                                                                                 \
        ((type *)into)->field = value;                                                             \
        return 0;                                                                                  \
    }

#define OPTION_ONE(type, field)                                                                    \
    static int set_##field(void *into, const char *value, struct error *err)                       \
    {                                                                                              \
        return option_store_one(&((type *)into)->field, value, err);                               \
    }

#define OPTION_LIST(type, field)                                                                   \
    static int set_##field(void *into, const char *value, struct error *err)                       \
    {                                                                                              \
        int r = strings_add(&((type *)into)->field, value);                                        \
                                                                                                   \
        return r < 0 ? error_sys(err, r, "cannot take '%s'", value) : 0;                           \
    }

#define OPTION_SECONDS(type, field)                                                                \
    static int set_##field(void *into, const char *value, struct error *err)                       \
    {                                                                                              \
        return parse_seconds(value, &((type *)into)->field, err);                                  \
    }
