#include "identify.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "choose-ssh.h"
#include "choose.h"
#include "deployer/trust/trust.h"
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

/* An address behind a jump host may be another machine's here. */
static bool has_address(const struct target *t, const struct state_machine *m)
{
    for (size_t i = 0; i < t->n_addresses && t->relay.count == 0; i++) {
        char text[ADDRESS_TEXT_MAX];

        address_format(&t->addresses[i], text);
        if (m->address && strcmp(m->address, text) == 0 && m->port == t->port)
            return true;
    }
    return string_equal(t->host, m->host);
}

/* What is known of all machines. */
struct met {
    struct state_machines machines;
    struct state_pins pins;
};

static void met_clear(struct met *m)
{
    state_machines_clear(&m->machines);
    state_pins_clear(&m->pins);
}

static int met_read(struct program *p, struct met *ret, struct error *err)
{
    int r = state_machine_list(p->state, &ret->machines, err);

    return r == 0 ? state_pin_list(p->state, NULL, &ret->pins, err) : r;
}

static bool is_pinned(const struct met *met, const char *id)
{
    for (size_t i = 0; i < met->pins.count; i++)
        if (!met->pins.items[i].retired_ms && strcmp(met->pins.items[i].id, id) == 0)
            return true;
    return false;
}

/* The one pinned machine that was last met at this address: its id, or its host key.  NULL: none,
 * or several. */
static const char *find_by_address(const struct met *met, const struct target *t)
{
    const char *found = NULL;

    for (size_t i = 0; i < met->machines.count; i++) {
        const struct state_machine *m = &met->machines.items[i];

        if (!has_address(t, m) || !is_pinned(met, m->id))
            continue;
        if (found)
            return NULL;
        found = m->id;
    }
    return found;
}

/* Does only a record without an id say where it is?  Another machine may have had its name
 * and its address before. */
static bool is_candidate(const struct target *t)
{
    return t->advertised && !t->id;
}

/* Each machine that was met at its address before needs no scan. */
static int guess_ids(struct program *p, struct error *err)
{
    CLEANUP(met_clear) struct met met = {0};
    bool any = false;
    int r = 0;

    for (size_t i = 0; i < p->targets.count; i++)
        any = any || is_unknown(&p->targets.items[i]);
    if (any)
        r = met_read(p, &met, err);
    for (size_t i = 0; i < p->targets.count && r == 0; i++) {
        struct target *t = &p->targets.items[i];
        const char *id = is_unknown(t) && !is_candidate(t) ? find_by_address(&met, t) : NULL;

        if (!id)
            continue;
        r = replace_string(id, advert_id_valid(id) ? &t->id : &t->hostkey, err);
        t->guessed = true;
    }
    return r;
}

/* A pinned key is that machine's, whatever its address. */
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
    if (r == 0 && ids.count == 1 && advert_id_valid(ids.items[0]))
        r = replace_string(ids.items[0], &t->id, err);
    return r;
}

/* --- the first look ------------------------------------------------------------------ */

static bool is_nameless(const struct target *t)
{
    return t->guessed || (!t->id && t->hostkey);
}

static int take_id(struct program *p, struct target *t, const struct machine_facts *m,
                   struct error *err)
{
    const char *id = facts_get(m, "id");

    (void)p;
    if (t->guessed) { /* now it is known, or it has none */
        free(t->id);
        t->id = NULL;
        t->guessed = false;
        if (m->hostkey && replace_string(m->hostkey, &t->hostkey, err) < 0)
            return err->code;
    }
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

/* known_hosts has said yes or no to its key: it is accepted or refused without a question. */
static bool is_answered(const struct program *p, const struct target *t,
                        const struct known_machine *known)
{
    if (trust_find_revoked(&p->revoked, t->hostkey))
        return true;
    return !known->held_by && (strings_has(&t->confirmed, t->hostkey) || t->listed);
}

/* Adds a line for a machine that has neither a pin nor a valid signature; 1 when
 * there is nothing to ask. */
static int add_line_if_new(struct program *p, struct target *t, struct text *list,
                           struct error *err)
{
    CLEANUP(known_machine_clear) struct known_machine known = {0};
    int r = known_machine_get(p->state, t, (struct consent){0}, &known, err);

    if (r < 0)
        return r;
    if (known.held_by ? known_machine_pin(&known) && !(t->named && !t->advertised)
                      : known_machine_pin(&known) || known.verified)
        return 1;
    t->shown = t->hostkey && !known.held_by && strings_has(&p->confirmed, t->hostkey);
    if (t->shown)
        return 1;
    if (t->hostkey && is_answered(p, t, &known))
        return 1;
    t->shown = true;
    text_adds(list, "  ");
    text_add_printable(list, t->host ? t->host : t->id);
    if (is_candidate(t) && t->n_addresses > 0) { /* their host names are alike */
        char address[ADDRESS_TEXT_MAX];

        address_format(&t->addresses[0], address);
        text_addf(list, "  %s", address);
        if (t->mac)
            text_addf(list, "  %s", t->mac);
    }
    if (known_machine_pin(&known))
        text_addf(list, "  %s", known_machine_pin(&known));
    else
        text_addf(list, "  %s", t->hostkey ? t->hostkey : "(no host key advertised)");
    if (known.held_by) {
        text_adds(list, known_machine_pin(&known) ? "  is to get the name '" : "  has the name '");
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
    int q = choose_read_revoked(p, err);

    if (q < 0)
        return q;
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
        if (p->targets.items[i].shown && p->targets.items[i].hostkey &&
            strings_add(&p->confirmed, p->targets.items[i].hostkey) < 0)
            return error_sys(err, -ENOMEM, "cannot remember the answer");
    return 0;
}

int program_identify(struct program *p, struct error *err)
{
    const struct action scan = {
        .mode = "status", .scan = true, .unrecorded = true, .no_recap = true};
    int r = guess_ids(p, err);

    if (r == 0)
        r = ask_machines(p, &scan, is_unknown, take_hostkey, err);
    if (r == 0)
        r = ask_about_new(p, err);
    return r == 0 && p->options.inventory && p->options.resume ? choose_left(p) : r;
}
