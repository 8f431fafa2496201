#include "select.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdint.h>
#include <string.h>

#include "discovery/base/cleanup.h"
#include "discovery/base/file.h"
#include "discovery/suggest.h"

enum { SHOWN_NAMES_MAX = 12, SHOWN_BYTES_MAX = 400, SHOWN_PATTERN_MAX = 80 };

struct select_pattern {
    char *glob;  /* backslashes are fnmatch's */
    char *place; /* "FILE:LINE: ", NULL: the command line */
    bool negated;
    bool all;
};

void selection_clear(struct selection *s)
{
    for (size_t i = 0; i < s->count; i++) {
        free(s->patterns[i].glob);
        free(s->patterns[i].place);
    }
    free(s->patterns);
    *s = SELECTION_INIT;
}

static int no_memory(struct error *err)
{
    return error_sys(err, -ENOMEM, "cannot read --limit");
}

/* Printable and not endless; cut between characters. */
static void add_shown(struct text *to, const char *name)
{
    size_t size = strlen(name);
    CLEANUP_FREE char *cut = NULL;

    if (size > SHOWN_PATTERN_MAX) {
        size = SHOWN_PATTERN_MAX;
        while (size > 0 && ((unsigned char)name[size] & 0xc0) == 0x80)
            size--;
    }
    cut = strndup(name, size);
    if (cut)
        text_add_printable(to, cut);
    if (name[size])
        text_adds(to, "…");
}

/* What is being read: the patterns of one value or line. */
struct reading {
    struct selection *s;
    const char *place; /* NULL: the command line */
    bool negated;      /* by the "!" before "@FILE" */
    struct error *err;
};

static int fail(const struct reading *rd, const char *pattern, const char *what)
{
    CLEANUP_TEXT struct text shown = TEXT_INIT;

    add_shown(&shown, pattern);
    return error_set(rd->err, -EINVAL, "%s\"%s\" %s",
                     rd->place ? rd->place : "--limit: ", text_str(&shown), what);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* Whether the character at `at` has lost its meaning to a backslash. */
static bool is_escaped(const char *start, const char *at)
{
    size_t n = 0;

    while (at > start && *--at == '\\')
        n++;
    return n % 2 == 1;
}

/* A copy without the blanks around it; NULL without memory. */
static char *trim(const char *from, const char *end)
{
    while (from < end && is_blank(*from))
        from++;
    while (end > from && is_blank(end[-1]) && !is_escaped(from, end - 1))
        end--;
    return strndup(from, (size_t)(end - from));
}

/* Takes the glob over, also on failure. */
static int append(const struct reading *rd, char *taken, bool negated)
{
    CLEANUP_FREE char *glob = taken;
    struct selection *s = rd->s;
    struct select_pattern *p;

    if (s->count == SELECT_PATTERNS_MAX)
        return error_set(rd->err, -EINVAL, "--limit: more than %d patterns", SELECT_PATTERNS_MAX);
    if ((s->count & (s->count - 1)) == 0) {
        p = reallocarray(s->patterns, s->count ? s->count * 2 : 1, sizeof(*p));
        if (!p)
            return no_memory(rd->err);
        s->patterns = p;
    }
    p = &s->patterns[s->count];
    *p = (struct select_pattern){.negated = negated};
    p->place = rd->place ? strdup(rd->place) : NULL;
    if (rd->place && !p->place)
        return no_memory(rd->err);
    p->all = strcmp(glob, "all") == 0 || strcmp(glob, "*") == 0;
    p->glob = TAKE_PTR(glob);
    s->count++;
    return 0;
}

/* One pattern, trimmed, its "!" read. */
static int add_pattern(const struct reading *rd, const char *pattern, bool negated)
{
    size_t size = strlen(pattern);
    char *glob;

    if (size == 0)
        return fail(rd, "!", "is a \"not\" without a pattern behind it");
    if (!utf8_valid(pattern, size))
        return fail(rd, pattern, "is not UTF-8");
    if (*pattern == '!')
        return fail(rd, pattern,
                    rd->negated ? "stands in a file that is itself behind a \"!\""
                                : "has two \"!\"; a name that begins with one is written \\!…");
    if (*pattern == '&')
        return fail(rd, pattern,
                    "begins with \"&\", and intersections are not known here; a name that begins "
                    "with it is written \\&…");
    if (*pattern == '~')
        return fail(rd, pattern,
                    "begins with \"~\", and regular expressions are not known here; a name that "
                    "begins with it is written \\~…");
    if (is_escaped(pattern, pattern + size))
        return fail(rd, pattern, "ends in a backslash; as a character it is written \\\\");
    glob = strdup(pattern);
    return glob ? append(rd, glob, negated) : no_memory(rd->err);
}

static int add_line(struct reading *rd, const char *from, const char *end)
{
    CLEANUP_FREE char *pattern = NULL;
    bool negated;

    for (const char *c = from; c < end; c++)
        if (*c == '#' && (c == from || is_blank(c[-1])) && !is_escaped(from, c))
            end = c;
    pattern = trim(from, end);
    if (!pattern)
        return no_memory(rd->err);
    if (!*pattern)
        return 0;
    if (*pattern == '@')
        return fail(rd, pattern,
                    "names a file in a file; a name that begins with \"@\" is written \\@…");
    negated = *pattern == '!' && !rd->negated;
    return add_pattern(rd, pattern + (negated ? 1 : 0), negated || rd->negated);
}

static int add_file(struct selection *s, const char *path, bool negated, struct error *err)
{
    CLEANUP_TEXT struct text content = TEXT_INIT, place = TEXT_INIT;
    struct reading rd = {.s = s, .negated = negated, .err = err};
    const char *at, *end;
    int r;

    if (!*path)
        return error_set(err, -EINVAL, "--limit: \"@\" without a file's name behind it");
    r = file_read(path, SELECT_FILE_MAX, &content, err);
    if (r < 0)
        return error_prefix(err, "--limit");
    at = text_str(&content);
    end = at + content.size;
    for (size_t line = 1; r == 0 && at < end; line++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *stop = newline ? newline : end;

        text_reset(&place);
        text_add_printable(&place, strcmp(path, "-") == 0 ? "standard input" : path);
        text_addf(&place, ":%zu: ", line);
        rd.place = text_str(&place);
        if (text_error(&place) < 0)
            return no_memory(err);
        if (memchr(at, '\0', (size_t)(stop - at)))
            return error_set(err, -EINVAL, "%sa NUL character: this is no text", rd.place);
        r = add_line(&rd, at, stop);
        at = stop + 1;
    }
    return r;
}

static int add_part(struct reading *rd, const char *from, const char *end)
{
    CLEANUP_FREE char *pattern = trim(from, end);
    const char *rest = pattern;
    bool negated;

    if (!pattern)
        return no_memory(rd->err);
    if (!*pattern)
        return 0;
    negated = *rest == '!';
    if (negated)
        while (is_blank(*++rest))
            ;
    if (*rest == '@')
        return add_file(rd->s, rest + 1, negated, rd->err);
    return add_pattern(rd, rest, negated);
}

static int add_limit(struct selection *s, const char *limit, struct error *err)
{
    struct reading rd = {.s = s, .err = err};
    const char *from = limit;
    int r = 0;

    if (limit[strspn(limit, " \t\r,")] == '\0')
        return error_set(err, -EINVAL, "--limit: there is no pattern in it; \"all\" is everything");
    for (const char *c = limit; r == 0; c++) {
        if (*c && (*c != ',' || is_escaped(from, c)))
            continue;
        r = add_part(&rd, from, c);
        from = c + 1;
        if (!*c)
            break;
    }
    return r;
}

int selection_parse(const struct strings *limits, struct selection *ret, struct error *err)
{
    CLEANUP(selection_clear) struct selection s = SELECTION_INIT;

    for (size_t i = 0; i < limits->count; i++) {
        int r = add_limit(&s, limits->items[i], err);

        if (r < 0)
            return r;
    }
    /* A file with nothing in it must not mean everything. */
    if (limits->count > 0 && s.count == 0)
        return error_set(err, -EINVAL, "--limit: there is no pattern in %s", limits->items[0]);
    *ret = s;
    s = SELECTION_INIT;
    return 0;
}

static bool matches(const struct select_pattern *p, const char *name)
{
    return name && *name && (strcmp(p->glob, name) == 0 || fnmatch(p->glob, name, 0) == 0);
}

static bool matches_machine(const struct select_pattern *p, const struct select_item *m)
{
    const char *dot = m->host ? strchr(m->host, '.') : NULL;

    if (p->all || matches(p, m->id) || matches(p, m->host))
        return true;
    if (dot) {
        CLEANUP_FREE char *first = strndup(m->host, (size_t)(dot - m->host));

        if (matches(p, first))
            return true;
    }
    for (size_t i = 0; m->labels && i < m->labels->count; i++)
        if (matches(p, m->labels->items[i]))
            return true;
    return false;
}

/* Sets the machine's marks to `in` where the pattern matches; whether it does. */
static bool mark(const struct select_pattern *p, struct select_item *m, bool in)
{
    bool whole = matches_machine(p, m), any = whole;

    if (whole)
        m->selected = in;
    for (size_t i = 0; i < m->agents->count; i++)
        if (whole || matches(p, m->agents->items[i])) {
            m->agents_in[i] = in;
            any = true;
        }
    return any;
}

/* The names that can be meant, in order: each agent, and what a machine
 * without agents is called. */
static const char *nth_name(const struct select_item *items, size_t n, size_t wanted)
{
    for (size_t i = 0; i < n; i++) {
        size_t count = items[i].agents->count;

        if (wanted < count)
            return items[i].agents->items[wanted];
        wanted -= count;
        if (count > 0)
            continue;
        if (wanted == 0)
            return items[i].host ? items[i].host : items[i].id ? items[i].id : "?";
        wanted--;
    }
    return NULL;
}

static void add_names(struct text *to, const struct select_item *items, size_t n)
{
    size_t shown = 0, all = 0;

    while (nth_name(items, n, all))
        all++;
    for (; shown < all && shown < SHOWN_NAMES_MAX && to->size < SHOWN_BYTES_MAX; shown++) {
        text_adds(to, shown ? ", " : "");
        add_shown(to, nth_name(items, n, shown));
    }
    if (shown < all)
        text_addf(to, " … and %zu more", all - shown);
}

struct nearest {
    struct suggest_fold wanted;
    const char *name;
    unsigned distance;
};

static void try_name(struct nearest *best, const char *name)
{
    struct suggest_fold f;
    unsigned limit, distance;

    if (!name || !*name)
        return;
    suggest_fold(name, &f);
    limit = suggest_limit(f.count > best->wanted.count ? f.count : best->wanted.count);
    distance = suggest_distance(&f, &best->wanted, limit);
    if (distance > limit || (best->name && distance >= best->distance))
        return;
    best->name = name;
    best->distance = distance;
}

static void add_nearest(struct text *to, const char *pattern, const struct select_item *items,
                        size_t n)
{
    struct nearest best = {.name = NULL};

    suggest_fold(pattern, &best.wanted);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < items[i].agents->count; j++)
            try_name(&best, items[i].agents->items[j]);
        try_name(&best, items[i].host);
        try_name(&best, items[i].id);
        for (size_t j = 0; items[i].labels && j < items[i].labels->count; j++)
            try_name(&best, items[i].labels->items[j]);
    }
    if (!best.name)
        return;
    text_adds(to, " (did you mean ");
    add_shown(to, best.name);
    text_adds(to, "?)");
}

static int fail_no_match(const struct select_pattern *p, const struct select_item *items, size_t n,
                         struct error *err)
{
    CLEANUP_TEXT struct text shown = TEXT_INIT, near = TEXT_INIT, names = TEXT_INIT;

    add_shown(&shown, p->glob);
    add_nearest(&near, p->glob, items, n);
    add_names(&names, items, n);
    if (names.size == 0)
        return error_set(err, -EINVAL,
                         "%sno agent or machine to match \"%s\": there is none at all",
                         p->place ? p->place : "--limit: ", text_str(&shown));
    return error_set(err, -EINVAL, "%sno agent or machine matches \"%s\"%s; there are %s",
                     p->place ? p->place : "--limit: ", text_str(&shown), text_str(&near),
                     text_str(&names));
}

static int start(struct select_item *items, size_t n, bool in)
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

static int apply_signed(const struct selection *s, bool negated, struct select_item *items,
                        size_t n, struct error *err)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct select_pattern *p = &s->patterns[i];
        bool any = p->all;

        if (p->negated != negated)
            continue;
        for (size_t j = 0; j < n; j++)
            any = mark(p, &items[j], !negated) || any;
        if (!any)
            return fail_no_match(p, items, n, err);
    }
    return 0;
}

/* A machine with agents is in when one of them is. */
static size_t settle(struct select_item *items, size_t n)
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

int selection_apply(const struct selection *s, struct select_item *items, size_t n,
                    struct error *err)
{
    bool positive = false;
    int r;

    for (size_t i = 0; i < n; i++)
        items[i].agents_in = NULL;
    for (size_t i = 0; i < s->count; i++)
        positive = positive || !s->patterns[i].negated;
    r = start(items, n, !positive);
    if (r < 0)
        (void)no_memory(err);
    if (r == 0)
        r = apply_signed(s, false, items, n, err);
    if (r == 0)
        r = apply_signed(s, true, items, n, err);
    if (r == 0 && settle(items, n) == 0 && s->count > 0)
        r = error_set(err, -EINVAL,
                      "--limit: nothing is left: what is meant is also behind a \"!\"");
    if (r < 0)
        select_items_clear(items, n);
    return r;
}

void select_items_clear(struct select_item *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(items[i].agents_in);
        items[i].agents_in = NULL;
        items[i].selected = false;
    }
}
