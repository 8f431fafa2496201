#include <math.h>
#include <string.h>
#include <strings.h>

#include "number.h"
#include "types.h"

static void add_double(struct text *ret, double d)
{
    if (isnan(d))
        text_adds(ret, "nan");
    else if (d == trunc(d) && fabs(d) < 18446744073709551616.0)
        text_addf(ret, "n%s%llu", d < 0 ? "-" : "", (unsigned long long)fabs(d));
    else
        text_addf(ret, "f%a", d);
}

static void add_float(struct text *ret, const char *text, size_t size)
{
    bool negative;
    CLEANUP_FREE char *digits = yaml_digits(text, size, &negative);
    double d = 0, part = 0;
    char *rest, *piece;

    if (!digits) {
        ret->failed = true;
        return;
    }
    rest = *digits == '.' && strpbrk(digits, "iInN") ? digits + 1 : digits; /* .inf and .nan */
    while ((piece = strsep(&rest, ":"))) {
        (void)yaml_double(piece, &part);
        d = d * 60 + part;
    }
    add_double(ret, negative ? -d : d);
}

/* value = value * base + digit, false on overflow. */
static bool add_digit(unsigned long long *value, unsigned base, unsigned digit)
{
    return !__builtin_mul_overflow(*value, base, value) &&
           !__builtin_add_overflow(*value, digit, value);
}

static unsigned digit_value(char c)
{
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a') + 10;
}

static void add_int(struct text *ret, const char *text, size_t size)
{
    bool negative, fits = true;
    CLEANUP_FREE char *digits = yaml_digits(text, size, &negative);
    unsigned long long value = 0;
    unsigned base = 10, part = 0;
    const char *p = digits;

    if (!digits) {
        ret->failed = true;
        return;
    }
    if (p[0] == '0' && (p[1] == 'b' || p[1] == 'x')) {
        base = p[1] == 'b' ? 2 : 16;
        p += 2;
    } else if (p[0] == '0')
        base = 8;
    if (strchr(p, ':')) {
        for (; fits && *p; p++) {
            if (*p != ':') {
                fits = part < 1u << 24;
                part = part * 10 + digit_value(*p);
            }
            if (p[1] == ':' || p[1] == '\0') {
                if (*p != ':')
                    fits = fits && add_digit(&value, 60, part);
                part = 0;
            }
        }
    } else
        for (; fits && *p; p++)
            fits = add_digit(&value, base, digit_value(*p));
    if (fits)
        text_addf(ret, "n%s%llu", negative && value ? "-" : "", value);
    else
        text_addf(ret, "N%s%s", negative ? "-" : "", digits);
}

void yaml_add_key(struct text *ret, enum yaml_type type, const char *text, size_t size)
{
    switch (type) {
    case YAML_TYPE_STRING:
    case YAML_TYPE_VALUE: /* PyYAML's flatten_mapping makes a key "=" a string */
        text_addc(ret, 's');
        text_add(ret, text, size);
        return;
    case YAML_TYPE_NULL:
        text_adds(ret, "0");
        return;
    case YAML_TYPE_BOOL: /* yes, true, on */
        text_adds(ret, strchr("yYtT", *text) || strncasecmp(text, "on", size) == 0 ? "n1" : "n0");
        return;
    case YAML_TYPE_INT:
        add_int(ret, text, size);
        return;
    case YAML_TYPE_FLOAT:
        add_float(ret, text, size);
        return;
    case YAML_TYPE_TIME:
    case YAML_TYPE_MERGE:
    case YAML_TYPE_BYTES:
    case YAML_TYPE_OTHER:
        text_addf(ret, "%d", (int)type);
        text_add(ret, text, size);
        return;
    }
}
