/* --limit on targets. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "choose.h"
#include "deployer/target/limit.h"

/* --limit is applied to the targets, and after them to one item for each agent of
 * the problem that has no machine. */
struct choice {
    struct limit_item *items;
    struct strings *lists; /* one an item: addresses, then lone names */
    size_t n_targets, count;
};

static void choice_clear(struct choice *c)
{
    limit_items_clear(c->items, c->items ? c->count : 0);
    for (size_t i = 0; i < c->count && c->lists; i++)
        strings_clear(&c->lists[i]);
    free(c->items);
    free(c->lists);
}

static int add_target(struct choice *c, const struct target *t)
{
    struct strings *addresses = &c->lists[c->count];

    for (size_t i = 0; i < t->n_addresses; i++) {
        char text[ADDRESS_TEXT_MAX];

        address_format(&t->addresses[i], text);
        if (strings_add(addresses, text) < 0)
            return -ENOMEM;
    }
    if (t->mac && strings_add(addresses, t->mac) < 0)
        return -ENOMEM;
    c->items[c->count++] = (struct limit_item){
        .id = t->id, .host = t->host, .agents = &t->agents, .labels = addresses};
    return 0;
}

static int add_lone(struct choice *c, const char *agent)
{
    struct strings *name = &c->lists[c->count];

    if (strings_add(name, agent) < 0)
        return -ENOMEM;
    c->items[c->count++] = (struct limit_item){.agents = name};
    return 0;
}

static int choice_make(const struct targets *targets, const struct match *match, struct choice *ret)
{
    size_t most = targets->count + match->n_missing + match->n_duplicates + match->n_offline + 1;
    int r = 0;

    ret->items = calloc(most, sizeof(*ret->items));
    ret->lists = calloc(most, sizeof(*ret->lists));
    if (!ret->items || !ret->lists)
        return -ENOMEM;
    for (size_t i = 0; i < targets->count && r == 0; i++)
        r = add_target(ret, &targets->items[i]);
    ret->n_targets = ret->count;
    for (size_t i = 0; i < match->n_missing && r == 0; i++)
        r = add_lone(ret, match->missing[i]);
    for (size_t i = 0; i < match->n_duplicates && r == 0; i++)
        r = add_lone(ret, match->duplicates[i].agent);
    for (size_t i = 0; i < match->n_offline && r == 0; i++)
        r = add_lone(ret, match->offline[i].agent);
    return r;
}

/* Drops the targets that were not chosen.  A machine is chosen with all its agents:
 * they are one systemd unit there, and an agent that --limit does not name must not
 * be removed. */
static void keep_chosen(struct targets *targets, const struct choice *c)
{
    size_t kept = 0;

    for (size_t i = 0; i < c->n_targets; i++) {
        struct target *t = &targets->items[i];

        if (!c->items[i].selected) {
            target_clear(t);
            continue;
        }
        targets_keep(targets, i, &kept);
    }
    targets->count = kept;
}

int choose_limited(const struct strings *limits, struct targets *targets, const struct match *match,
                   bool *ret_short, bool *ret_open, struct error *err)
{
    CLEANUP(limit_clear) struct limit selection = LIMIT_INIT;
    CLEANUP(choice_clear) struct choice choice = {0};
    bool lacks = false;
    int r = limit_parse(limits, &selection, err);

    if (r < 0)
        return r;
    if (choice_make(targets, match, &choice) < 0)
        return error_sys(err, -ENOMEM, "cannot choose machines");
    r = limit_apply(&selection, choice.items, choice.count, err);
    if (r < 0)
        return r;
    for (size_t i = choice.n_targets; i < choice.count; i++)
        lacks = lacks || choice.items[i].selected;
    if (ret_short)
        *ret_short = lacks;
    if (ret_open)
        *ret_open = limit_is_open(&selection);
    keep_chosen(targets, &choice);
    return 0;
}
