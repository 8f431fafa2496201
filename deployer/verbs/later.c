/* `later`: the queue of --later: who waits and why, waiting with them, and cancelling. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "deployer/progress/json.h"
#include "deployer/target/limit.h"
#include "later-work.h"
#include "remembered.h"
#include "verbs.h"

OPTION_LIST(struct deploy_options, cancelled)

static const struct option_row options[] = {
    {0, "cancel", OPTION_REQUIRED, "PATTERN",
     "drop these machines from the queue; patterns as of\n"
     "--limit; may be repeated",
     set_cancelled},
    {0, NULL, OPTION_NONE, NULL, NULL, NULL},
};

/* --- the list ----------------------------------------------------------------------- */

static int report_queue(const struct remembered *v, struct text *ret, struct error *err)
{
    int r = v->options->json ? state_report_later_json(v->state, ret, err)
                             : state_report_later_text(v->state, &v->style, ret, err);

    if (r == 0 && ret->size == 0)
        text_adds(ret, "No machine waits.\n");
    return r;
}

/* --- --cancel ----------------------------------------------------------------------- */

static int choose_cancelled(const struct remembered *v, const struct state_laters *list,
                            struct limit_item *items, struct error *err)
{
    CLEANUP(limit_clear) struct limit selection = LIMIT_INIT;
    int r = limit_parse(&v->options->cancelled, &selection, err);

    for (size_t i = 0; i < list->count; i++)
        items[i] = (struct limit_item){.id = list->items[i].machine,
                                       .host = list->items[i].host,
                                       .agents = &list->items[i].agents};
    if (r == 0 && list->count == 0)
        return error_set(err, -EINVAL, "no machine waits: there is nothing to cancel");
    return r == 0 ? limit_apply(&selection, items, list->count, err) : r;
}

static int cancel_entry(const struct remembered *v, const struct state_later *l, json_t *cancelled,
                        struct text *words, struct error *err)
{
    int r = state_later_drop(v->state, l->machine, err);
    json_t *o;

    if (r == -ENOENT) /* another process was faster */
        return 0;
    if (r < 0)
        return r;
    text_adds(words, "Cancelled: ");
    text_add_printable(words, l->host ? l->host : l->machine);
    text_adds(words, l->claimed ? "; a deploy that has begun there goes on.\n" : ".\n");
    o = json_object();
    progress_json_add(o, "machine", l->machine);
    progress_json_add(o, "host", l->host);
    return json_array_append_new(cancelled, o) == 0 ? 0
                                                    : error_sys(err, -ENOMEM, "cannot write JSON");
}

static int write_cancelled(const struct remembered *v, json_t *cancelled, const struct text *words,
                           struct text *ret, struct error *err)
{
    json_t *o = json_pack("{s:i,s:O}", "version", 1, "cancelled", cancelled);
    CLEANUP_FREE char *text = o ? json_dumps(o, JSON_INDENT(2)) : NULL;

    json_decref(o);
    text_adds(ret, v->options->json && text ? text : text_str(words));
    text_adds(ret, v->options->json ? "\n" : "");
    return text && text_error(ret) == 0 ? 0 : error_sys(err, -ENOMEM, "cannot show what was done");
}

static int report_cancelled(const struct remembered *v, struct text *ret, struct error *err)
{
    CLEANUP(state_laters_clear) struct state_laters list = {0};
    CLEANUP_TEXT struct text words = TEXT_INIT;
    struct limit_item *items = NULL;
    json_t *cancelled = json_array();
    int r = state_later_list(v->state, &list, err);

    if (r == 0) {
        items = calloc(list.count + 1, sizeof(*items));
        r = items ? choose_cancelled(v, &list, items, err)
                  : error_sys(err, -ENOMEM, "cannot read the queue");
    }
    for (size_t i = 0; i < list.count && r == 0; i++)
        if (items[i].selected)
            r = cancel_entry(v, &list.items[i], cancelled, &words, err);
    if (r == 0)
        r = write_cancelled(v, cancelled, &words, ret, err);
    limit_items_clear(items, items ? list.count : 0);
    free(items);
    json_decref(cancelled);
    return r;
}

int later_report(const struct remembered *v, struct text *ret, struct error *err)
{
    if (v->options->n_arguments > 0)
        return error_set(err, -EINVAL, "'later' does not take the argument '%s'; see --help",
                         v->options->arguments[0]);
    return v->options->cancelled.count > 0 ? report_cancelled(v, ret, err)
                                           : report_queue(v, ret, err);
}

static int run_later(struct program *p, struct error *err)
{
    if (!p->options.wait)
        return remembered_run(p, later_report, err);
    if (p->options.cancelled.count > 0)
        return error_set(err, -EINVAL, "--cancel and --wait do not go together");
    return later_work_run(p, NULL, err);
}

const struct verb verb_later = {
    .name = "later",
    .arguments = "",
    .help = "the queue of --later: list, --wait, --cancel",
    .options = options,
    .run = run_later,
};
