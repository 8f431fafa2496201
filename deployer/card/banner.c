#include "banner.h"

#include <ctype.h>
#include <string.h>

enum { ROWS = 5, COLUMNS = 5 };

static const char characters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_. ";

/* A row is five bits, the highest on the left. */
static const uint8_t glyphs[][ROWS] = {
    {14, 17, 31, 17, 17}, {30, 17, 30, 17, 30}, {15, 16, 16, 16, 15}, {30, 17, 17, 17, 30},
    {31, 16, 30, 16, 31}, {31, 16, 30, 16, 16}, {15, 16, 19, 17, 15}, {17, 17, 31, 17, 17},
    {14, 4, 4, 4, 14},    {7, 2, 2, 18, 12},    {17, 18, 28, 18, 17}, {16, 16, 16, 16, 31},
    {17, 27, 21, 17, 17}, {17, 25, 21, 19, 17}, {14, 17, 17, 17, 14}, {30, 17, 30, 16, 16},
    {14, 17, 21, 18, 13}, {30, 17, 30, 18, 17}, {15, 16, 14, 1, 30},  {31, 4, 4, 4, 4},
    {17, 17, 17, 17, 14}, {17, 17, 17, 10, 4},  {17, 17, 21, 27, 17}, {17, 10, 4, 10, 17},
    {17, 10, 4, 4, 4},    {31, 2, 4, 8, 31},    {14, 19, 21, 25, 14}, {4, 12, 4, 4, 14},
    {30, 1, 14, 16, 31},  {30, 1, 14, 1, 30},   {18, 18, 31, 2, 2},   {31, 16, 30, 1, 30},
    {14, 16, 30, 17, 14}, {31, 1, 2, 4, 4},     {14, 17, 14, 17, 14}, {14, 17, 15, 1, 14},
    {0, 0, 14, 0, 0},     {0, 0, 0, 0, 31},     {0, 0, 0, 0, 4},      {0, 0, 0, 0, 0},
};

void card_banner(const char *text, size_t width, struct text *ret)
{
    size_t n = strlen(text);

    if (n == 0 || (width > 0 && n * (COLUMNS + 1) > width))
        return;
    for (size_t i = 0; i < n; i++)
        if (!strchr(characters, toupper((unsigned char)text[i])))
            return;
    for (int row = 0; row < ROWS; row++) {
        for (size_t i = 0; i < n; i++) {
            size_t at = (size_t)(strchr(characters, toupper((unsigned char)text[i])) - characters);

            for (int bit = COLUMNS - 1; bit >= 0; bit--)
                text_addc(ret, glyphs[at][row] >> bit & 1 ? '#' : ' ');
            text_addc(ret, ' ');
        }
        text_addc(ret, '\n');
    }
}
