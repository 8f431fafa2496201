/* Applies the patterns to machines. */
#include <errno.h>
#include <fnmatch.h>
#include <string.h>

#include "discovery/base/cleanup.h"
#include "limit-private.h"

void limit_clear(struct limit *s)
{
    for (size_t i = 0; i < s->count; i++) {
        free(s->patterns[i].glob);
        free(s->patterns[i].place);
    }
    free(s->patterns);
    *s = LIMIT_INIT;
}

static bool is_glob(const char *pattern)
{
    for (; *pattern; pattern++) {
        if (*pattern == '\\' && pattern[1])
            pattern++;
        else if (strchr("*?[", *pattern))
            return true;
    }
    return false;
}

bool limit_is_open(const struct limit *s)
{
    bool named = false;

    for (size_t i = 0; i < s->count; i++) {
        const struct limit_pattern *p = &s->patterns[i];

        if (!p->negated && (p->all || is_glob(p->glob)))
            return true;
        named = named || !p->negated;
    }
    return !named;
}

static bool matches_name(const struct limit_pattern *p, const char *name)
{
    return name && *name && (strcmp(p->glob, name) == 0 || fnmatch(p->glob, name, 0) == 0);
}

/* Is it NAME.local, for a NAME without a domain?  The host is then found by mDNS. */
static bool matches_local_name(const struct limit_pattern *p, const char *name)
{
    size_t size = name ? strlen(name) : 0;

    return size > 0 && !strchr(name, '.') && strncmp(p->glob, name, size) == 0 &&
           strcmp(p->glob + size, ".local") == 0;
}

static bool matches_machine(const struct limit_pattern *p, const struct limit_item *m)
{
    const char *dot = m->host ? strchr(m->host, '.') : NULL;

    if (p->all || matches_name(p, m->id) || matches_name(p, m->host) ||
        matches_local_name(p, m->host))
        return true;
    if (dot) {
        CLEANUP_FREE char *first = strndup(m->host, (size_t)(dot - m->host));

        if (matches_name(p, first))
            return true;
    }
    for (size_t i = 0; m->labels && i < m->labels->count; i++)
        if (matches_name(p, m->labels->items[i]))
            return true;
    return false;
}

/* Sets the marks of what the pattern matches to `in`; true if it matches anything. */
static bool mark_matching(const struct limit_pattern *p, struct limit_item *m, bool in)
{
    bool whole = matches_machine(p, m), any = whole;

    if (whole)
        m->selected = in;
    for (size_t i = 0; i < m->agents->count; i++)
        if (whole || matches_name(p, m->agents->items[i])) {
            m->agents_in[i] = in;
            any = true;
        }
    return any;
}

static int set_marks(struct limit_item *items, size_t n, bool in)
{
    for (size_t i = 0; i < n; i++) {
        size_t count = items[i].agents->count;

        items[i].selected = in;
        items[i].agents_in = calloc(count + 1, sizeof(bool));
        if (!items[i].agents_in)
            return -ENOMEM;
        for (size_t j = 0; j < count; j++)
            items[i].agents_in[j] = in;
    }
    return 0;
}

static int apply_patterns(const struct limit *s, bool negated, struct limit_item *items, size_t n,
                          struct error *err)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct limit_pattern *p = &s->patterns[i];
        bool any = p->all;

        if (p->negated != negated)
            continue;
        for (size_t j = 0; j < n; j++)
            any = mark_matching(p, &items[j], !negated) || any;
        if (!any)
            return limit_fail_no_match(p, items, n, err);
    }
    return 0;
}

/* Selects the machines that have a selected agent; returns how many machines are selected. */
static size_t select_machines(struct limit_item *items, size_t n)
{
    size_t selected = 0;

    for (size_t i = 0; i < n; i++) {
        bool any = false;

        for (size_t j = 0; j < items[i].agents->count; j++)
            any = any || items[i].agents_in[j];
        if (items[i].agents->count > 0)
            items[i].selected = any;
        selected += items[i].selected ? 1 : 0;
    }
    return selected;
}

int limit_apply(const struct limit *s, struct limit_item *items, size_t n, struct error *err)
{
    bool positive = false;
    int r;

    for (size_t i = 0; i < n; i++)
        items[i].agents_in = NULL;
    for (size_t i = 0; i < s->count; i++)
        positive = positive || !s->patterns[i].negated;
    r = set_marks(items, n, !positive);
    if (r < 0)
        error_sys(err, r, "cannot read --limit");
    if (r == 0)
        r = apply_patterns(s, false, items, n, err);
    if (r == 0)
        r = apply_patterns(s, true, items, n, err);
    if (r == 0 && select_machines(items, n) == 0 && s->count > 0)
        r = error_set(
            err, -EINVAL,
            n == 0 ? "--limit: there is no machine to select from"
                   : "--limit: nothing is selected: \"!\" excludes all that the other patterns "
                     "select");
    if (r < 0)
        limit_items_clear(items, n);
    return r;
}

void limit_items_clear(struct limit_item *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(items[i].agents_in);
        items[i].agents_in = NULL;
        items[i].selected = false;
    }
}
