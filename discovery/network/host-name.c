#include "host-name.h"

#include <string.h>

#include "discovery/base/text.h"

static bool is_control(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0);
}

static bool is_readable(const char *bytes, size_t size)
{
    uint32_t c;

    for (size_t n; size > 0; bytes += n, size -= n) {
        n = utf8_decode(bytes, size, &c);
        if (n == 0 || is_control(c))
            return false;
    }
    return true;
}

/* RFC 6763 §4.3, as far as bytes need it to be printable ASCII. */
static void add_escaped(struct text *t, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)bytes[i];

        if (c < 0x20 || c >= 0x7f)
            text_addf(t, "\\%03u", c);
        else if (c == '\\')
            text_adds(t, "\\\\");
        else
            text_addc(t, (char)c);
    }
}

static char *make_name(const char *bytes, size_t size)
{
    CLEANUP_TEXT struct text t = TEXT_INIT;

    if (size == 0 || size > HOST_NAME_MAX_BYTES)
        return NULL;
    if (is_readable(bytes, size))
        text_add(&t, bytes, size);
    else
        add_escaped(&t, bytes, size);
    return t.size <= HOST_NAME_MAX_BYTES ? text_take(&t) : NULL;
}

char *host_name_from_labels(const char *labels)
{
    return make_name(labels, strnlen(labels, HOST_NAME_MAX_BYTES + 1));
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Reads one byte, escaped or not, and moves on; -1: wrongly escaped. */
static int read_byte(const char **at)
{
    const char *s = *at;
    int value;

    if (s[0] != '\\') {
        *at = s + 1;
        return (unsigned char)s[0];
    }
    if (!is_digit(s[1])) {
        *at = s + 2;
        return s[1] ? (unsigned char)s[1] : -1;
    }
    if (!is_digit(s[2]) || !is_digit(s[3]))
        return -1;
    value = (s[1] - '0') * 100 + (s[2] - '0') * 10 + (s[3] - '0');
    *at = s + 4;
    return value <= 255 ? value : -1;
}

char *host_name_from_escaped(const char *escaped)
{
    char bytes[HOST_NAME_MAX_BYTES];
    size_t size = 0;

    while (*escaped) {
        int byte = read_byte(&escaped);

        if (byte < 0 || size == sizeof(bytes))
            return NULL;
        bytes[size++] = (char)byte;
    }
    return make_name(bytes, size);
}
