#include "reader.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "strict.h"

struct yaml_reader {
    struct yaml_input input;
    yaml_parser_t parser;
    yaml_event_t event; /* the one that the last item points into */
    size_t since_item;  /* bytes handed to libyaml since then */
    unsigned depth;
    unsigned flow; /* how many of the open collections are in [ ] or { } */
    bool too_large;
    bool document_seen;
    bool parser_made;
    bool secret;
};

void yaml_reader_secret(struct yaml_reader *y)
{
    y->secret = true;
}

static void drop_event(struct yaml_reader *y)
{
    yaml_event_t *e = &y->event;

    if (y->secret && e->type == YAML_SCALAR_EVENT)
        explicit_bzero(e->data.scalar.value, e->data.scalar.length);
    yaml_event_delete(e);
}

static void wipe_parser(struct yaml_reader *y)
{
    yaml_parser_t *p = &y->parser;

    for (yaml_token_t *t = p->tokens.head; t != p->tokens.tail; t++)
        if (t->type == YAML_SCALAR_TOKEN)
            explicit_bzero(t->data.scalar.value, t->data.scalar.length);
    explicit_bzero(p->raw_buffer.start, (size_t)(p->raw_buffer.end - p->raw_buffer.start));
    explicit_bzero(p->buffer.start, (size_t)(p->buffer.end - p->buffer.start));
    explicit_bzero(y->input.buffer, YAML_INPUT_CHUNK);
}

void yaml_reader_close(struct yaml_reader *y)
{
    if (!y)
        return;
    drop_event(y);
    if (y->parser_made && y->secret)
        wipe_parser(y);
    if (y->parser_made)
        yaml_parser_delete(&y->parser);
    yaml_input_close(&y->input);
    free(y);
}

static int feed_parser(void *data, unsigned char *to, size_t room, size_t *ret_size)
{
    struct yaml_reader *y = data;

    if (y->since_item > YAML_ITEM_MAX) {
        y->too_large = true;
        return 0;
    }
    if (yaml_input_read(&y->input, to, room, ret_size) < 0)
        return 0;
    y->since_item += *ret_size;
    return 1;
}

static int out_of_memory(struct error *err)
{
    return error_sys(err, -ENOMEM, "cannot read YAML");
}

/* Takes ownership of the input, also on failure. */
static int open_on(struct yaml_reader **ret, struct yaml_reader *made, struct error *err)
{
    CLEANUP_YAML_READER struct yaml_reader *y = made;

    if (!yaml_parser_initialize(&y->parser))
        return out_of_memory(err);
    y->parser_made = true;
    /* pyDCOP opens its files as UTF-8: no guessing of UTF-16. */
    yaml_parser_set_encoding(&y->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input(&y->parser, feed_parser, y);
    *ret = TAKE_PTR(y);
    return 0;
}

int yaml_reader_open(struct yaml_reader **ret, const struct strings *paths, struct error *err)
{
    struct yaml_reader *y = calloc(1, sizeof(*y));

    if (!y || yaml_input_open(&y->input, paths) < 0) {
        free(y);
        return out_of_memory(err);
    }
    return open_on(ret, y, err);
}

int yaml_reader_open_memory(struct yaml_reader **ret, const char *name, const void *data,
                            size_t size, struct error *err)
{
    struct yaml_reader *y = calloc(1, sizeof(*y));

    if (!y || yaml_input_open_memory(&y->input, name, data, size) < 0) {
        free(y);
        return out_of_memory(err);
    }
    return open_on(ret, y, err);
}

int yaml_reader_fail(const struct yaml_reader *y, struct yaml_mark at, struct error *err,
                     const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)yaml_input_error(&y->input, at, err, -EBADMSG, format, args);
    va_end(args);
    return -EBADMSG;
}

void yaml_reader_place(const struct yaml_reader *y, struct yaml_mark at, struct text *ret)
{
    yaml_input_place(&y->input, at, ret);
}

static struct yaml_mark mark_of(const yaml_mark_t *m)
{
    return (struct yaml_mark){
        .index = (uint32_t)m->index, .line = (uint32_t)m->line, .column = (uint32_t)m->column};
}

const char *yaml_reader_hidden_key(const struct yaml_reader *y)
{
    return yaml_input_hidden_key(&y->input);
}

/* Plainer messages for some of libyaml's, which are found by a part of their
 * text. */
static const struct {
    const char *says, *means;
} words[] = {
    {"found character that cannot start any token",
     "a text cannot begin with this character (@, ` or %): put it in quotes"},
    {"mapping values are not allowed in this context",
     "unexpected \": \": is the line above complete, and is it indented right?"},
    {"did not find expected key",
     "a key was expected: is it indented like the keys above it, and is all quoted and closed?"},
    {"did not find expected '-' indicator",
     "a \"- \" was expected: is it indented like the items above it?"},
    {"could not find expected ':'", "a \":\" was expected after the key"},
    {"found unexpected end of stream", "the text in quotes is not closed before the file ends"},
    {"did not find expected <document start>", "the document has ended already, but more follows"},
    {"did not find expected ',' or ']'", "a \",\" or \"]\" was expected"},
    {"did not find expected ',' or '}'", "a \",\" or \"}\" was expected"},
    {"did not find expected node content", "a value was expected"},
    {"found unexpected ':'", "a \":\" must be followed by a space here"},
    {"found unknown directive name",
     "a line that begins with \"%\" is a directive, which must be above the document; indent or "
     "quote a text"},
    {"found invalid Unicode character escape code", "no character has this code"},
};

static const char tab_words[] = "a tab, which YAML does not allow for indentation; use spaces";

static bool is_about_tab(const struct yaml_reader *y)
{
    const yaml_parser_t *p = &y->parser;

    return yaml_input_is_tab(&y->input, mark_of(&p->problem_mark)) &&
           (strstr(p->problem, "tab character") || strstr(p->problem, "cannot start any token"));
}

static const char *plain_words(const struct yaml_reader *y)
{
    const char *problem = y->parser.problem;

    if (is_about_tab(y))
        return tab_words;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcmp(problem, words[i].says) == 0)
            return words[i].means;
    return problem;
}

static int syntax_error(struct yaml_reader *y, struct error *err)
{
    const yaml_parser_t *p = &y->parser;
    struct yaml_mark at = mark_of(&p->problem_mark), context = mark_of(&p->context_mark);
    CLEANUP_TEXT struct text place = TEXT_INIT;

    if (!p->problem)
        return yaml_reader_fail(y, mark_of(&p->mark), err, "this is not valid YAML");
    if (!p->context || context.line == at.line || context.index > at.index)
        return yaml_reader_fail(y, at, err, "%s", plain_words(y));
    yaml_reader_place(y, context, &place);
    return yaml_reader_fail(y, at, err, "%s (%s, which begins at %s)", plain_words(y), p->context,
                            text_str(&place));
}

static int parser_error(struct yaml_reader *y, struct error *err)
{
    if (y->too_large)
        return yaml_reader_fail(y, mark_of(&y->parser.mark), err,
                                "more than %d MiB in one text or comment", YAML_ITEM_MAX >> 20);
    if (y->input.err.code < 0) {
        if (err)
            *err = y->input.err;
        return y->input.err.code;
    }
    if (y->parser.error == YAML_MEMORY_ERROR)
        return out_of_memory(err);
    return syntax_error(y, err);
}

static const char *tag_of(const yaml_char_t *tag)
{
    /* "!" alone asks for the type that follows from the text. */
    return tag && strcmp((const char *)tag, "!") != 0 ? (const char *)tag : NULL;
}

static void restore_marks(yaml_event_t *e)
{
    char *at = (char *)e->data.scalar.value;
    char *end = at + e->data.scalar.length;

    while ((at = memmem(at, (size_t)(end - at), YAML_BOM_STANDIN, 3))) {
        memcpy(at, YAML_BOM, 3);
        at += 3;
    }
}

static int take_scalar(struct yaml_reader *y, struct yaml_item *ret, struct error *err)
{
    yaml_event_t *e = &y->event;
    bool is_plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;

    if (y->input.bom_replaced)
        restore_marks(e);
    ret->kind = YAML_KIND_SCALAR;
    ret->text = (const char *)e->data.scalar.value;
    ret->size = e->data.scalar.length;
    ret->tag = tag_of(e->data.scalar.tag);
    ret->plain = !ret->tag && (e->data.scalar.plain_implicit || e->data.scalar.tag);
    ret->anchor = (const char *)e->data.scalar.anchor;
    if (y->flow > 0 && is_plain && memchr(ret->text, '?', ret->size))
        return yaml_reader_fail(y, ret->mark, err,
                                "a text with \"?\" inside [ ] or { } needs quotes");
    return 0;
}

static int go_down(struct yaml_reader *y, const struct yaml_item *item, bool flow,
                   struct error *err)
{
    if (y->depth == YAML_DEPTH_MAX)
        return yaml_reader_fail(y, item->mark, err, "more than %d levels deep", YAML_DEPTH_MAX);
    y->depth++;
    if (flow)
        y->flow++;
    return 0;
}

static int go_up(struct yaml_reader *y, struct yaml_item *ret)
{
    ret->kind = YAML_KIND_CLOSE;
    y->depth--;
    /* A collection inside a flow collection is also one. */
    if (y->flow > 0)
        y->flow--;
    return 0;
}

static int start_document(struct yaml_reader *y, const struct yaml_item *item, struct error *err)
{
    if (y->document_seen)
        return yaml_reader_fail(y, item->mark, err,
                                "a second document begins here; only one is allowed");
    y->document_seen = true;
    if (y->input.directive_hidden && y->event.data.document_start.implicit)
        return yaml_reader_fail(y, y->input.directive, err,
                                "a line \"---\" is needed between this directive and the document");
    return 0;
}

/* 1: there is an item, 0: the event makes no item, or a negative errno. */
static int take_event(struct yaml_reader *y, struct yaml_item *ret, struct error *err)
{
    yaml_event_t *e = &y->event;
    int r;

    *ret = (struct yaml_item){.mark = mark_of(&e->start_mark)};
    switch (e->type) {
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        return 0;
    case YAML_DOCUMENT_START_EVENT:
        return start_document(y, ret, err);
    case YAML_STREAM_END_EVENT:
        ret->kind = YAML_KIND_END;
        return 1;
    case YAML_ALIAS_EVENT:
        ret->kind = YAML_KIND_ALIAS;
        ret->anchor = (const char *)e->data.alias.anchor;
        return 1;
    case YAML_SCALAR_EVENT:
        r = take_scalar(y, ret, err);
        return r < 0 ? r : 1;
    case YAML_SEQUENCE_START_EVENT:
        ret->kind = YAML_KIND_LIST;
        ret->tag = tag_of(e->data.sequence_start.tag);
        ret->anchor = (const char *)e->data.sequence_start.anchor;
        r = go_down(y, ret, e->data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE, err);
        return r < 0 ? r : 1;
    case YAML_MAPPING_START_EVENT:
        ret->kind = YAML_KIND_MAP;
        ret->tag = tag_of(e->data.mapping_start.tag);
        ret->anchor = (const char *)e->data.mapping_start.anchor;
        r = go_down(y, ret, e->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE, err);
        return r < 0 ? r : 1;
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        (void)go_up(y, ret);
        return 1;
    }
    return 0;
}

int yaml_reader_next(struct yaml_reader *y, struct yaml_item *ret, struct error *err)
{
    int r = 0;

    while (r == 0) {
        drop_event(y);
        if (!yaml_parser_parse(&y->parser, &y->event))
            return parser_error(y, err);
        y->since_item = 0;
        r = yaml_strict_check(&y->input, &y->parser, &y->event, err);
        if (r == 0)
            r = take_event(y, ret, err);
    }
    return r < 0 ? r : 0;
}
