/* Inventories in INI, and lists of hosts, as Ansible's plugins ini and host_list read them
 * (plugins/inventory/ini.py, utils/shlex.py).  The result is the tree that an inventory in YAML
 * with the same meaning would have, with one entry for each section of the file. */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "private.h"

enum { LINES_MAX = 100000 };

enum section { SECTION_HOSTS, SECTION_CHILDREN, SECTION_VARS };

static const char *const section_names[] = {"hosts", "children", "vars"};

struct ini {
    struct hosts_source *s;
    struct error *err;
    uint32_t line; /* from 0 */
    const char *start;
    enum section section;
    struct hosts_node *members; /* the map of the section that is being read */
    struct keyset groups;       /* those with a section of hosts or children */
};

static int no_memory(struct ini *in)
{
    return error_sys(in->err, -ENOMEM, "cannot read the inventory");
}

static struct yaml_mark mark_at(const struct ini *in, const char *at)
{
    return (struct yaml_mark){.line = in->line, .column = (uint32_t)(at - in->start)};
}

static int fail_at(const struct ini *in, const char *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int fail_at(const struct ini *in, const char *at, const char *format, ...)
{
    const struct hosts_node n = {.from = in->s, .mark = mark_at(in, at)};
    char words[ERROR_TEXT_MAX];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(words, sizeof(words), format, args);
    va_end(args);
    return hosts_node_fail(&n, in->err, "%s", words);
}

/* --- a value ---------------------------------------------------------------------- */

static bool is_digits(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (!isdigit((unsigned char)text[i]))
            return false;
    return size > 0;
}

/* Does text that begins like a number of Python's look like one to its end?  Wider than what
 * Python accepts: what is taken for one here is refused where it is used. */
static bool is_number(const char *text, size_t size)
{
    size_t sign = size > 0 && (*text == '+' || *text == '-');

    if (size <= sign ||
        !(isdigit((unsigned char)text[sign]) ||
          (text[sign] == '.' && size > sign + 1 && isdigit((unsigned char)text[sign + 1]))))
        return false;
    for (size_t i = sign, dots = 0; i < size; i++) {
        dots += text[i] == '.';
        if (dots > 1 || !strchr("0123456789abcdefABCDEFoOxX_.jJ+-", text[i]))
            return false;
    }
    /* 0123 is no number to Python, 1abc neither. */
    if (is_digits(text + sign, size - sign))
        return text[sign] != '0' || size == sign + 1;
    return text[size - 1] == '.' || !strpbrk(text, "abcdfABCDF") ||
           (text[sign] == '0' && size > sign + 1 && strchr("xXbB", text[sign + 1]));
}

/* A string of Python's without escapes: 'TEXT' or "TEXT". */
static bool is_quoted(const char *text, size_t size)
{
    return size >= 2 && (*text == '\'' || *text == '"') && text[size - 1] == *text &&
           !memchr(text + 1, *text, size - 2) && !memchr(text, '\\', size);
}

/* [STRING, STRING …] */
static int read_list(struct ini *in, struct hosts_node *n, const char *text, size_t size,
                     bool *ret_is_list)
{
    const char *at = text + 1, *end = text + size - 1;

    n->kind = YAML_KIND_LIST;
    for (*ret_is_list = true;;) {
        struct hosts_node *item;
        const char *close;

        at += strspn(at, " \t");
        if (at >= end)
            return 0;
        close = *at == '\'' || *at == '"' ? memchr(at + 1, *at, (size_t)(end - at - 1)) : NULL;
        if (!close || !is_quoted(at, (size_t)(close - at + 1))) {
            *ret_is_list = false;
            return 0;
        }
        item = hosts_node_new(in->s, YAML_KIND_SCALAR, n->mark, at + 1, (size_t)(close - at - 1));
        if (!item || hosts_node_append(n, item) < 0)
            return no_memory(in);
        at = close + 1 + strspn(close + 1, " \t");
        if (at < end && *at++ != ',') {
            *ret_is_list = false;
            return 0;
        }
    }
}

/* What Python's ast.literal_eval makes of it; text where that fails.  A literal that is more
 * than a plain string, number or list of strings is YAML_TYPE_OTHER: refused where it is used. */
static int set_type(struct ini *in, struct hosts_node *n)
{
    static const char *const constants[] = {"None", "True", "False"};
    char *text = n->text, *hash = strchr(text, '#');
    size_t size = hash ? (size_t)(hash - text) : n->size; /* a comment, behind a literal */
    bool is_list = false;
    int r = 0;

    while (size > 0 && strchr(" \t", text[size - 1]))
        size--;
    for (size_t i = 0; i < ARRAY_SIZE(constants); i++)
        if (strlen(constants[i]) == size && memcmp(text, constants[i], size) == 0)
            n->type = i == 0 ? YAML_TYPE_NULL : YAML_TYPE_BOOL;
    if (is_number(text, size))
        n->type = is_digits(text, size) ? YAML_TYPE_INT : YAML_TYPE_OTHER;
    else if (is_quoted(text, n->size)) {
        memmove(text, text + 1, n->size - 2);
        n->size -= 2;
        text[n->size] = '\0';
        return 0;
    } else if (*text == '\'' || *text == '"' ||
               (size > 1 && strchr("bBrRuU", *text) && strchr("'\"", text[1])) || *text == '(' ||
               (*text == '{' && !hosts_is_template(text)))
        n->type = YAML_TYPE_OTHER;
    else if (*text == '[' && text[n->size - 1] == ']')
        r = read_list(in, n, text, n->size, &is_list);
    else if (*text == '[')
        n->type = YAML_TYPE_OTHER;
    if (r == 0 && n->kind == YAML_KIND_LIST && !is_list) {
        n->kind = YAML_KIND_SCALAR;
        n->type = YAML_TYPE_OTHER;
    }
    if (n->type == YAML_TYPE_INT) {
        n->size = size;
        text[size] = '\0';
    }
    return r;
}

static int add_variable(struct ini *in, struct hosts_node *map, const char *at, const char *key,
                        size_t key_size, const char *value, size_t value_size)
{
    struct hosts_node *k = hosts_node_new(in->s, YAML_KIND_SCALAR, mark_at(in, at), key, key_size);
    struct hosts_node *v =
        k ? hosts_node_new(in->s, YAML_KIND_SCALAR, k->mark, value, value_size) : NULL;

    if (!v || hosts_node_append(map, k) < 0 || hosts_node_append(map, v) < 0)
        return no_memory(in);
    return set_type(in, v);
}

/* --- words ------------------------------------------------------------------------ */

static bool is_blank(char c)
{
    return strchr(" \t\r\n", c) != NULL; /* and the end */
}

/* The next word of a line, as Python's shlex.split(comments=True) reads it: quotes, backslashes,
 * "#" before a comment, even inside a word.  Moves *at behind it.  1: there is none. */
static int next_word(struct ini *in, const char **at, struct text *ret)
{
    const char *c = *at, *first;
    bool any = false;
    char quote = '\0';

    text_reset(ret);
    while (*c && is_blank(*c))
        c++;
    first = c;
    for (; *c && (quote || !is_blank(*c)); c++) {
        if (!quote && *c == '#') {
            c += strlen(c);
            break;
        }
        any = true;
        if (!quote && (*c == '\'' || *c == '"'))
            quote = *c;
        else if (quote && *c == quote)
            quote = '\0';
        else if (*c == '\\' && quote != '\'') {
            if (!c[1])
                return fail_at(in, first, "a \"\\\" without a character behind it");
            if (quote && c[1] != quote && c[1] != '\\')
                text_addc(ret, '\\');
            text_addc(ret, *++c);
        } else
            text_addc(ret, *c);
    }
    if (quote)
        return fail_at(in, first, "a quote (%c) that is not closed", quote);
    *at = c;
    return text_error(ret) < 0 ? no_memory(in) : any ? 0 : 1;
}

/* --- lines ------------------------------------------------------------------------ */

/* "NAME KEY=VALUE …" */
static int read_host(struct ini *in, const char *line)
{
    CLEANUP(text_wipe) struct text word = TEXT_INIT;
    const char *at = line;
    struct hosts_node *name, *vars;
    int r = next_word(in, &at, &word);

    if (r != 0)
        return r < 0 ? r : 0;
    if (string_ends_with(text_str(&word), ":") || strcmp(text_str(&word), "---") == 0)
        return fail_at(in, line, "this line is neither INI nor the beginning of YAML");
    name = hosts_node_new(in->s, YAML_KIND_SCALAR, mark_at(in, line), text_str(&word), word.size);
    vars = hosts_node_new(in->s, YAML_KIND_MAP, mark_at(in, line), NULL, 0);
    if (!name || !vars || hosts_node_append(in->members, name) < 0 ||
        hosts_node_append(in->members, vars) < 0)
        return no_memory(in);
    for (;;) {
        const char *from = at + strspn(at, " \t"), *equals;

        r = next_word(in, &at, &word);
        if (r != 0)
            return r < 0 ? r : 0;
        equals = strchr(text_str(&word), '=');
        if (!equals)
            return fail_at(in, from, "after a host's name there can be NAME=VALUE only");
        r = add_variable(in, vars, from, word.data, (size_t)(equals - word.data), equals + 1,
                         strlen(equals + 1));
        if (r < 0)
            return r;
    }
}

static size_t trimmed(const char *from, const char *end)
{
    while (end > from && is_blank(end[-1]))
        end--;
    return (size_t)(end - from);
}

/* "KEY = VALUE" */
static int read_variable(struct ini *in, const char *line)
{
    const char *equals = strchr(line, '='), *value;

    if (!equals)
        return fail_at(in, line, "in a section of variables there can be NAME=VALUE only");
    value = equals + 1 + strspn(equals + 1, " \t");
    return add_variable(in, in->members, line, line, trimmed(line, equals), value, strlen(value));
}

/* The end of a group's name; the rest of the line must be a comment. */
static const char *name_end(const char *name)
{
    const char *end = name + strcspn(name, ":] \t\r\n");
    const char *rest = end + strspn(end, " \t");

    return end > name && (!*rest || *rest == '#') ? end : NULL;
}

static int read_child(struct ini *in, const char *line)
{
    const char *end = name_end(line);
    struct hosts_node *name, *nothing;

    if (!end)
        return fail_at(in, line, "in a section of groups there can be one group's name a line");
    name = hosts_node_new(in->s, YAML_KIND_SCALAR, mark_at(in, line), line, (size_t)(end - line));
    nothing = name ? hosts_node_new(in->s, YAML_KIND_MAP, name->mark, NULL, 0) : NULL;
    if (!nothing || hosts_node_append(in->members, name) < 0 ||
        hosts_node_append(in->members, nothing) < 0)
        return no_memory(in);
    return 0;
}

/* Adds {GROUP: {SECTION: {}}} to the root. */
static int begin_section(struct ini *in, const char *at, const char *group, size_t size,
                         enum section section)
{
    const char *name = section_names[section];
    struct yaml_mark mark = mark_at(in, at);
    struct hosts_node *key = hosts_node_new(in->s, YAML_KIND_SCALAR, mark, group, size);
    struct hosts_node *data = hosts_node_new(in->s, YAML_KIND_MAP, mark, NULL, 0);
    struct hosts_node *word = hosts_node_new(in->s, YAML_KIND_SCALAR, mark, name, strlen(name));

    in->section = section;
    in->members = hosts_node_new(in->s, YAML_KIND_MAP, mark, NULL, 0);
    if (!key || !data || !word || !in->members || hosts_node_append(in->s->root, key) < 0 ||
        hosts_node_append(in->s->root, data) < 0 || hosts_node_append(data, word) < 0 ||
        hosts_node_append(data, in->members) < 0)
        return no_memory(in);
    if (section != SECTION_VARS) {
        void **slot = keyset_slot(&in->groups, group, size);

        if (!slot)
            return no_memory(in);
        *slot = in;
    }
    return 0;
}

/* "[GROUP]" or "[GROUP:SECTION]", and maybe a comment. */
static int read_section(struct ini *in, const char *line)
{
    const char *group = line + 1, *end = group + strcspn(group, ":] \t"), *close = strchr(end, ']');
    const char *rest = close ? close + 1 + strspn(close + 1, " \t") : "x";
    size_t size = *end == ':' && close ? (size_t)(close - end - 1) : 0;

    if (end == group || (*rest && *rest != '#') || (*end != ':' && end != close))
        return fail_at(in, line, "a section must be [GROUP], [GROUP:children] or [GROUP:vars]");
    if (end == close)
        return begin_section(in, line, group, (size_t)(end - group), SECTION_HOSTS);
    for (size_t i = 0; i < ARRAY_SIZE(section_names); i++)
        if (strlen(section_names[i]) == size && memcmp(section_names[i], end + 1, size) == 0)
            return begin_section(in, line, group, (size_t)(end - group), (enum section)i);
    return fail_at(in, line, "a section must be [GROUP], [GROUP:children] or [GROUP:vars]");
}

static int read_line(struct ini *in, const char *line)
{
    if (!*line || *line == '#' || *line == ';')
        return 0;
    /* To Ansible, "[1:3]x" is no section but a host. */
    if (*line == '[' && strchr(line, ']') &&
        (!*(strchr(line, ']') + 1) || is_blank(*(strchr(line, ']') + 1)) ||
         strchr(line, ']')[1] == '#'))
        return read_section(in, line);
    switch (in->section) {
    case SECTION_HOSTS:
        return read_host(in, line);
    case SECTION_CHILDREN:
        return read_child(in, line);
    case SECTION_VARS:
        return read_variable(in, line);
    }
    return 0;
}

static bool is_declared(const struct ini *in, const struct hosts_node *group)
{
    return strcmp(group->text, "all") == 0 || strcmp(group->text, "ungrouped") == 0 ||
           keyset_find(&in->groups, group->text, group->size);
}

/* A group that is named in [GROUP:vars] or [x:children] must have a section of its own. */
static int check_groups(struct ini *in)
{
    const struct hosts_node *root = in->s->root;

    for (size_t i = 0; i < root->count; i += 2) {
        const struct hosts_node *section = root->items[i + 1], *members = section->items[1];
        bool children = strcmp(section->items[0]->text, "children") == 0;
        const struct hosts_node *group = NULL;

        if (!is_declared(in, root->items[i]))
            group = root->items[i];
        for (size_t k = 0; children && !group && k < members->count; k += 2)
            if (!is_declared(in, members->items[k]))
                group = members->items[k];
        if (group) {
            CLEANUP_TEXT struct text shown = TEXT_INIT;

            text_add_shown(&shown, group->text);
            return hosts_node_fail(group, in->err, "the group \"%s\" has no section [%s]",
                                   text_str(&shown), text_str(&shown));
        }
    }
    return 0;
}

static int read_lines(struct ini *in, char *text, char *end)
{
    int r = 0;

    while (r == 0 && text < end) {
        char *newline = memchr(text, '\n', (size_t)(end - text)), *stop = newline ? newline : end;
        const char *first = text;

        in->start = text;
        while (first < stop && isspace((unsigned char)*first))
            first++;
        for (*stop = '\0'; stop > first && isspace((unsigned char)stop[-1]);)
            *--stop = '\0';
        if (in->line == LINES_MAX)
            return fail_at(in, first, "more than %d lines", LINES_MAX);
        if (!utf8_valid(first, (size_t)(stop - first)) || strlen(first) < (size_t)(stop - first))
            return fail_at(in, first, "this line holds a NUL or is not UTF-8");
        r = read_line(in, first);
        in->line++;
        text = newline ? newline + 1 : end;
    }
    return r;
}

/* A copy, so that lines can be ended in it. */
struct copy {
    char *data;
    size_t size;
};

static void copy_clear(struct copy *c)
{
    if (c->data)
        explicit_bzero(c->data, c->size);
    free(c->data);
}

int hosts_source_read_ini(struct hosts_source *s, const void *data, size_t size, struct error *err)
{
    CLEANUP(copy_clear) struct copy copy = {.data = malloc(size + 1), .size = size + 1};
    struct ini in = {.s = s, .err = err, .start = copy.data};
    int r;

    s->lines = true;
    s->root = hosts_node_new(s, YAML_KIND_MAP, (struct yaml_mark){0}, NULL, 0);
    if (!copy.data || !s->root)
        return no_memory(&in);
    memcpy(copy.data, data, size);
    r = begin_section(&in, copy.data, "ungrouped", strlen("ungrouped"), SECTION_HOSTS);
    if (r == 0)
        r = read_lines(&in, copy.data, copy.data + size);
    if (r == 0)
        r = check_groups(&in);
    keyset_clear(&in.groups);
    return r;
}

int hosts_source_read_list(struct hosts_source *s, const char *list, struct error *err)
{
    struct ini in = {.s = s, .err = err, .start = list};
    int r;

    s->root = hosts_node_new(s, YAML_KIND_MAP, (struct yaml_mark){0}, NULL, 0);
    if (!s->root)
        return no_memory(&in);
    r = begin_section(&in, list, "ungrouped", strlen("ungrouped"), SECTION_HOSTS);
    for (const char *at = list; r == 0 && *at;) {
        const char *from = at + strspn(at, " \t"), *end = at + strcspn(at, ",");
        size_t size = end > from ? trimmed(from, end) : 0;
        CLEANUP_FREE char *name = strndup(from, size);

        at = *end ? end + 1 : end;
        if (!name)
            return no_memory(&in);
        if (size > 0)
            r = read_host(&in, name);
    }
    keyset_clear(&in.groups);
    return r;
}

/* --- is it INI? ------------------------------------------------------------------- */

/* The first line that is neither empty nor a comment. */
static size_t first_line(const char *data, size_t size, const char **ret)
{
    while (size > 0) {
        const char *newline = memchr(data, '\n', size);
        size_t n = newline ? (size_t)(newline - data) : size, blanks = 0;

        while (blanks < n && isspace((unsigned char)data[blanks]))
            blanks++;
        if (blanks < n && data[blanks] != '#' && data[blanks] != ';') {
            *ret = data + blanks;
            n -= blanks;
            while (isspace((unsigned char)(*ret)[n - 1]))
                n--;
            return n;
        }
        n += newline ? 1 : 0;
        data += n;
        size -= n;
    }
    *ret = data;
    return 0;
}

bool hosts_looks_like_ini(const char *data, size_t size)
{
    const char *line;
    size_t n = first_line(data, size, &line);

    if (n == 0)
        return false;
    if (*line == '[' && (memchr(line, ',', n) || memchr(line, '"', n) || memchr(line, '{', n) ||
                         !memchr(line, ']', n)))
        return false;
    /* Signs that begin YAML's collections, tags, quotes; "~" alone is null. */
    if (*line != '[' && !isalnum((unsigned char)*line) && *line != '_' &&
        !((unsigned char)*line & 0x80))
        return false;
    /* "KEY:" and "KEY: VALUE" */
    return line[n - 1] != ':' && !memmem(line, n, ": ", 2) && !memmem(line, n, ":\t", 2);
}
