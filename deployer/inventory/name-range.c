#include "name-range.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "deployer/base/destination.h"
#include "discovery/base/cleanup.h"

#define DIGITS "0123456789"

enum { NUMBER_DIGITS_MAX = 9 };

static const char no_memory[] = "cannot be stored: out of memory";

struct range {
    long first, last, step;
    int width;   /* digits; shorter numbers get leading zeros */
    bool letter; /* first and last are indices into `letters` */
};

static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

static bool read_number(const char *text, size_t size, long *ret)
{
    if (size == 0 || size > NUMBER_DIGITS_MAX || strspn(text, DIGITS) < size)
        return false;
    *ret = 0;
    for (size_t i = 0; i < size; i++)
        *ret = *ret * 10 + (text[i] - '0');
    return true;
}

static bool read_letter(const char *text, size_t size, long *ret)
{
    const char *at = size == 1 ? strchr(letters, *text) : NULL;

    *ret = at ? at - letters : 0;
    return at != NULL;
}

/* BEGIN:END[:STEP], as in Ansible's expand_hostname_range. */
static const char *read_range(const char *text, size_t size, struct range *r)
{
    const char *colon = memchr(text, ':', size), *second, *end = text + size;
    size_t first_size, last_size;

    *r = (struct range){.step = 1};
    if (!colon)
        return "has a range that is not [BEGIN:END] or [BEGIN:END:STEP]";
    second = memchr(colon + 1, ':', (size_t)(end - colon - 1));
    first_size = (size_t)(colon - text);
    last_size = (size_t)((second ? second : end) - colon - 1);
    if (last_size == 0)
        return "has a range without an end";
    if (second && (!read_number(second + 1, (size_t)(end - second - 1), &r->step) || r->step == 0))
        return "has a range whose step is not a number above 0";
    r->letter =
        read_letter(text, first_size, &r->first) && read_letter(colon + 1, last_size, &r->last);
    if (!r->letter && ((first_size > 0 && !read_number(text, first_size, &r->first)) ||
                       !read_number(colon + 1, last_size, &r->last)))
        return "has a range whose ends are neither two numbers nor two letters";
    if (first_size > 1 && *text == '0') {
        if (first_size != last_size)
            return "has a range with a leading 0 whose ends differ in length (write [01:12])";
        r->width = (int)first_size;
    }
    return r->first > r->last ? "has a range that ends before it begins" : NULL;
}

static bool add_range_value(struct text *to, const struct range *r, long value)
{
    if (r->letter)
        text_addc(to, letters[value]);
    else
        text_addf(to, "%0*ld", r->width, value);
    return text_error(to) == 0;
}

static const char *expand_ranges(const char *pattern, struct strings *ret, size_t *budget);

/* Expands the first range, and for each of its values the ranges after it. */
static const char *expand_range(const char *pattern, const char *open, const char *close,
                                struct strings *ret, size_t *budget)
{
    struct range r;
    const char *what = read_range(open + 1, (size_t)(close - open - 1), &r);

    for (long i = r.first; !what && i <= r.last; i += r.step) {
        CLEANUP_TEXT struct text name = TEXT_INIT;

        text_add(&name, pattern, (size_t)(open - pattern));
        if (!add_range_value(&name, &r, i))
            return no_memory;
        text_adds(&name, close + 1);
        what = text_error(&name) < 0 ? no_memory : expand_ranges(text_str(&name), ret, budget);
    }
    return what;
}

/* Recursive: each level removes one range, and the name's length bounds their number. */
static const char *expand_ranges(const char *pattern, struct strings *ret, size_t *budget)
{
    const char *open = strchr(pattern, '['), *close = open ? strchr(open, ']') : NULL;

    if (open && close)
        return expand_range(pattern, open, close, ret, budget);
    if (open)
        return "has a \"[\" without a \"]\" after it";
    if ((*budget)-- == 0)
        return "has ranges that stand for more than 4096 names";
    return strings_add(ret, pattern) < 0 ? no_memory : NULL;
}

/* Does Ansible take this for a host name or an IPv4 address, possibly with
 * ranges?  Only then is a ":22" after it a port. */
static bool is_host(const char *s, size_t size)
{
    bool in_range = false;

    if (size == 0 || *s == '-' || *s == '.' || s[size - 1] == '-' || s[size - 1] == '.')
        return false;
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)s[i];

        if (c == '[' || c == ']') {
            if (in_range == (c == '['))
                return false;
            in_range = c == '[';
        } else if (c == ':' ? !in_range : !isalnum(c) && !strchr("_-.", c) && c < 0x80)
            return false;
    }
    return !in_range;
}

/* Splits "NAME:PORT", or "[IPV6]:PORT" without its brackets; port 0: there is none. */
static const char *cut_port(char *pattern, char **ret_name, uint16_t *ret_port)
{
    size_t size = strlen(pattern), digits = 0;
    char *colon;

    *ret_name = pattern;
    while (digits < size && isdigit((unsigned char)pattern[size - 1 - digits]))
        digits++;
    if (digits == 0 || digits == size || pattern[size - 1 - digits] != ':')
        return NULL;
    colon = pattern + size - 1 - digits;
    if (*pattern == '[' && colon > pattern + 2 && colon[-1] == ']' &&
        memchr(pattern + 1, ':', (size_t)(colon - pattern - 2))) {
        CLEANUP_FREE char *inside = strndup(pattern + 1, (size_t)(colon - pattern - 2));

        if (!inside)
            return no_memory;
        if (!destination_host_valid(inside))
            return NULL;
        (*ret_name)++;
        colon[-1] = '\0';
    } else if (!is_host(pattern, (size_t)(colon - pattern)))
        return NULL;
    *ret_port = destination_port(colon + 1);
    *colon = '\0';
    return *ret_port ? NULL : "has no port after its \":\" (1 to 65535)";
}

const char *hosts_name_expand(const char *pattern, struct strings *ret, uint16_t *ret_port)
{
    CLEANUP_FREE char *copy = strdup(pattern);
    size_t budget = HOSTS_RANGE_MAX;
    const char *what;
    char *name;

    *ret_port = 0;
    if (!copy)
        return no_memory;
    if (!*pattern)
        return "is empty";
    if (strlen(pattern) > HOSTS_NAME_MAX)
        return "is too long";
    what = cut_port(copy, &name, ret_port);
    return what ? what : expand_ranges(name, ret, &budget);
}
