#include "strict.h"

#include <string.h>

static struct yaml_mark mark_of(const yaml_mark_t *m)
{
    return (struct yaml_mark){
        .index = (uint32_t)m->index, .line = (uint32_t)m->line, .column = (uint32_t)m->column};
}

/* The token that libyaml's parser has taken last.  Taking one only moves the
 * head of the queue; the head goes back to the start when the end is reached
 * and the queue is empty. */
static const yaml_token_t *last_token(const yaml_parser_t *p)
{
    return (p->tokens.head > p->tokens.start ? p->tokens.head : p->tokens.end) - 1;
}

static bool is_empty_scalar(const yaml_event_t *e)
{
    return e->type == YAML_SCALAR_EVENT && e->data.scalar.length == 0 &&
           e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

/* [!!str, a]: PyYAML reads the comma as a part of the tag. */
static int check_tag_end(const struct yaml_input *in, const yaml_parser_t *p, const yaml_event_t *e,
                         struct error *err)
{
    if (!e->data.scalar.tag || last_token(p)->type != YAML_TAG_TOKEN ||
        p->tokens.head == p->tokens.tail || p->tokens.head->type != YAML_FLOW_ENTRY_TOKEN ||
        p->tokens.head->start_mark.index != e->end_mark.index)
        return 0;
    return yaml_input_fail(in, mark_of(&e->end_mark), err,
                           "a space is needed between a tag and \",\"");
}

/* [? , a]: libyaml's parser drops the token behind such a key. */
static int check_key(const struct yaml_input *in, const yaml_parser_t *p, const yaml_event_t *e,
                     struct error *err)
{
    if (p->state != YAML_PARSE_FLOW_SEQUENCE_ENTRY_MAPPING_VALUE_STATE || e->data.scalar.tag ||
        e->data.scalar.anchor)
        return 0;
    return yaml_input_fail(in, mark_of(&e->start_mark), err,
                           "a key is needed behind \"?\" inside [ ]");
}

static int check_empty(const struct yaml_input *in, const yaml_parser_t *p, const yaml_event_t *e,
                       struct error *err)
{
    int r = check_tag_end(in, p, e, err);

    return r < 0 ? r : check_key(in, p, e, err);
}

/* The place after the header of a block scalar, as far as it has tabs. */
static int check_header(const struct yaml_input *in, struct yaml_mark header, uint32_t *ret_end,
                        struct error *err)
{
    struct yaml_mark hash;

    if (yaml_input_header_hash(in, header, &hash))
        return yaml_input_fail(in, hash, err, "a space is needed before \"#\"");
    *ret_end = yaml_input_line_end(in, header.line, header.index);
    return 0;
}

/* Tabs before and inside the event, but not in quotes and not in a block scalar
 * below its first line. */
static int check_tabs(struct yaml_input *in, const yaml_parser_t *p, const yaml_event_t *e,
                      struct error *err)
{
    uint32_t start = (uint32_t)e->start_mark.index, end = (uint32_t)e->end_mark.index;
    enum yaml_between what = YAML_BETWEEN_TOKENS;
    int r = 0;

    if (e->type == YAML_SCALAR_EVENT && !is_empty_scalar(e)) {
        /* The event may begin with a tag or an anchor. */
        struct yaml_mark text = mark_of(&last_token(p)->start_mark);
        yaml_scalar_style_t style = e->data.scalar.style;

        start = text.index;
        what = style == YAML_PLAIN_SCALAR_STYLE ? YAML_BETWEEN_WORDS : YAML_BETWEEN_QUOTES;
        if (style == YAML_LITERAL_SCALAR_STYLE || style == YAML_FOLDED_SCALAR_STYLE)
            r = check_header(in, text, &start, err);
    }
    if (r == 0)
        r = yaml_input_pass(in, start, YAML_BETWEEN_TOKENS, err);
    return r < 0 ? r : yaml_input_pass(in, end, what, err);
}

int yaml_strict_check(struct yaml_input *in, const yaml_parser_t *p, const yaml_event_t *e,
                      struct error *err)
{
    int r = is_empty_scalar(e) ? check_empty(in, p, e, err) : 0;

    if (r < 0 || in->tabs_head == in->tabs_count)
        return r;
    return check_tabs(in, p, e, err);
}
