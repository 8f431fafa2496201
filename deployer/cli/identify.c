#include "identify.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "choose.h"
#include "discovery/advert/advert.h"
#include "facts.h"

/* --- an action on some of the targets, which stay ------------------------------- */

/* Copies the targets that `wanted` accepts; `ret_from` gets their indices. */
static int copy_wanted(const struct targets *all, bool wanted(const struct target *),
                       struct targets *ret, size_t *ret_from)
{
    ret->items = calloc(all->count + 1, sizeof(*ret->items));
    if (!ret->items)
        return -ENOMEM;
    for (size_t i = 0; i < all->count; i++) {
        if (!wanted(&all->items[i]))
            continue;
        if (target_copy(&all->items[i], &ret->items[ret->count]) < 0)
            return -ENOMEM;
        ret_from[ret->count++] = i;
    }
    return 0;
}

/* Runs the action on the wanted targets, and gives the facts of each to `take`. */
static int ask_machines(struct program *p, const struct action *action,
                        bool wanted(const struct target *),
                        int take(struct program *, struct target *, const struct machine_facts *,
                                 struct error *),
                        struct error *err)
{
    CLEANUP(facts_clear) struct facts facts = {0};
    CLEANUP(targets_clear) struct targets some = {0};
    CLEANUP_FREE size_t *from = calloc(p->targets.count + 1, sizeof(*from));
    struct action with_facts = *action;
    int r = from ? copy_wanted(&p->targets, wanted, &some, from) : -ENOMEM;

    if (r == 0)
        r = facts_init(&facts, &some);
    if (r < 0)
        return error_sys(err, r, "cannot identify the machines");
    if (some.count == 0)
        return 0;
    with_facts.listener = facts_hear;
    with_facts.arg = &facts;
    r = program_act(p, &some, &with_facts, err);
    for (size_t i = 0; i < facts.count && r >= 0; i++) {
        int taken = take(p, &p->targets.items[from[i]], &facts.machines[i], err);

        r = taken < 0 ? taken : 0;
    }
    return r;
}

static int replace_string(const char *value, char **to, struct error *err)
{
    free(*to);
    *to = strdup(value);
    return *to ? 0 : error_sys(err, -ENOMEM, "cannot identify the machines");
}

/* --- the scan ---------------------------------------------------------------------- */

static bool is_unknown(const struct target *t)
{
    return !t->id && !t->hostkey;
}

static bool has_address(const struct target *t, const struct state_machine *m)
{
    for (size_t i = 0; i < t->n_addresses; i++) {
        char text[ADDRESS_TEXT_MAX];

        address_format(&t->addresses[i], text);
        if (m->address && strcmp(m->address, text) == 0 && m->port == t->port)
            return true;
    }
    return string_equal(t->host, m->host);
}

/* The one pinned machine that was last met at this address; NULL: none, or several. */
static int find_by_address(struct program *p, const struct target *t, char **ret_id,
                           struct error *err)
{
    CLEANUP(state_machines_clear) struct state_machines known = {0};
    const char *found = NULL;
    int r = state_machine_list(p->state, &known, err);

    for (size_t i = 0; i < known.count && r == 0; i++) {
        CLEANUP(state_pin_clear) struct state_pin pin = {0};

        if (!has_address(t, &known.items[i]))
            continue;
        r = state_pin_get(p->state, known.items[i].id, &pin, err);
        if (r == -ENOENT) {
            r = 0;
            continue;
        }
        if (found)
            return r;
        found = known.items[i].id;
    }
    return r == 0 && found ? replace_string(found, ret_id, err) : r;
}

static int take_hostkey(struct program *p, struct target *t, const struct machine_facts *m,
                        struct error *err)
{
    CLEANUP_STRINGS struct strings ids = {0};
    const char *fingerprint = m->hostkey;
    int r;

    if (!fingerprint)
        return 0;
    r = replace_string(fingerprint, &t->hostkey, err);
    if (r == 0)
        r = state_pin_by_fingerprint(p->state, fingerprint, &ids, err);
    if (r < 0 || ids.count > 0)
        return r;
    /* A new key at the address of a machine that has another one. */
    return find_by_address(p, t, &t->id, err);
}

/* --- the first look ------------------------------------------------------------------ */

static bool is_nameless(const struct target *t)
{
    return !t->id && t->hostkey;
}

static int take_id(struct program *p, struct target *t, const struct machine_facts *m,
                   struct error *err)
{
    const char *id = facts_get(m, "id");

    (void)p;
    return id && advert_id_valid(id) ? replace_string(id, &t->id, err) : 0;
}

int identify_look(struct program *p, struct error *err)
{
    const struct action look = {.mode = "status", .unrecorded = true, .no_recap = true};
    bool any = false;
    int r;

    for (size_t i = 0; i < p->targets.count; i++)
        any = any || is_nameless(&p->targets.items[i]);
    if (!any)
        return 0;
    r = program_pack_steps(p, NULL, err);
    if (r == 0)
        r = ask_machines(p, &look, is_nameless, take_id, err);
    return r;
}

/* --- the question ------------------------------------------------------------------- */

/* Adds a line for a machine that has neither a pin nor a valid signature; 1 when
 * there is nothing to ask. */
static int add_line_if_new(struct program *p, const struct target *t, struct text *list,
                           struct error *err)
{
    CLEANUP(known_machine_clear) struct known_machine known = {0};
    int r = known_machine_get(p->state, t, (struct consent){0}, &known, err);

    if (r < 0)
        return r;
    if (known_machine_pin(&known) || (known.verified && !known.held_by))
        return 1;
    if (t->hostkey && !known.held_by && strings_has(&p->confirmed, t->hostkey))
        return 1;
    text_adds(list, "  ");
    text_add_printable(list, t->host ? t->host : t->id);
    text_addf(list, "  %s", t->hostkey ? t->hostkey : "(no host key advertised)");
    if (known.held_by) {
        text_adds(list, "  has the name '");
        text_add_printable(list, known.agent);
        text_addf(list, "', which belonged to %s", known.held_by);
    }
    text_addc(list, '\n');
    return 0;
}

static int ask_about_new(struct program *p, struct error *err)
{
    CLEANUP_TEXT struct text list = TEXT_INIT;
    char answer[8] = "";
    size_t new = 0;

    p->consent.given = p->consent.given || p->options.accept_new;
    if (p->options.accept_new || !isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
        return 0;
    for (size_t i = 0; i < p->targets.count; i++) {
        int r = add_line_if_new(p, &p->targets.items[i], &list, err);

        if (r < 0)
            return r;
        new += r == 0;
    }
    if (new == 0)
        return 0;
    terminal_put(stderr, &list);
    fprintf(stderr, "%zu machine%s new here. Are these the host keys of your machines? [y/N] ", new,
            new == 1 ? " is" : "s are");
    if (!fgets(answer, sizeof(answer), stdin) || (answer[0] != 'y' && answer[0] != 'Y'))
        return 1;
    p->consent = (struct consent){.given = true, .asked = true};
    for (size_t i = 0; i < p->targets.count; i++)
        if (p->targets.items[i].hostkey &&
            strings_add(&p->confirmed, p->targets.items[i].hostkey) < 0)
            return error_sys(err, -ENOMEM, "cannot remember the answer");
    return 0;
}

int program_identify(struct program *p, struct error *err)
{
    const struct action scan = {
        .mode = "status", .scan = true, .unrecorded = true, .no_recap = true};
    int r = ask_machines(p, &scan, is_unknown, take_hostkey, err);

    if (r == 0)
        r = ask_about_new(p, err);
    if (r == 0)
        r = identify_look(p, err);
    return r == 0 && p->options.inventory && p->options.resume ? choose_left(p) : r;
}
