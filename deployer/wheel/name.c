#include "name.h"

#include <string.h>

static char next_normalized_char(const char **s)
{
    char c = **s;

    if (c == '-' || c == '_' || c == '.') {
        *s += strspn(*s, "-_.");
        return '-';
    }
    *s += c != '\0';
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool wheel_name_equal(const char *a, const char *b)
{
    for (;;) {
        char x = next_normalized_char(&a), y = next_normalized_char(&b);

        if (x != y)
            return false;
        if (x == '\0')
            return true;
    }
}

#define ALPHANUMERIC "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

size_t wheel_requirement_name(const char *requirement)
{
    return strspn(requirement, ALPHANUMERIC "._-");
}

bool wheel_requirement_is_plain(const char *requirement)
{
    const char *at = requirement + wheel_requirement_name(requirement);

    if (!memchr(ALPHANUMERIC, *requirement, sizeof(ALPHANUMERIC) - 1) ||
        strlen(requirement) > WHEEL_PLAIN_MAX || strstr(requirement, " -"))
        return false;
    at += strspn(at, " ");
    if (*at == '[') {
        at += 1 + strspn(at + 1, ALPHANUMERIC "._-, ");
        if (*at++ != ']')
            return false;
        at += strspn(at, " ");
    }
    if (*at && strchr("(<>=!~", *at))
        at += strspn(at, ALPHANUMERIC "._-, ()<>=!~*+");
    if (*at == ';')
        at += 1 + strspn(at + 1, ALPHANUMERIC "._-, ()<>=!~*+'\"");
    return *at == '\0';
}
