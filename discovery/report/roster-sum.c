/* How many machines are there, and which are in trouble. */
#include <stdlib.h>

#include "discovery/base/table.h"
#include "roster-text.h"

/* In the order of trouble. */
enum standing {
    STANDING_OFFLINE,
    STANDING_FAILED,
    STANDING_IN_DOUBT,
    STANDING_ERROR,
    STANDING_UNHEARD,
    STANDING_THERE,
    STANDING_NO_BEACON,
    STANDING_UNVERIFIED,
    STANDINGS,
};

static const char *const standing_words[STANDINGS] = {
    [STANDING_OFFLINE] = "offline",
    [STANDING_FAILED] = "failed",
    [STANDING_IN_DOUBT] = "in doubt",
    [STANDING_ERROR] = "with an error",
    [STANDING_UNHEARD] = "not heard yet",
    [STANDING_THERE] = "there",
    [STANDING_NO_BEACON] = "without a beacon",
    [STANDING_UNVERIFIED] = "not verified",
};

static enum standing standing_of(const struct machine *m)
{
    if (m->untrusted)
        return STANDING_UNVERIFIED;
    if (!m->online)
        return STANDING_OFFLINE;
    if (!m->unheard && m->advert.state == ADVERT_STATE_FAILED)
        return STANDING_FAILED;
    if (m->in_doubt)
        return STANDING_IN_DOUBT;
    if (m->advert.error)
        return STANDING_ERROR;
    if (m->unheard)
        return STANDING_UNHEARD;
    return m->beacon ? STANDING_THERE : STANDING_NO_BEACON;
}

const struct machine **report_sort_trouble(const struct machine *const *machines, size_t n)
{
    const struct machine **sorted = calloc(n + 1, sizeof(*sorted));
    size_t taken = 0;

    for (int s = 0; sorted && s < STANDINGS; s++)
        for (size_t i = 0; i < n; i++)
            if (standing_of(machines[i]) == (enum standing)s)
                sorted[taken++] = machines[i];
    return sorted;
}

static void add_sum(const struct machine *const *machines, size_t n, size_t hidden,
                    struct text *ret)
{
    size_t counts[STANDINGS] = {0};

    for (size_t i = 0; i < n; i++)
        counts[standing_of(machines[i])]++;
    text_addf(ret, "%zu machine%s: %zu there", n, n == 1 ? "" : "s", counts[STANDING_THERE]);
    for (size_t s = 0; s < STANDINGS; s++)
        if (s != STANDING_THERE && counts[s] > 0)
            text_addf(ret, ", %zu %s", counts[s], standing_words[s]);
    if (hidden > 0)
        text_addf(ret, "; %zu %s not shown", hidden,
                  hidden == n   ? "are"
                  : hidden == 1 ? "more is"
                                : "more are");
}

void report_add_sum_line(const struct machine *const *machines, size_t n, size_t hidden,
                         const struct report_style *style, struct text *ret)
{
    CLEANUP_TEXT struct text sum = TEXT_INIT;

    add_sum(machines, n, hidden, &sum);
    if (text_error(&sum) < 0)
        ret->failed = true;
    text_add_wrapped(ret, text_str(&sum), style->terminal.width, 0, 2);
    text_addc(ret, '\n');
}
