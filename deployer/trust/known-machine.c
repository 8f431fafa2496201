#include "known-machine.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

void known_machine_clear(struct known_machine *k)
{
    state_pins_clear(&k->pins);
    free(k->agent);
    free(k->held_by);
    *k = (struct known_machine){0};
}

static const char *fleet_of(const struct target *t)
{
    return t->fleet ? t->fleet : ADVERT_FLEET_DEFAULT;
}

/* Is `id` its id, or the host key that identified it before it had an id? */
static bool is_self(const struct target *t, const char *id)
{
    return string_equal(t->id, id) || string_equal(t->hostkey, id);
}

/* Finds the first of its names that belongs to another machine. */
static int find_name_conflict(struct state *s, const struct target *t, struct known_machine *k,
                              struct error *err)
{
    for (size_t i = 0; i < t->names.count && !k->held_by; i++) {
        CLEANUP_FREE char *holder = NULL;
        bool now = false;
        int r = state_name_holder(s, fleet_of(t), t->names.items[i], &holder, &now, err);

        /* A name that a person has released is free. */
        if (r == -ENOENT || (r == 0 && (!now || is_self(t, holder))))
            continue;
        if (r < 0)
            return r;
        k->agent = strdup(t->names.items[i]);
        if (!k->agent)
            return error_sys(err, -ENOMEM, "cannot read what is known of the machine");
        k->held_by = TAKE_PTR(holder);
    }
    return 0;
}

/* A target without an id is identified by its host key: its pins are those of a machine with
 * that key, even of a clone. */
static int find_by_key(struct state *s, const char *hostkey, struct known_machine *k,
                       struct error *err)
{
    CLEANUP_STRINGS struct strings ids = {0};
    int r = state_pin_by_fingerprint(s, hostkey, &ids, err);

    if (r == 0)
        r = state_pin_list(s, ids.count > 0 ? ids.items[0] : hostkey, &k->pins, err);
    return r;
}

int known_machine_get(struct state *s, const struct target *t, struct consent consent,
                      struct known_machine *ret, struct error *err)
{
    CLEANUP(known_machine_clear) struct known_machine k = {.consent = consent,
                                                           .verified = t->verified};
    int r = 0;

    if (t->id) {
        r = state_pin_list(s, t->id, &k.pins, err);
        /* Its key may have been trusted before it had a beacon, and so an id. */
        if (r == 0 && k.pins.count == 0 && t->hostkey)
            r = state_pin_list(s, t->hostkey, &k.pins, err);
        if (r == 0)
            r = find_name_conflict(s, t, &k, err);
        /* A replay of an old record proves nothing. */
        if (r == 0 && t->verified && t->hostkey) {
            r = state_seq_check(s, t->id, t->hostkey, t->seq, err);
            if (r == -ESTALE) {
                k.verified = false;
                r = 0;
            }
        }
    }
    if (!t->id && t->hostkey)
        r = find_by_key(s, t->hostkey, &k, err);
    if (r == 0 && !t->id && t->hostkey)
        r = find_name_conflict(s, t, &k, err);
    if (r < 0)
        return r;
    *ret = k;
    k = (struct known_machine){0};
    return 0;
}

const char *known_machine_pin(const struct known_machine *k)
{
    const struct state_pin *first = k->pins.count > 0 ? &k->pins.items[0] : NULL;

    return first && first->retired_ms == 0 ? first->fingerprint : NULL;
}

int known_machine_shared_keys(struct state *s, const struct strings *machines, struct text *ret,
                              struct error *err)
{
    CLEANUP(state_pins_clear) struct state_pins pins = {0};
    int r = state_pin_list(s, NULL, &pins, err);
    size_t kept = 0;

    for (size_t i = 0; i < pins.count; i++) {
        struct state_pin pin = pins.items[i];

        pins.items[i] = (struct state_pin){0};
        if (strings_has(machines, pin.id))
            pins.items[kept++] = pin;
        else
            state_pin_clear(&pin);
    }
    pins.count = kept;
    if (r == 0 && state_pins_shared_keys(&pins, ret) < 0)
        r = error_sys(err, -ENOMEM, "cannot compare host keys");
    return r;
}

struct trust known_machine_trust(const struct known_machine *k, const struct target *t)
{
    /* The question showed the key only if the record names one, or it is pinned. */
    bool asked = k->consent.asked && t->shown && (t->hostkey || known_machine_pin(k));

    return (struct trust){
        .id = t->id,
        .host = t->host,
        .pin = known_machine_pin(k),
        .source = known_machine_pin(k) ? k->pins.items[0].source
                  : asked              ? PIN_QUESTION
                                       : PIN_ACCEPT,
        .expected = t->hostkey,
        .verified = k->verified,
        .pins = &k->pins,
        .agent = k->agent,
        .held_by = k->held_by,
        .written = t->named && !t->advertised,
        .in_doubt = t->in_doubt,
        .cloned = t->cloned,
        .accept_new = k->consent.given,
        .accept_held = asked,
        .confirmed = &t->confirmed,
        .listed = t->listed,
    };
}

bool known_machine_pin_has_id(const struct state_pin *pin)
{
    return strncmp(pin->id, "SHA256:", 7) != 0;
}

const struct state_pin *known_machine_by_key(const struct state_pins *all, const char *fingerprint)
{
    const struct state_pin *found = NULL;

    for (size_t i = 0; i < all->count; i++) {
        const struct state_pin *pin = &all->items[i];

        if (pin->retired_ms || strcmp(pin->fingerprint, fingerprint) != 0)
            continue;
        if (found)
            return NULL;
        found = pin;
    }
    return found;
}

/* If the machine was known by its host key alone and has an id now, removes the entry that
 * has the key as its id; `pin`, which is for the id, gets that entry's source, unless it has
 * a better one. */
static int replace_key_entry(struct state *s, struct state_pin *pin, struct error *err)
{
    CLEANUP(state_forgotten_clear) struct state_forgotten forgotten = {0};
    CLEANUP(state_pin_clear) struct state_pin before = {0};
    int r = state_pin_get(s, pin->fingerprint, &before, err);

    if (r == -ENOENT)
        return 0;
    if (r == 0 && pin->source == PIN_ACCEPT)
        pin->source = before.source;
    if (r == 0)
        r = state_forget(s, pin->fingerprint, &forgotten, err);
    return r == -ENOENT ? 0 : r;
}

enum { HOSTNAME_LABEL_MAX = 63 };

/* Is the record's host name, "NAME.local" or, after a conflict, "NAME-2.local" (RFC 6762 §9),
 * that of a machine which calls itself so? */
static bool is_host_of(const char *host, const char *hostname, size_t size)
{
    if (strncasecmp(host, hostname, size) != 0)
        return false;
    host += size;
    if (*host == '-')
        host += 1 + strspn(host + 1, "0123456789");
    return *host == '\0' || *host == '.';
}

/* The host name to store, in `room` where it is not the target's; NULL: the stored one stays. */
static const char *host_of(const struct target *t, const struct known_machine_met *met,
                           char room[static HOSTNAME_LABEL_MAX + 1])
{
    size_t size = met->hostname ? strcspn(met->hostname, ".") : 0;

    if (!t->advertised)
        return t->host;
    if (size == 0 || size > HOSTNAME_LABEL_MAX ||
        strspn(met->hostname, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                              "0123456789-_") < size)
        return NULL;
    if (t->host && is_host_of(t->host, met->hostname, size))
        return t->host;
    (void)snprintf(room, HOSTNAME_LABEL_MAX + 1, "%.*s", (int)size, met->hostname);
    return room;
}

/* Does the name stay with another machine, which holds it and is pinned?  1, 0, an error.  A
 * machine's own word moves no name: a person's does, who gave it, or was shown whose it was. */
static int stays_with_holder(struct state *s, const struct target *t, const struct known_machine *k,
                             const char *name, struct error *err)
{
    CLEANUP(state_pin_clear) struct state_pin pin = {0};
    CLEANUP_FREE char *holder = NULL;
    bool now = false;
    bool shown =
        k->consent.asked && t->shown && !known_machine_pin(k) && string_equal(k->agent, name);
    int r;

    if (t->named || t->given || shown)
        return 0;
    r = state_name_holder(s, fleet_of(t), name, &holder, &now, err);
    if (r == 0 && now && !is_self(t, holder))
        r = state_pin_get(s, holder, &pin, err);
    return r == -ENOENT ? 0 : r < 0 ? r : now && !is_self(t, holder);
}

static int learn_names(struct state *s, const struct target *t, const struct known_machine *k,
                       const char *id, struct error *err)
{
    CLEANUP_STRINGS struct strings names = {0};

    if (t->names.count == 0)
        return 0;
    for (size_t i = 0; i < t->names.count; i++) {
        int r = stays_with_holder(s, t, k, t->names.items[i], err);

        if (r == 0 && strings_add(&names, t->names.items[i]) < 0)
            return error_sys(err, -ENOMEM, "cannot remember the machine's names");
        if (r < 0)
            return r;
    }
    return state_names_set(s, fleet_of(t), id, &names, err);
}

int known_machine_learn(struct state *s, const struct target *t, const struct known_machine *k,
                        const struct known_machine_met *met, struct error *err)
{
    const char *fingerprint = met->fingerprint;
    char host[HOSTNAME_LABEL_MAX + 1];
    char address[ADDRESS_TEXT_MAX] = "";
    const char *id = t->id ? t->id : fingerprint; /* the key takes the place of an id */
    struct state_machine machine = {
        .id = (char *)id,
        .fingerprint = (char *)fingerprint,
        .host = (char *)(uintptr_t)host_of(t, met, host),
        .fleet = (char *)fleet_of(t),
        .address = met->peer ? address : NULL,
        .port = t->port,
        .user = t->user,
        .agents_address = (char *)(uintptr_t)met->agents_address,
        .by_hand = (!t->advertised && t->relay.count == 0) || t->by_hand ? 1 : -1,
    };
    struct trust trust = known_machine_trust(k, t);
    struct state_pin pin = {
        .id = (char *)id, .fingerprint = (char *)fingerprint, .source = trust_source(&trust)};
    int r = t->id ? replace_key_entry(s, &pin, err) : 0;

    if (!trust.pin || (t->id && strcmp(k->pins.items[0].id, t->id) != 0))
        r = state_pin_put(s, &pin, err);
    if (met->peer)
        address_format(met->peer, address);
    if (r == 0)
        r = state_machine_put(s, &machine, err);
    if (r == 0)
        r = learn_names(s, t, k, id, err);
    if (r == 0 && k->verified && t->hostkey)
        r = state_seq_put(s, t->id, t->hostkey, t->seq, err);
    return r;
}
