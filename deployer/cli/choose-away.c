/* With --later: the machines that are selected and away. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "choose.h"
#include "discovery/base/terminal.h"

/* Is the machine whose key is pinned there, under whatever names? */
static bool is_here(const char *id, const char *pin, const struct machine *const *machines,
                    size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct advert *a = &machines[i]->advert;

        if (machines[i]->beacon && !machines[i]->untrusted && machine_is_there(machines[i]) &&
            strcmp(a->id, id) == 0 && (!a->hostkey || strcmp(a->hostkey, pin) == 0))
            return true;
    }
    return false;
}

/* Adds a target without agents for a machine that was met before.  0 also when it is listed
 * already; `ret`: its entry.  -ENOMEM. */
static int add_away(struct program *p, const char *id, struct target **ret)
{
    CLEANUP(state_machine_clear) struct state_machine known = {0};
    struct target *grown, *t;

    for (size_t i = 0; i < p->away.count; i++)
        if (strcmp(p->away.items[i].id, id) == 0) {
            *ret = &p->away.items[i];
            return 0;
        }
    grown = reallocarray(p->away.items, p->away.count + 1, sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    p->away.items = grown;
    t = &grown[p->away.count];
    (void)state_machine_get(p->state, id, &known, NULL);
    *t = (struct target){.id = strdup(id), .away = true};
    p->away.count++;
    t->host = known.host ? strdup(known.host) : NULL;
    t->fleet = known.fleet ? strdup(known.fleet) : NULL;
    if (!t->id || (known.host && !t->host) || (known.fleet && !t->fleet) ||
        strings_copy(&t->names, &known.agents) < 0)
        return -ENOMEM;
    *ret = t;
    return 0;
}

/* --- -p -------------------------------------------------------------------------- */

/* The machine of an agent that nobody who is there has: who holds the name, else who said it
 * last with the pinned key.  0 and NULL: none that can be waited for. */
static int find_holder(const struct program *p, const char *agent, const struct machine *offline,
                       const struct machine *const *machines, size_t n, char **ret,
                       struct error *err)
{
    const char *fleet = p->options.fleet ? p->options.fleet : ADVERT_FLEET_DEFAULT;
    CLEANUP(state_pin_clear) struct state_pin pin = {0};
    CLEANUP_FREE char *id = NULL;
    bool now = false;
    int r = state_name_holder(p->state, fleet, agent, &id, &now, err);

    if (r < 0 && r != -ENOENT)
        return r;
    if (!now && offline) {
        free(id);
        id = strdup(offline->advert.id);
    } else if (!now)
        return 0;
    if (!id)
        return error_sys(err, -ENOMEM, "cannot choose machines");
    r = state_pin_get(p->state, id, &pin, err);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    if ((!now && !string_equal(offline->advert.hostkey, pin.fingerprint)) ||
        is_here(id, pin.fingerprint, machines, n))
        return 0;
    *ret = TAKE_PTR(id);
    return 0;
}

static int choose_holder(struct program *p, const char *agent, const struct machine *offline,
                         const struct machine *const *machines, size_t n, struct strings *ret_lone,
                         struct error *err)
{
    CLEANUP_FREE char *id = NULL;
    struct target *t;
    int r = find_holder(p, agent, offline, machines, n, &id, err);

    if (r < 0)
        return r;
    if (!id)
        r = strings_add(ret_lone, agent);
    else
        r = add_away(p, id, &t);
    if (id && r == 0)
        r = strings_add(&t->agents, agent);
    return r < 0 ? error_sys(err, r, "cannot choose machines") : 0;
}

int choose_away_of_match(struct program *p, const struct match *match,
                         const struct machine *const *machines, size_t n, struct strings *ret_lone,
                         struct error *err)
{
    int r = 0;

    for (size_t i = 0; i < match->n_offline && r == 0; i++)
        r = choose_holder(p, match->offline[i].agent, match->offline[i].machine, machines, n,
                          ret_lone, err);
    for (size_t i = 0; i < match->n_missing && r == 0; i++)
        r = choose_holder(p, match->missing[i], NULL, machines, n, ret_lone, err);
    return r;
}

/* --- -l -------------------------------------------------------------------------- */

int choose_away_known(struct program *p, const struct machine *const *machines, size_t n,
                      struct error *err)
{
    CLEANUP(state_pins_clear) struct state_pins pins = {0};
    int r = state_pin_list(p->state, NULL, &pins, err);

    for (size_t i = 0; i < pins.count && r == 0; i++) {
        const struct state_pin *pin = &pins.items[i];
        struct target *t;

        if (pin->retired_ms || !advert_id_valid(pin->id) ||
            is_here(pin->id, pin->fingerprint, machines, n))
            continue;
        r = add_away(p, pin->id, &t);
        if (r == 0)
            r = strings_copy(&t->agents, &t->names);
        if (r == 0 && p->options.fleet &&
            !string_equal(t->fleet ? t->fleet : ADVERT_FLEET_DEFAULT, p->options.fleet)) {
            target_clear(t);
            p->away.count--;
        }
        if (r < 0)
            return error_sys(err, r, "cannot choose machines");
    }
    return r;
}

/* --- --limit on both ------------------------------------------------------------- */

int choose_limited_with_away(struct program *p, const struct match *match, bool *ret_short,
                             bool *ret_open, struct error *err)
{
    CLEANUP(targets_clear) struct targets all = {0};
    int r;

    all.items = calloc(p->targets.count + p->away.count + 1, sizeof(*all.items));
    if (!all.items)
        return error_sys(err, -ENOMEM, "cannot choose machines");
    for (size_t i = 0; i < p->targets.count; i++)
        all.items[all.count++] = p->targets.items[i];
    for (size_t i = 0; i < p->away.count; i++)
        all.items[all.count++] = p->away.items[i];
    p->targets.count = p->away.count = 0;
    r = choose_limited(&p->options.limits, &all, match, ret_short, ret_open, err);
    for (size_t i = 0; i < all.count && r == 0; i++) {
        struct targets *to = all.items[i].away ? &p->away : &p->targets;

        to->items[to->count++] = all.items[i];
    }
    if (r == 0)
        all.count = 0; /* moved */
    return r;
}

/* --- who is in nobody's hands ------------------------------------------------------ */

void choose_tell_lone(const struct strings *lone)
{
    CLEANUP_TEXT struct text words = TEXT_INIT;

    for (size_t i = 0; i < lone->count; i++) {
        text_add_printable(&words, lone->items[i]);
        text_adds(&words, i + 1 < lone->count ? ", " : "");
    }
    if (lone->count > 0)
        text_adds(&words, lone->count == 1 ? ": no accepted machine holds this name and is away, "
                                             "so nothing is queued for it.\n"
                                           : ": no accepted machine holds one of these names and "
                                             "is away, so nothing is queued for them.\n");
    terminal_put(stderr, &words);
}
