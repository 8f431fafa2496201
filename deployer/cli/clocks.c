#include "clocks.h"

#include <stdlib.h>

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static size_t median_of(const struct clock_vote *votes, size_t count, bool synchronised,
                        int64_t *room, int64_t *ret)
{
    size_t n = 0;

    for (size_t i = 0; i < count; i++)
        if (votes[i].counts && (votes[i].synchronised || !synchronised))
            room[n++] = votes[i].ahead_s;
    if (n > 0) {
        qsort(room, n, sizeof(*room), compare);
        *ret = room[(n - 1) / 2];
    }
    return n;
}

bool clocks_doubt_ours(const struct clock_vote *votes, size_t count, int64_t *ret_ahead_s)
{
    int64_t *room = calloc(count + 1, sizeof(*room));
    bool doubt = false;

    if (!room)
        return false;
    if (median_of(votes, count, true, room, ret_ahead_s) > 0)
        doubt = *ret_ahead_s != 0;
    else if (median_of(votes, count, false, room, ret_ahead_s) > 1)
        doubt = *ret_ahead_s > 0;
    free(room);
    return doubt;
}
