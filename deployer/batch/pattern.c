#include "pattern.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "discovery/base/cleanup.h"

/* While one is translated. */
struct translation {
    const char *at;
    struct text out;
    struct pattern *to;
    size_t groups; /* opened; the first is ours, around all */
    unsigned bounds;
    unsigned doubled; /* repetitions of a group, for each of which regcomp may copy all in it */
    bool repeated;    /* what comes next would make a repetition lazy */
    bool closed;      /* a group ends just before */
    struct error *err;
};

enum { BOUND_MAX = 255, BOUNDS_MAX = 16, DOUBLED_MAX = 6 };

void pattern_clear(struct pattern *p)
{
    if (p->compiled)
        regfree(&p->regex);
    for (size_t i = 0; i <= PATTERN_GROUPS_MAX; i++)
        free(p->names[i]);
    *p = (struct pattern){0};
}

static int refuse(const struct translation *t, const char *why)
{
    return error_set(t->err, -EINVAL, "%s in the regular expression is not supported: '%.20s'", why,
                     t->at);
}

/* \d and the like; `inside` brackets. */
static const char *class_of(char letter, bool inside)
{
    switch (letter) {
    case 'd':
        return inside ? "0-9" : "[0-9]";
    case 'w':
        return inside ? "[:alnum:]_" : "[[:alnum:]_]";
    case 's':
        return inside ? "[:space:]" : "[[:space:]]";
    case 'D':
        return inside ? NULL : "[^0-9]";
    case 'W':
        return inside ? NULL : "[^[:alnum:]_]";
    case 'S':
        return inside ? NULL : "[^[:space:]]";
    default:
        return NULL;
    }
}

static int take_escape(struct translation *t)
{
    char c = t->at[1];
    const char *class = class_of(c, false);

    if (!class && (c == '\0' || isalnum((unsigned char)c)))
        return refuse(t, "this escape");
    if (class)
        text_adds(&t->out, class);
    else
        text_add(&t->out, t->at, 2);
    t->at += 2;
    return 0;
}

/* POSIX has no escapes in brackets. */
static int take_brackets(struct translation *t)
{
    const char *start = t->at;

    text_addc(&t->out, *t->at++);
    if (*t->at == '^')
        text_addc(&t->out, *t->at++);
    if (*t->at == ']')
        text_addc(&t->out, *t->at++);
    while (*t->at && *t->at != ']') {
        const char *class = *t->at == '\\' ? class_of(t->at[1], true) : NULL;

        if (*t->at == '[' ||
            (*t->at == '\\' && !class && (!t->at[1] || !strchr(".+*?(){}$|/ _", t->at[1]))))
            return refuse(t, "this in brackets");
        if (class)
            text_adds(&t->out, class);
        else
            text_addc(&t->out, *t->at == '\\' ? t->at[1] : *t->at);
        t->at += *t->at == '\\' ? 2 : 1;
    }
    if (!*t->at) {
        t->at = start;
        return refuse(t, "a bracket that is not closed");
    }
    text_addc(&t->out, *t->at++);
    return 0;
}

static int take_group(struct translation *t)
{
    const char *name = t->at + 4;
    size_t size;

    if (++t->groups > PATTERN_GROUPS_MAX)
        return refuse(t, "so many groups");
    text_addc(&t->out, '(');
    if (strncmp(t->at, "(?:", 3) == 0) {
        t->at += 3;
        return 0;
    }
    if (t->at[1] != '?') {
        t->at++;
        return 0;
    }
    if (strncmp(t->at, "(?P<", 4) != 0)
        return refuse(t, "this kind of group");
    size = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
    if (size == 0 || name[size] != '>' || isdigit((unsigned char)*name))
        return refuse(t, "this name of a group");
    t->to->names[t->groups] = strndup(name, size);
    if (!t->to->names[t->groups])
        return -ENOMEM;
    t->at = name + size + 1;
    return 0;
}

/* {m}, {m,n} and the like are copies in memory: of one character, and not too many. */
static int take_bound(struct translation *t)
{
    const char *digits = t->at + 1;

    if (isdigit((unsigned char)*digits) || *digits == ',') {
        if (t->closed || t->repeated)
            return refuse(t, "a bound of a group or of a repetition");
        for (; isdigit((unsigned char)*digits) || *digits == ','; digits++)
            if (isdigit((unsigned char)*digits) && strtoul(digits, NULL, 10) > BOUND_MAX)
                return refuse(t, "a bound over 255");
        if (++t->bounds > BOUNDS_MAX)
            return refuse(t, "so many bounds");
    }
    text_addc(&t->out, *t->at++);
    return 0;
}

static int take_one(struct translation *t)
{
    bool repeats = strchr("*+?}", *t->at) != NULL, closes = *t->at == ')';
    int r = 0;

    if (t->repeated && (*t->at == '?' || *t->at == '+' || *t->at == '*'))
        return refuse(t, "a lazy or possessive repetition");
    if (t->closed && *t->at == '+' && ++t->doubled > DOUBLED_MAX)
        return refuse(t, "so many repeated groups");
    if (*t->at == '{')
        r = take_bound(t);
    else if (*t->at == '\\')
        r = take_escape(t);
    else if (*t->at == '[')
        r = take_brackets(t);
    else if (*t->at == '(')
        r = take_group(t);
    else
        text_addc(&t->out, *t->at++);
    t->repeated = repeats;
    t->closed = closes;
    return r;
}

int pattern_compile(const char *python, struct pattern *ret, struct error *err)
{
    struct translation t = {.at = python, .to = ret, .groups = 1, .err = err};
    int r = strlen(python) > PATTERN_SIZE_MAX ? refuse(&t, "so long a text") : 0;
    char words[128];

    *ret = (struct pattern){0};
    text_adds(&t.out, "^(");
    while (*t.at && r == 0)
        r = take_one(&t);
    text_adds(&t.out, ")$");
    if (r == 0)
        r = text_error(&t.out);
    if (r == 0) {
        int failed = regcomp(&ret->regex, text_str(&t.out), REG_EXTENDED);

        ret->compiled = failed == 0;
        (void)regerror(failed, &ret->regex, words, sizeof(words));
        if (failed)
            r = error_set(err, -EINVAL, "'%s' is not a regular expression: %s", python, words);
    }
    text_clear(&t.out);
    if (r < 0)
        pattern_clear(ret);
    return r;
}

int pattern_match(const struct pattern *p, const char *name, bool *ret_matches,
                  struct strings *ret_names, struct strings *ret_texts)
{
    regmatch_t found[PATTERN_GROUPS_MAX + 1];

    *ret_matches = regexec(&p->regex, name, PATTERN_GROUPS_MAX + 1, found, 0) == 0;
    for (size_t i = 0; i <= PATTERN_GROUPS_MAX && *ret_matches; i++) {
        size_t size = (size_t)(found[i].rm_eo - found[i].rm_so);

        if (!p->names[i])
            continue;
        if (strings_add(ret_names, p->names[i]) < 0 ||
            strings_addn(ret_texts, found[i].rm_so < 0 ? "" : name + found[i].rm_so,
                         found[i].rm_so < 0 ? 0 : size) < 0)
            return -ENOMEM;
    }
    return 0;
}
