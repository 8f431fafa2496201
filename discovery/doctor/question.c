#include "question.h"

#include <stdio.h>
#include <string.h>

enum { HEADER = 12, TAIL = 5, LABEL_MAX = 63, CLASS_IN = 1 };

static void put16(uint8_t *to, size_t *at, uint16_t value)
{
    to[(*at)++] = (uint8_t)(value >> 8);
    to[(*at)++] = (uint8_t)value;
}

size_t question_write(const char *name, uint16_t type, uint16_t transaction,
                      uint8_t ret[static QUESTION_MAX])
{
    size_t at = 0;

    memset(ret, 0, HEADER);
    put16(ret, &at, transaction);
    ret[5] = 1; /* one question */
    at = HEADER;
    while (*name) {
        size_t whole = strcspn(name, "."), n = whole > LABEL_MAX ? LABEL_MAX : whole;

        if (n > 0 && at + 1 + n + TAIL <= QUESTION_MAX) {
            ret[at++] = (uint8_t)n;
            memcpy(ret + at, name, n);
            at += n;
        }
        name += whole + (name[whole] == '.');
    }
    ret[at++] = 0;
    put16(ret, &at, type);
    put16(ret, &at, CLASS_IN);
    return at;
}

void question_reverse(const struct address *a, char ret[static QUESTION_REVERSE_MAX])
{
    (void)snprintf(ret, QUESTION_REVERSE_MAX, "%u.%u.%u.%u.in-addr.arpa", a->bytes[3], a->bytes[2],
                   a->bytes[1], a->bytes[0]);
}
