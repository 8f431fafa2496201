#include "identify.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "deployer/base/destination.h"
#include "deployer/inventory/hosts.h"
#include "deployer/target/resolve.h"
#include "discovery/advert/advert.h"
#include "facts.h"

int identify_add(struct program *p, const char *text, struct error *err)
{
    CLEANUP(target_clear) struct target t = {0};
    struct target *grown;
    struct place place;
    int r = place_parse(text, &place, err);

    if (r == 0)
        r = resolve_host(place.host, p->options.timeout_ms, &t.addresses, &t.n_addresses, err);
    if (r < 0)
        return r;
    t.port = place.port ? place.port : SSH_PORT;
    t.host = strdup(place.host);
    t.user = *place.user ? strdup(place.user) : NULL;
    grown = reallocarray(p->targets.items, p->targets.count + 1, sizeof(*grown));
    if (grown)
        p->targets.items = grown;
    if (!grown || !t.host || (*place.user && !t.user))
        return error_sys(err, -ENOMEM, "cannot plan");
    grown[p->targets.count++] = t;
    t = (struct target){0};
    return 0;
}

/* --- an action on some of the targets, which stay ------------------------------- */

/* Copies of those that `wanted` wants; which they are goes to `ret_from`. */
static int pick(const struct targets *all, bool wanted(const struct target *), struct targets *ret,
                size_t *ret_from)
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

/* What they say goes to `take`, one by one. */
static int ask(struct program *p, struct action action, bool wanted(const struct target *),
               int take(struct program *, struct target *, const struct machine_facts *,
                        struct error *),
               struct error *err)
{
    CLEANUP(facts_clear) struct facts facts = {0};
    CLEANUP(targets_clear) struct targets some = {0};
    CLEANUP_FREE size_t *from = calloc(p->targets.count + 1, sizeof(*from));
    struct targets all = p->targets;
    int r = from ? pick(&all, wanted, &some, from) : -ENOMEM;

    if (r == 0)
        r = facts_init(&facts, &some);
    if (r < 0)
        return error_sys(err, r, "cannot plan");
    if (some.count == 0)
        return 0;
    action.listener = facts_hear;
    action.arg = &facts;
    action.unrecorded = action.no_recap = true;
    p->targets = some;
    r = program_act(p, &action, err);
    some = p->targets;
    p->targets = all;
    for (size_t i = 0; i < facts.count && r >= 0; i++) {
        int taken = take(p, &p->targets.items[from[i]], &facts.machines[i], err);

        r = taken < 0 ? taken : 0;
    }
    return r;
}

static int keep(const char *value, char **to, struct error *err)
{
    free(*to);
    *to = strdup(value);
    return *to ? 0 : error_sys(err, -ENOMEM, "cannot plan");
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
    return r == 0 && found ? keep(found, ret_id, err) : r;
}

static int take_hostkey(struct program *p, struct target *t, const struct machine_facts *m,
                        struct error *err)
{
    CLEANUP_STRINGS struct strings ids = {0};
    const char *fingerprint = fact_of(m, "hostkey");
    int r;

    if (!fingerprint)
        return 0;
    r = keep(fingerprint, &t->hostkey, err);
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
    const char *id = fact_of(m, "id");

    (void)p;
    return id && advert_id_valid(id) ? keep(id, &t->id, err) : 0;
}

int identify_look(struct program *p, struct error *err)
{
    struct action look = {.mode = "status"};
    bool any = false;
    int r;

    for (size_t i = 0; i < p->targets.count; i++)
        any = any || is_nameless(&p->targets.items[i]);
    if (!any)
        return 0;
    r = program_pack_steps(p, NULL, err);
    if (r == 0)
        r = ask(p, look, is_nameless, take_id, err);
    return r;
}

int identify(struct program *p, struct error *err)
{
    struct action scan = {.mode = "status", .scan = true};
    int r = ask(p, scan, is_unknown, take_hostkey, err);

    if (r == 0)
        r = program_ask_about_new(p, err);
    return r == 0 ? identify_look(p, err) : r;
}

/* --- -i ---------------------------------------------------------------------------- */

/* A host's password, kept once for all that share it; NULL is none, and so is
 * that of a run to which a person gave one. */
static int take_password(struct program *p, const char *password, bool given,
                         const struct secret **ret, struct error *err)
{
    struct secret **grown;

    if (!password || given)
        return 0;
    for (size_t i = 0; i < p->n_secrets; i++)
        if (strcmp(secret_text(p->secrets[i]), password) == 0) {
            *ret = p->secrets[i];
            return 0;
        }
    grown = reallocarray(p->secrets, p->n_secrets + 1, sizeof(*grown));
    if (!grown)
        return error_sys(err, -ENOMEM, "cannot plan");
    p->secrets = grown;
    if (secret_new(password, strlen(password), &grown[p->n_secrets], err) < 0)
        return err->code;
    *ret = grown[p->n_secrets++];
    return 0;
}

/* `found` is taken over. */
static int add_host(struct program *p, const struct host *h, struct resolved *found,
                    struct error *err)
{
    CLEANUP(target_clear) struct target t = {
        .named = true,
        .port = h->port ? h->port : SSH_PORT,
        .addresses = TAKE_PTR(found->addresses),
        .n_addresses = found->count,
    };
    struct target *grown;
    int r;

    if (found->code == -ENOMEM) {
        *err = found->err;
        return found->code;
    }
    if (found->code < 0) { /* it holds up nobody: without an address it is unreachable */
        CLEANUP_TEXT struct text words = TEXT_INIT;

        text_add_printable(&words, found->err.text);
        fprintf(stderr, "%s: %s\n", h->place, text_str(&words));
    }
    r = take_password(p, h->password, p->passwords.login, &t.password, err);
    if (r == 0)
        r = take_password(p, h->become_password, p->passwords.become, &t.become_password, err);
    if (r < 0)
        return error_prefix(err, "%s", h->place);
    grown = reallocarray(p->targets.items, p->targets.count + 1, sizeof(*grown));
    if (grown)
        p->targets.items = grown;
    if (!grown || keep(h->address, &t.host, err) < 0 ||
        (h->user && keep(h->user, &t.user, err) < 0) || strings_copy(&t.agents, &h->agents) < 0 ||
        strings_copy(&t.names, &h->agents) < 0)
        return error_sys(err, -ENOMEM, "cannot plan");
    grown[p->targets.count++] = t;
    t = (struct target){0};
    return 0;
}

static int add_hosts(struct program *p, const struct hosts *hosts, struct error *err)
{
    CLEANUP_FREE struct resolved *found = calloc(hosts->count + 1, sizeof(*found));
    CLEANUP_FREE const char **addresses = calloc(hosts->count + 1, sizeof(*addresses));
    int r = 0;

    if (!found || !addresses)
        return error_sys(err, -ENOMEM, "cannot plan");
    for (size_t i = 0; i < hosts->count; i++)
        addresses[i] = hosts->items[i].address;
    resolve_hosts(addresses, hosts->count, p->options.timeout_ms, found);
    for (size_t i = 0; i < hosts->count && r == 0; i++)
        r = add_host(p, &hosts->items[i], &found[i], err);
    for (size_t i = 0; i < hosts->count; i++)
        free(found[i].addresses);
    return r;
}

static int take_key_files(struct program *p, const struct hosts *hosts, struct error *err)
{
    if (p->options.keys.count > 0)
        return 0;
    for (size_t i = 0; i < hosts->count; i++) {
        const char *key = hosts->items[i].key, *home = getenv("HOME");
        CLEANUP_FREE char *path = NULL;

        if (!key)
            continue;
        if (asprintf(&path, "%s%s", strncmp(key, "~/", 2) == 0 && home ? home : "",
                     strncmp(key, "~/", 2) == 0 && home ? key + 1 : key) < 0)
            path = NULL;
        if (!path ||
            (!strings_has(&p->options.keys, path) && strings_add(&p->options.keys, path) < 0))
            return error_sys(err, -ENOMEM, "cannot plan");
    }
    return 0;
}

int identify_inventory(struct program *p, struct error *err)
{
    CLEANUP_HOSTS struct hosts hosts = HOSTS_INIT;
    int r = hosts_read(p->options.inventory, &hosts, err);

    if (r < 0)
        return r;
    for (size_t i = 0; i < hosts.warnings.count && !p->options.quiet; i++)
        fprintf(stderr, "%s\n", hosts.warnings.items[i]);
    free(p->options.caches.inventory_apt_proxy);
    free(p->options.caches.inventory_pip_index);
    p->options.caches.inventory_apt_proxy = TAKE_PTR(hosts.apt_proxy);
    p->options.caches.inventory_pip_index = TAKE_PTR(hosts.pip_index);
    r = take_key_files(p, &hosts, err);
    return r == 0 ? add_hosts(p, &hosts, err) : r;
}
