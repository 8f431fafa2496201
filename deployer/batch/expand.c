#include "expand.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "discovery/base/cleanup.h"

void expand_context_clear(struct expand_context *c)
{
    strings_clear(&c->names);
    strings_clear(&c->texts);
}

int expand_context_set(struct expand_context *c, const char *name, const char *text)
{
    if (strings_add(&c->names, name) < 0)
        return -ENOMEM;
    return strings_add(&c->texts, text);
}

static void cut(struct strings *s, size_t count)
{
    while (s->count > count)
        free(s->items[--s->count]);
}

void expand_context_cut(struct expand_context *c, size_t count)
{
    cut(&c->names, count);
    cut(&c->texts, count);
}

static const char *find(const struct expand_context *c, const char *name)
{
    for (size_t i = c->names.count; i-- > 0;)
        if (i < c->texts.count && strcmp(c->names.items[i], name) == 0)
            return c->texts.items[i];
    return NULL;
}

static void add_known(const struct expand_context *c, struct text *ret)
{
    for (size_t i = 0; i < c->names.count; i++) {
        text_adds(ret, i ? ", " : "");
        text_add_printable(ret, c->names.items[i]);
    }
}

/* "algo_params[variant]" is "algo_params.variant". */
static int name_variable(const char *words, size_t size, struct text *ret, struct error *err)
{
    size_t plain = strcspn(words, "[]!:.{");

    if (plain >= size) {
        text_add(ret, words, size);
        return 0;
    }
    if (plain == 0 || words[plain] != '[' || words[size - 1] != ']' ||
        plain + 1 + strcspn(words + plain + 1, "[]!:{") != size - 1)
        return error_set(err, -EINVAL, "'{%.*s}': only {name} and {name[member]} are supported",
                         (int)(size < 60 ? size : 60), words);
    text_add(ret, words, plain);
    text_addc(ret, '.');
    text_add(ret, words + plain + 1, size - plain - 2);
    return 0;
}

static int expand_variable(const char *words, size_t size, const struct expand_context *c,
                           struct text *ret, struct error *err)
{
    CLEANUP_TEXT struct text name = TEXT_INIT;
    CLEANUP_TEXT struct text known = TEXT_INIT;
    int r = name_variable(words, size, &name, err);
    const char *text = r < 0 ? NULL : find(c, text_str(&name));

    if (r < 0)
        return r;
    if (text) {
        text_adds(ret, text);
        return 0;
    }
    add_known(c, &known);
    return error_set(err, -EINVAL, "there is no variable {%.*s}; there are %s",
                     (int)(size < 60 ? size : 60), words, text_str(&known));
}

int expand_words(const char *words, const struct expand_context *c, struct text *ret,
                 struct error *err)
{
    size_t before = ret->size;

    while (*words) {
        size_t plain = strcspn(words, "{}"), size;
        int r;

        text_add(ret, words, plain);
        words += plain;
        if (*words && words[0] == words[1]) {
            text_addc(ret, *words);
            words += 2;
            continue;
        }
        if (*words == '\0')
            break;
        size = strcspn(words + 1, "}");
        if (*words == '}' || words[1 + size] != '}')
            return error_set(err, -EINVAL,
                             "a { without its }, or the other way round; write {{ or }} for one "
                             "that is meant");
        r = expand_variable(words + 1, size, c, ret, err);
        if (r < 0)
            return r;
        words += size + 2;
        if (ret->size - before > EXPAND_SIZE_MAX)
            return error_set(err, -EINVAL, "with its variables this is longer than %d bytes",
                             EXPAND_SIZE_MAX);
    }
    return text_error(ret) < 0 ? error_sys(err, -ENOMEM, "cannot read the batch") : 0;
}
