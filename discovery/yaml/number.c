#include "number.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>

char *yaml_digits(const char *text, size_t size, bool *ret_negative)
{
    char *digits = malloc(size + 1), *to = digits;

    if (!digits)
        return NULL;
    *ret_negative = size > 0 && *text == '-';
    for (size_t i = size > 0 && (*text == '-' || *text == '+'); i < size; i++)
        if (text[i] != '_')
            *to++ = text[i];
    *to = '\0';
    return digits;
}

bool yaml_double(const char *digits, double *ret)
{
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    char *end;

    if (!c)
        return false;
    *ret = strtod_l(digits, &end, c);
    freelocale(c);
    return *digits != '\0' && *end == '\0' && !strpbrk(digits, "xX");
}
