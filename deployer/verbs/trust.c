/*
 * `trust`: shows the host keys that the controller holds; accepts and revokes them.
 *
 *   trust                     all pins, and which machines share a key
 *   trust WHO                 those of one machine, in full
 *   trust WHO KEY             this is its key; the other one is retired
 *   trust revoke WHO [KEY]    its key, or this one, is no longer trusted
 *   trust fleet-key           makes the fleet key
 *   trust known-hosts         prints the pinned keys as an ssh_known_hosts file
 *
 * WHO is an id, a host or an agent's name.
 */
#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "deployer/move/takeover.h"
#include "discovery/advert/advert.h"
#include "discovery/base/key.h"
#include "remembered.h"
#include "verbs.h"

/* An id may be one that is not known yet, and so may the host key that stands for one. */
static int find_id(struct state *s, const char *word, char **ret_id, struct error *err)
{
    if (!advert_id_valid(word) && !advert_hostkey_valid(word))
        return remembered_find(s, word, ret_id, err);
    *ret_id = strdup(word);
    return *ret_id ? 0 : error_sys(err, -ENOMEM, "cannot find '%s'", word);
}

static int take_fingerprint(const char *fingerprint, struct error *err)
{
    if (advert_hostkey_valid(fingerprint))
        return 0;
    return error_set(err, -EINVAL,
                     "'%s' is not a fingerprint: SHA256:… as `ssh-keygen -l` prints it",
                     fingerprint);
}

/* The pins of one machine, however they came to be so. */
static int report_pins(const struct remembered *v, const char *id, struct text *ret,
                       struct error *err)
{
    char *items[] = {(char *)(uintptr_t)id};
    struct strings one = {items, 1};

    return v->options->json ? state_report_pins_json(v->state, &one, ret, err)
                            : state_report_pins_of(v->state, id, ret, err);
}

static int report_machine(const struct remembered *v, const char *id, struct text *ret,
                          struct error *err)
{
    CLEANUP(state_pin_clear) struct state_pin pin = {0};
    int r = state_pin_get(v->state, id, &pin, err);
    bool none = r == -ENOENT;

    if (r == 0 || none)
        r = report_pins(v, id, ret, err);
    return r == 0 && none ? 1 : r;
}

static int accept_key(const struct remembered *v, const char *id, char *fingerprint,
                      struct text *ret, struct error *err)
{
    struct state_pin pin = {
        .id = (char *)(uintptr_t)id, .fingerprint = fingerprint, .source = PIN_TRUST};
    int r = remembered_changes(v, err);

    if (r == 0)
        r = take_fingerprint(fingerprint, err);
    if (r == 0)
        r = state_pin_replace(v->state, &pin, err);
    if (r < 0 || v->options->json)
        return r < 0 ? r : report_pins(v, id, ret, err);
    text_addf(ret, "%s is trusted with %s.\n", id, fingerprint);
    return 0;
}

/* `fingerprint` NULL: the one that is pinned. */
static int revoke_key(const struct remembered *v, const char *id, const char *fingerprint,
                      struct text *ret, struct error *err)
{
    CLEANUP(state_pin_clear) struct state_pin pin = {0};
    int r = remembered_changes(v, err);

    if (r == 0 && !fingerprint) {
        r = state_pin_get(v->state, id, &pin, err);
        fingerprint = pin.fingerprint;
    }
    if (r == -ENOENT && !fingerprint) {
        text_addf(ret, "No host key of %s is pinned.\n", id);
        return 1;
    }
    if (r == 0)
        r = take_fingerprint(fingerprint, err);
    if (r == 0)
        r = state_pin_revoke(v->state, id, fingerprint, err);
    if (r < 0 || v->options->json)
        return r < 0 ? r : report_pins(v, id, ret, err);
    text_addf(ret, "%s is no longer trusted with %s.\n", id, fingerprint);
    return 0;
}

static int fleet_key_json(const char *path, bool made, struct text *ret, struct error *err)
{
    json_t *o =
        json_pack("{s:i,s:{s:s,s:b}}", "version", 1, "fleet_key", "path", path, "made", (int)made);
    CLEANUP_FREE char *text = o ? json_dumps(o, JSON_INDENT(2)) : NULL;

    json_decref(o);
    text_addf(ret, "%s\n", text ? text : "");
    return text && text_error(ret) == 0 ? 0 : error_sys(err, -ENOMEM, "cannot write JSON");
}

/* Makes the fleet key, once; its bytes are shown to nobody. */
static int make_fleet_key(const struct remembered *v, struct text *ret, struct error *err)
{
    CLEANUP(key_clear) struct key key = {0};
    CLEANUP_FREE char *folder = key_folder(v->options->config_dir);
    CLEANUP_TEXT struct text path = TEXT_INIT;
    CLEANUP_CLOSE int lock = -1; /* an import may be about to bring one */
    bool made;
    int r = remembered_changes(v, err);

    if (r < 0)
        return r;
    if (!folder)
        return error_set(err, -ENOENT, "there is no home folder for the fleet key; give --config");
    lock = takeover_lock(v->options->config_dir, err);
    if (lock < 0)
        return lock;
    text_addf(&path, "%s/%s", folder, KEY_FLEET_FILE);
    r = key_make(text_str(&path), &key, err);
    made = r == 0;
    if (r == -EEXIST) /* is it one? */
        r = key_read(text_str(&path), &key, err);
    if (r < 0)
        return r;
    if (v->options->json)
        return fleet_key_json(text_str(&path), made, ret, err);
    text_adds(ret, made ? "Created the fleet key: " : "The fleet key already exists: ");
    text_add_printable(ret, text_str(&path));
    text_adds(ret, "\nFrom now on, machines whose records are not signed with it are left out: "
                   "give each its own key with dcop-deploy enroll.\nWhoever has this file can sign "
                   "for every machine; keep a copy where nobody else can read it.\n");
    return text_error(ret) < 0 ? error_sys(err, -ENOMEM, "cannot show the fleet key's path") : 0;
}

static const struct state_machine *machine_of(const struct state_machines *machines, const char *id)
{
    for (size_t i = 0; i < machines->count; i++)
        if (strcmp(machines->items[i].id, id) == 0)
            return &machines->items[i];
    return NULL;
}

/* A name as known_hosts has it (sshd(8)), without what would be a pattern or a list there. */
static void add_known_name(struct text *t, const char *name, uint16_t port, bool *any)
{
    if (!name || !*name || name[strcspn(name, " \t\r\n,*?!|#@")])
        return;
    text_adds(t, *any ? "," : "");
    if (port && port != SSH_PORT)
        text_addf(t, "[%s]:%u", name, port);
    else
        text_adds(t, name);
    *any = true;
}

/* One line: where the machine was met last, and the alias of dcop-discover's ssh-config. */
static void add_known_host(struct text *t, const struct state_pin *pin,
                           const struct state_machine *m)
{
    CLEANUP_TEXT struct text alias = TEXT_INIT;
    const char *host = m && m->host && *m->host ? m->host : pin->id;
    bool any = false;

    if (!pin->key_base64 || !pin->key_type) {
        text_adds(t, "# ");
        text_add_printable(t, host);
        text_addf(t, ": only the fingerprint %s is known; any command to it reads the key\n",
                  pin->fingerprint);
        return;
    }
    add_known_name(t, m ? m->address : NULL, m ? m->port : 0, &any);
    add_known_name(t, m ? m->host : NULL, m ? m->port : 0, &any);
    if (advert_id_valid(pin->id)) {
        text_addf(&alias, ADVERT_INSTANCE_PREFIX "%s", pin->id);
        add_known_name(t, text_str(&alias), 0, &any);
    }
    if (any)
        text_addf(t, " %s %s\n", pin->key_type, pin->key_base64);
}

static int report_known_hosts(const struct remembered *v, struct text *ret, struct error *err)
{
    CLEANUP(state_pins_clear) struct state_pins pins = {0};
    CLEANUP(state_machines_clear) struct state_machines machines = {0};
    int r = state_pin_list(v->state, NULL, &pins, err);

    if (r == 0)
        r = state_machine_list(v->state, &machines, err);
    for (size_t i = 0; i < pins.count && r == 0; i++)
        if (!pins.items[i].retired_ms)
            add_known_host(ret, &pins.items[i], machine_of(&machines, pins.items[i].id));
    return r == 0 && text_error(ret) < 0 ? error_sys(err, -ENOMEM, "cannot list the host keys") : r;
}

int trust_report(const struct remembered *v, struct text *ret, struct error *err)
{
    CLEANUP_FREE char *id = NULL;
    char **arguments = v->options->arguments;
    int n = v->options->n_arguments;
    bool revokes = n > 0 && strcmp(arguments[0], "revoke") == 0;
    int r;

    if (n == 0)
        return v->options->json ? state_report_pins_json(v->state, NULL, ret, err)
                                : state_report_pins_text(v->state, &v->style, ret, err);
    if (n == 1 && strcmp(arguments[0], "fleet-key") == 0)
        return make_fleet_key(v, ret, err);
    if (n == 1 && strcmp(arguments[0], "known-hosts") == 0)
        return v->options->json ? error_set(err, -EINVAL, "trust known-hosts has no JSON form")
                                : report_known_hosts(v, ret, err);
    arguments += revokes;
    n -= revokes;
    if (n == 0)
        return error_set(err, -EINVAL, "say whose key to revoke: an id, a host or an agent's name");
    if (n > 2)
        return error_set(err, -EINVAL, "'trust' takes one machine and at most one fingerprint");
    r = find_id(v->state, arguments[0], &id, err);
    if (r < 0)
        return r;
    if (revokes)
        return revoke_key(v, id, n > 1 ? arguments[1] : NULL, ret, err);
    return n > 1 ? accept_key(v, id, arguments[1], ret, err) : report_machine(v, id, ret, err);
}

static int run_trust(struct program *p, struct error *err)
{
    return remembered_run(p, trust_report, err);
}

const struct verb verb_trust = {
    .name = "trust",
    .arguments = "[[revoke] ID [KEY]]",
    .help = "host keys; `trust fleet-key` makes the fleet's",
    .run = run_trust,
};
