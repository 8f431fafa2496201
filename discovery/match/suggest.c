#include "suggest.h"

#include <string.h>
#include <wctype.h>

enum { EDITS_MAX = 2 };

static bool is_digit(uint32_t c)
{
    return c >= '0' && c <= '9';
}

/* Blanks, and characters that look like blanks or are invisible. */
static bool is_blank(uint32_t c)
{
    return c <= ' ' || (c >= 0x7f && c <= 0xa0) || c == 0xad || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200f) || (c >= 0x2028 && c <= 0x202f) || c == 0x205f ||
           c == 0x2060 || c == 0x3000 || c == 0xfeff;
}

static uint32_t lower(uint32_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A' + 'a';
    return c < 0x80 ? c : (uint32_t)towlower((wint_t)c);
}

/* Takes one character from the name; a byte that is not UTF-8 counts as a
 * character. */
static uint32_t next_char(const char **name, size_t *left)
{
    uint32_t c;
    size_t n = utf8_decode(*name, *left, &c);

    if (n == 0) {
        c = 0xdc00u + (unsigned char)**name;
        n = 1;
    }
    *name += n;
    *left -= n;
    return c;
}

void suggest_fold(const char *name, struct suggest_fold *ret)
{
    size_t left = strlen(name);
    size_t number = 0; /* where the run of digits at the end starts */

    ret->count = 0;
    while (left > 0 && ret->count < SUGGEST_CHARS_MAX) {
        uint32_t c = next_char(&name, &left);

        if (is_blank(c))
            continue;
        if (!is_digit(c))
            number = ret->count + 1;
        else if (ret->count == number + 1 && ret->chars[number] == '0')
            ret->count = number; /* the zero was padding */
        ret->chars[ret->count++] = lower(c);
    }
}

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
    unsigned least = a < b ? a : b;

    return least < c ? least : c;
}

/* Only the diagonals within `max` of the main one can matter, so each row is
 * computed only there; other cells count as too far. */
unsigned suggest_distance(const struct suggest_fold *a, const struct suggest_fold *b, unsigned max)
{
    unsigned rows[3][SUGGEST_CHARS_MAX + 2];
    unsigned *before = rows[0], *last = rows[1], *row = rows[2];
    unsigned far = max + 1;

    if (max > EDITS_MAX || a->count > b->count + max || b->count > a->count + max)
        return far;
    for (size_t j = 0; j <= b->count; j++)
        last[j] = j <= max ? (unsigned)j : far;
    for (size_t i = 1; i <= a->count; i++) {
        size_t from = i > max ? i - max : 1;
        size_t to = i + max < b->count ? i + max : b->count;
        unsigned least = far;
        unsigned *spare = before;

        row[from - 1] = from == 1 && i <= max ? (unsigned)i : far;
        for (size_t j = from; j <= to; j++) {
            unsigned same = a->chars[i - 1] == b->chars[j - 1] ? 0 : 1;

            /* A row's neighbours on both sides were set to `far`. */
            /* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult) */
            row[j] = min3(last[j] + 1, row[j - 1] + 1, last[j - 1] + same);
            if (i > 1 && j > 1 && a->chars[i - 1] == b->chars[j - 2] &&
                a->chars[i - 2] == b->chars[j - 1] && before[j - 2] + 1 < row[j])
                row[j] = before[j - 2] + 1;
            if (row[j] > far)
                row[j] = far;
            if (row[j] < least)
                least = row[j];
        }
        row[to + 1] = far;
        if (least > max && from > 1)
            return far;
        before = last;
        last = row;
        row = spare;
    }
    return last[b->count] < far ? last[b->count] : far;
}

unsigned suggest_limit(size_t longer)
{
    if (longer <= 2)
        return 0;
    return longer <= 5 ? 1 : EDITS_MAX;
}
