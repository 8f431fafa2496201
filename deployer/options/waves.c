#include "waves.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE_LIMIT = 10000, PERCENT_LIMIT = 100 };

static int refuse(const char *text, struct error *err)
{
    return error_set(
        err, -EINVAL,
        "'%.100s' says no waves: give numbers of machines, 1 at least, or shares up to "
        "100%%, with commas between, %d at most: 1,5,25%%",
        text, WAVES_MAX);
}

int waves_parse(const char *text, struct waves *ret, struct error *err)
{
    struct waves w = {0};

    for (const char *at = text;; at++) {
        char *end = NULL;
        unsigned long size = strspn(at, "0123456789") > 0 ? strtoul(at, &end, 10) : 0;

        if (size == 0 || size > SIZE_LIMIT || w.count == WAVES_MAX)
            return refuse(text, err);
        at = end;
        w.items[w.count].size = (unsigned)size;
        w.items[w.count].percent = *at == '%';
        at += w.items[w.count].percent;
        if ((w.items[w.count++].percent && size > PERCENT_LIMIT) || (*at && *at != ','))
            return refuse(text, err);
        if (!*at)
            break;
    }
    *ret = w;
    return 0;
}

size_t waves_sizes(const struct waves *w, size_t total, size_t ret[static WAVES_MAX],
                   size_t *ret_count)
{
    size_t sum = 0;

    *ret_count = 0;
    for (size_t i = 0; i < w->count && sum < total; i++) {
        size_t size = w->items[i].size;

        if (w->items[i].percent)
            size = (total * size + PERCENT_LIMIT - 1) / PERCENT_LIMIT;
        if (size > total - sum)
            size = total - sum;
        ret[(*ret_count)++] = size;
        sum += size;
    }
    return sum;
}
