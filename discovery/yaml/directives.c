#include "directives.h"

#include <string.h>

#include "discovery/base/cleanup.h"

/* The rest of a line. */
struct rest {
    const char *at, *end;
};

static bool take_char(struct rest *r, const char *set)
{
    if (r->at == r->end || !*r->at || !strchr(set, *r->at))
        return false;
    r->at++;
    return true;
}

static bool take_digits(struct rest *r)
{
    const char *start = r->at;

    while (take_char(r, "0123456789"))
        ;
    return r->at > start;
}

static bool is_name_char(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '-' ||
           c == '_';
}

/* A blank, or the end of the line. */
static bool at_blank(const struct rest *r)
{
    return r->at == r->end || *r->at == ' ';
}

/* The number 1, as Python's int() reads it. */
static bool take_major(struct rest *r)
{
    const char *start = r->at;

    if (!take_digits(r))
        return false;
    while (r->at - start > 1 && *start == '0')
        start++;
    return r->at - start == 1 && *start == '1';
}

static bool is_version(struct rest r)
{
    while (take_char(&r, " "))
        ;
    if (!take_major(&r) || !take_char(&r, ".") || !take_digits(&r) || !at_blank(&r))
        return false;
    while (take_char(&r, " "))
        ;
    return r.at == r.end || *r.at == '#';
}

/* Line breaks of YAML 1.1. */
static bool is_break(const char *p, size_t size)
{
    static const char *const wide[] = {"\xc2\x85", "\xe2\x80\xa8", "\xe2\x80\xa9"};

    for (size_t i = 0; i < ARRAY_SIZE(wide); i++)
        if (strlen(wide[i]) <= size && memcmp(p, wide[i], strlen(wide[i])) == 0)
            return true;
    return *p == '\n' || *p == '\r';
}

/* The length of the line without its break; `size` if the break is missing. */
static size_t line_length(const char *line, size_t size)
{
    size_t n = 0;

    while (n < size && !is_break(line + n, size - n))
        n++;
    return n;
}

enum yaml_directive yaml_directive_parse(const char *line, size_t size, bool whole,
                                         const char **ret_words)
{
    size_t n = line_length(line, size < YAML_DIRECTIVE_MAX ? size : YAML_DIRECTIVE_MAX);
    struct rest r = {line + 1, line + n};
    size_t length;

    if (n == size && !whole && size < YAML_DIRECTIVE_MAX)
        return YAML_DIRECTIVE_CUT;
    while (r.at < r.end && is_name_char(*r.at))
        r.at++;
    length = (size_t)(r.at - line) - 1;
    if (length == 0 || !at_blank(&r)) {
        *ret_words = "a line that begins with \"%\" is a directive, and its name is not valid; "
                     "remove the line";
        return YAML_DIRECTIVE_WRONG;
    }
    if (length == 3 && memcmp(line + 1, "TAG", 3) == 0)
        return YAML_DIRECTIVE_TAG;
    if (length != 4 || memcmp(line + 1, "YAML", 4) != 0)
        return YAML_DIRECTIVE_UNKNOWN;
    if (is_version(r))
        return YAML_DIRECTIVE_VERSION;
    *ret_words = "this line must be \"%YAML 1.1\"; a comment behind it needs a space before "
                 "its \"#\"";
    return YAML_DIRECTIVE_WRONG;
}
