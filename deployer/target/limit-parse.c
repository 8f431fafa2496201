/* Parses --limit into patterns. */
#include <errno.h>
#include <string.h>

#include "discovery/base/cleanup.h"
#include "discovery/base/file.h"
#include "limit-private.h"

static int no_memory(struct error *err)
{
    return error_sys(err, -ENOMEM, "cannot read --limit");
}

/* The state while one value of --limit or one line of a file is parsed. */
struct reading {
    struct limit *s;
    const char *place; /* NULL: the command line */
    bool negated;      /* there is a "!" before "@FILE" */
    struct error *err;
};

static int refuse_pattern(const struct reading *rd, const char *pattern, const char *what)
{
    CLEANUP_TEXT struct text shown = TEXT_INIT;

    limit_add_shown(&shown, pattern);
    return error_set(rd->err, -EINVAL, "%s\"%s\" %s",
                     rd->place ? rd->place : "--limit: ", text_str(&shown), what);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* Is the character at `at` escaped by a backslash? */
static bool is_escaped(const char *start, const char *at)
{
    size_t n = 0;

    while (at > start && *--at == '\\')
        n++;
    return n % 2 == 1;
}

/* A copy without the blanks around it; NULL without memory. */
static char *copy_trimmed(const char *from, const char *end)
{
    while (from < end && is_blank(*from))
        from++;
    while (end > from && is_blank(end[-1]) && !is_escaped(from, end - 1))
        end--;
    return strndup(from, (size_t)(end - from));
}

/* Takes over `taken`, the glob, also on failure. */
static int append_pattern(const struct reading *rd, char *taken, bool negated)
{
    CLEANUP_FREE char *glob = taken;
    struct limit *s = rd->s;
    struct limit_pattern *p;

    if (s->count == LIMIT_PATTERNS_MAX)
        return error_set(rd->err, -EINVAL, "--limit: more than %d patterns", LIMIT_PATTERNS_MAX);
    if ((s->count & (s->count - 1)) == 0) {
        p = reallocarray(s->patterns, s->count ? s->count * 2 : 1, sizeof(*p));
        if (!p)
            return no_memory(rd->err);
        s->patterns = p;
    }
    p = &s->patterns[s->count];
    *p = (struct limit_pattern){.negated = negated};
    p->place = rd->place ? strdup(rd->place) : NULL;
    if (rd->place && !p->place)
        return no_memory(rd->err);
    p->all = strcmp(glob, "all") == 0 || strcmp(glob, "*") == 0;
    p->glob = TAKE_PTR(glob);
    s->count++;
    return 0;
}

/* Adds one pattern, without blanks around it and without its "!". */
static int add_pattern(const struct reading *rd, const char *pattern, bool negated)
{
    size_t size = strlen(pattern);
    char *glob;

    if (size == 0)
        return refuse_pattern(rd, "!", "has no pattern after it");
    if (!utf8_valid(pattern, size))
        return refuse_pattern(rd, pattern, "is not UTF-8");
    if (*pattern == '!')
        return refuse_pattern(rd, pattern,
                              rd->negated
                                  ? "is in a file that \"!\" already excludes"
                                  : "has two \"!\"; write a name that begins with one as \\!…");
    if (*pattern == '&')
        return refuse_pattern(
            rd, pattern,
            "begins with \"&\", and intersections are not supported; write a name that "
            "begins with it as \\&…");
    if (*pattern == '~')
        return refuse_pattern(
            rd, pattern,
            "begins with \"~\", and regular expressions are not supported; write a name "
            "that begins with it as \\~…");
    if (is_escaped(pattern, pattern + size))
        return refuse_pattern(rd, pattern,
                              "ends with a backslash; write a literal backslash as \\\\");
    glob = strdup(pattern);
    return glob ? append_pattern(rd, glob, negated) : no_memory(rd->err);
}

static int add_line(struct reading *rd, const char *from, const char *end)
{
    CLEANUP_FREE char *pattern = NULL;
    bool negated;

    for (const char *c = from; c < end; c++)
        if (*c == '#' && (c == from || is_blank(c[-1])) && !is_escaped(from, c))
            end = c;
    pattern = copy_trimmed(from, end);
    if (!pattern)
        return no_memory(rd->err);
    if (!*pattern)
        return 0;
    if (*pattern == '@')
        return refuse_pattern(
            rd, pattern, "names a file inside a file; write a name that begins with \"@\" as \\@…");
    negated = *pattern == '!' && !rd->negated;
    return add_pattern(rd, pattern + (negated ? 1 : 0), negated || rd->negated);
}

static int add_file(struct limit *s, const char *path, bool negated, struct error *err)
{
    CLEANUP_TEXT struct text content = TEXT_INIT, place = TEXT_INIT;
    struct reading rd = {.s = s, .negated = negated, .err = err};
    const char *at, *end;
    int r;

    if (!*path)
        return error_set(err, -EINVAL, "--limit: \"@\" without a file name after it");
    r = file_read(path, LIMIT_FILE_MAX, &content, err);
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
            return error_set(err, -EINVAL, "%sa NUL character: this is not a text file", rd.place);
        r = add_line(&rd, at, stop);
        at = stop + 1;
    }
    return r;
}

static int add_part(struct reading *rd, const char *from, const char *end)
{
    CLEANUP_FREE char *pattern = copy_trimmed(from, end);
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

static int add_limit(struct limit *s, const char *limit, struct error *err)
{
    struct reading rd = {.s = s, .err = err};
    const char *from = limit;
    int r = 0;

    if (limit[strspn(limit, " \t\r,")] == '\0')
        return error_set(err, -EINVAL,
                         "--limit: the value contains no pattern; \"all\" selects everything");
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

int limit_parse(const struct strings *limits, struct limit *ret, struct error *err)
{
    CLEANUP(limit_clear) struct limit s = LIMIT_INIT;

    for (size_t i = 0; i < limits->count; i++) {
        int r = add_limit(&s, limits->items[i], err);

        if (r < 0)
            return r;
    }
    /* An empty file must not select everything. */
    if (limits->count > 0 && s.count == 0)
        return error_set(err, -EINVAL, "--limit: there is no pattern in %s", limits->items[0]);
    *ret = s;
    s = LIMIT_INIT;
    return 0;
}
