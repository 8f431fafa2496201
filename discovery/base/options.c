#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

enum { ROWS_MAX = 96, LONG_BASE = 256 };

/* The rows of one or two tables: first the verb's own, then the common ones. */
struct rows {
    const struct option_row *items[ROWS_MAX];
    size_t count;
};

static void add_rows(struct rows *all, const struct option_row *table)
{
    for (; table && table->name && all->count < ROWS_MAX; table++)
        if (table->store)
            all->items[all->count++] = table;
}

/* The first row of that letter counts. */
static const struct option_row *find_row(const struct rows *all, int code)
{
    if (code >= LONG_BASE)
        return all->items[code - LONG_BASE];
    for (size_t i = 0; i < all->count; i++)
        if (all->items[i]->letter && all->items[i]->letter == code)
            return all->items[i];
    return NULL;
}

static int fail_option(int argc, char **argv, int code, int letter, struct error *err)
{
    const char *word = optind > 0 && optind <= argc ? argv[optind - 1] : "";

    if (code == ':')
        return error_set(err, -EINVAL, "option '%s' needs an argument; see --help", word);
    if (letter && letter < LONG_BASE)
        return error_set(err, -EINVAL, "unknown option '-%c'; see --help", letter);
    if (letter)
        return error_set(err, -EINVAL, "option '%s' takes no argument; see --help", word);
    return error_set(err, -EINVAL, "unknown or ambiguous option '%s'; see --help", word);
}

/* `mode` is getopt's: "+" stops at the first operand, "" does not. */
static int parse_rows(const struct rows *all, const char *mode, int argc, char **argv, void *into,
                      int *ret_first, struct error *err)
{
    static const int takes[] = {
        [OPTION_NONE] = no_argument,
        [OPTION_REQUIRED] = required_argument,
        [OPTION_OPTIONAL] = optional_argument,
    };
    struct option longs[ROWS_MAX + 1] = {0};
    char letters[ROWS_MAX * 3 + 4];
    char *letter = stpcpy(stpcpy(letters, mode), ":");
    int code;

    for (size_t i = 0; i < all->count; i++) {
        const struct option_row *row = all->items[i];

        longs[i] = (struct option){row->name, takes[row->takes], NULL, LONG_BASE + (int)i};
        if (!row->letter || find_row(all, row->letter) != row)
            continue;
        *letter++ = row->letter;
        for (int colons = takes[row->takes]; colons > 0; colons--)
            *letter++ = ':';
    }
    *letter = '\0';
    optind = 0; /* glibc: start anew, also for a second table */
    while ((code = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
        const struct option_row *row;
        int r;

        if (code == '?' || code == ':')
            return fail_option(argc, argv, code, optopt, err);
        row = find_row(all, code);
        /* NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage): getopt knows these only */
        r = row->store(into, optarg, err);
        if (r < 0)
            error_prefix(err, "--%s", row->name);
        if (r != 0)
            return r;
    }
    *ret_first = optind;
    return 0;
}

int options_parse(const struct option_row *rows, int argc, char **argv, void *into, int *ret_first,
                  struct error *err)
{
    struct rows all = {0};

    add_rows(&all, rows);
    return parse_rows(&all, "", argc, argv, into, ret_first, err);
}

int options_parse_to_verb(const struct option_row *rows, int argc, char **argv, void *into,
                          int *ret_verb, struct error *err)
{
    struct rows all = {0};

    add_rows(&all, rows);
    return parse_rows(&all, "+", argc, argv, into, ret_verb, err);
}

int options_parse_of_verb(const struct option_row *own, const struct option_row *rows, int argc,
                          char **argv, void *into, int *ret_first, struct error *err)
{
    struct rows all = {0};

    add_rows(&all, own);
    add_rows(&all, rows);
    return parse_rows(&all, "", argc, argv, into, ret_first, err);
}

static void add_usage(const struct option_row *row, struct text *ret)
{
    if (row->letter)
        text_addf(ret, "  -%c, --%s", row->letter, row->name);
    else
        text_addf(ret, "      --%s", row->name);
    if (row->takes == OPTION_REQUIRED)
        text_addf(ret, " %s", row->argument);
    else if (row->takes == OPTION_OPTIONAL)
        text_addf(ret, "[=%s]", row->argument);
}

void options_help(const struct option_row *rows, struct text *ret)
{
    enum { COLUMN = 30 };

    for (; rows->name; rows++) {
        size_t start = ret->size;

        if (!rows->help)
            continue;
        if (!rows->store) {
            text_addf(ret, "\n%s\n", rows->help);
            continue;
        }
        add_usage(rows, ret);
        if (ret->size - start >= COLUMN)
            text_addf(ret, "\n%*s", COLUMN, "");
        else
            text_addf(ret, "%*s", (int)(COLUMN - (ret->size - start)), "");
        for (const char *c = rows->help; *c; c++) {
            text_addc(ret, *c);
            if (*c == '\n')
                text_addf(ret, "%*s", COLUMN, "");
        }
        text_addc(ret, '\n');
    }
}

int parse_seconds(const char *value, unsigned *ret_ms, struct error *err)
{
    enum { YEAR = 366 * 24 * 3600 };
    char *end;
    double seconds;

    errno = 0;
    seconds = strtod(value, &end);
    if (errno || end == value || *end || !isfinite(seconds) || seconds < 0 || seconds > YEAR)
        return error_set(err, -EINVAL, "'%s' is not a number of seconds", value);
    if (seconds < 0.001)
        return error_set(err, -EINVAL, "'%s' is too short: give seconds, at least 0.001", value);
    *ret_ms = (unsigned)(seconds * 1000.0 < 4e9 ? seconds * 1000.0 : 4e9);
    return 0;
}

int parse_number(const char *value, long min, long max, long *ret, struct error *err)
{
    char *end;
    long number;

    errno = 0;
    number = strtol(value, &end, 10);
    if (errno || end == value || *end || number < min || number > max)
        return error_set(err, -EINVAL, "'%s' is not a whole number from %ld to %ld", value, min,
                         max);
    *ret = number;
    return 0;
}

int option_store_one(const char **to, const char *value, struct error *err)
{
    if (*to && strcmp(*to, value) != 0)
        return error_set(err, -EINVAL, "'%s' was given already, and '%s' now: only one can be used",
                         *to, value);
    *to = value;
    return 0;
}
