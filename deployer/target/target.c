#include "target.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void target_clear(struct target *t)
{
    free(t->id);
    free(t->host);
    free(t->user);
    free(t->fleet);
    free(t->hostkey);
    free(t->mac);
    strings_clear(&t->agents);
    strings_clear(&t->names);
    free(t->addresses);
    free(t->unfound);
    free(t->agent_address);
    text_wipe(&t->settings);
    strings_clear(&t->relay);
    strings_clear(&t->keys);
    strings_clear(&t->confirmed);
    free(t->listed);
    *t = (struct target){0};
}

static int copy_string(const char *from, char **to)
{
    if (!from || !*from)
        return 0;
    *to = strdup(from);
    return *to ? 0 : -ENOMEM;
}

int target_from_machine(const struct machine *m, struct target *ret)
{
    CLEANUP(target_clear) struct target t = {
        .port = m->port,
        .advertised = true,
        .in_doubt = m->in_doubt,
        .cloned = m->cloned,
        .by_hand = m->by_hand,
        .verified = m->verified && !m->by_hand,
        .seq = m->advert.seq,
    };
    char label[MACHINE_LABEL_MAX];

    t.addresses = calloc(m->n_addresses ? m->n_addresses : 1, sizeof(*t.addresses));
    if (!t.addresses)
        return -ENOMEM;
    if (m->n_addresses)
        memcpy(t.addresses, m->addresses, m->n_addresses * sizeof(*t.addresses));
    t.n_addresses = m->n_addresses;
    if (copy_string(m->advert.id, &t.id) < 0 || copy_string(machine_label(m, label), &t.host) < 0 ||
        copy_string(m->advert.user, &t.user) < 0 || copy_string(m->advert.fleet, &t.fleet) < 0 ||
        copy_string(m->advert.hostkey, &t.hostkey) < 0 ||
        strings_copy(&t.names, &m->advert.agents) < 0)
        return -ENOMEM;
    *ret = t;
    t = (struct target){0};
    return 0;
}

int target_copy(const struct target *from, struct target *ret)
{
    CLEANUP(target_clear) struct target t = {
        .port = from->port,
        .in_doubt = from->in_doubt,
        .cloned = from->cloned,
        .verified = from->verified,
        .seq = from->seq,
        .n_addresses = from->n_addresses,
        .advertised = from->advertised,
        .by_hand = from->by_hand,
        .named = from->named,
        .shown = from->shown,
        .given = from->given,
        .guessed = from->guessed,
        .away = from->away,
        .password = from->password,
        .become_password = from->become_password,
        .only_keys = from->only_keys,
    };

    t.addresses = calloc(from->n_addresses + 1, sizeof(*t.addresses));
    if (!t.addresses || copy_string(from->id, &t.id) < 0 || copy_string(from->host, &t.host) < 0 ||
        copy_string(from->user, &t.user) < 0 || copy_string(from->fleet, &t.fleet) < 0 ||
        copy_string(from->hostkey, &t.hostkey) < 0 || copy_string(from->mac, &t.mac) < 0 ||
        copy_string(from->agent_address, &t.agent_address) < 0 ||
        copy_string(from->unfound, &t.unfound) < 0 || copy_string(from->listed, &t.listed) < 0 ||
        strings_copy(&t.agents, &from->agents) < 0 || strings_copy(&t.names, &from->names) < 0 ||
        strings_copy(&t.relay, &from->relay) < 0 || strings_copy(&t.keys, &from->keys) < 0 ||
        strings_copy(&t.confirmed, &from->confirmed) < 0)
        return -ENOMEM;
    text_add(&t.settings, from->settings.data, from->settings.size);
    if (text_error(&t.settings) < 0)
        return -ENOMEM;
    if (from->n_addresses)
        memcpy(t.addresses, from->addresses, from->n_addresses * sizeof(*t.addresses));
    *ret = t;
    t = (struct target){0};
    return 0;
}

static const char *host_key(const struct target *t, char ret[static TARGET_KEY_MAX])
{
    const char *host = t->host ? t->host : "?";

    if (t->port == SSH_PORT)
        (void)snprintf(ret, TARGET_KEY_MAX, "%s", host);
    else
        (void)snprintf(ret, TARGET_KEY_MAX, "[%s]:%u", host, t->port);
    return ret;
}

const char *target_key(const struct target *t, char ret[static TARGET_KEY_MAX])
{
    if (!t->id)
        return host_key(t, ret);
    (void)snprintf(ret, TARGET_KEY_MAX, "%s", t->id);
    return ret;
}

bool target_has_key(const struct target *t, const char *key)
{
    char host[TARGET_KEY_MAX];

    return string_equal(t->id, key) || strcmp(host_key(t, host), key) == 0;
}

void targets_clear(struct targets *t)
{
    for (size_t i = 0; i < t->count; i++)
        target_clear(&t->items[i]);
    free(t->items);
    *t = (struct targets){0};
}

int targets_copy(const struct targets *from, struct targets *ret)
{
    ret->items = calloc(from->count + 1, sizeof(*ret->items));
    if (!ret->items)
        return -ENOMEM;
    for (; ret->count < from->count; ret->count++)
        if (target_copy(&from->items[ret->count], &ret->items[ret->count]) < 0)
            return -ENOMEM;
    return 0;
}

void targets_keep(struct targets *t, size_t i, size_t *kept)
{
    if (*kept != i) {
        t->items[*kept] = t->items[i];
        t->items[i] = (struct target){0};
    }
    (*kept)++;
}

int target_add_matched(const struct match *match, const struct machine *m, struct target *t)
{
    for (size_t a = 0; a < m->advert.agents.count; a++) {
        const char *name = m->advert.agents.items[a];

        for (size_t i = 0; i < match->n_matched; i++) {
            if (match->matched[i].machine != m || strcmp(match->matched[i].agent, name) != 0)
                continue;
            if (strings_add(&t->agents, name) < 0)
                return -ENOMEM;
            break;
        }
    }
    return 0;
}

int targets_from_match(const struct match *match, struct targets *ret)
{
    CLEANUP(targets_clear) struct targets all = {0};
    CLEANUP_FREE const struct machine **seen =
        calloc(match->n_matched + 1, sizeof(struct machine *));

    all.items = calloc(match->n_matched + 1, sizeof(*all.items));
    if (!all.items || !seen)
        return -ENOMEM;
    for (size_t i = 0; i < match->n_matched; i++) {
        const struct machine *m = match->matched[i].machine;
        bool known = false;

        for (size_t k = 0; k < all.count && !known; k++)
            known = seen[k] == m;
        if (known)
            continue;
        seen[all.count] = m;
        if (target_from_machine(m, &all.items[all.count]) < 0)
            return -ENOMEM;
        all.count++;
        if (target_add_matched(match, m, &all.items[all.count - 1]) < 0)
            return -ENOMEM;
    }
    *ret = all;
    all = (struct targets){0};
    return 0;
}

int targets_from_machines(const struct machine *const *machines, size_t n, struct targets *ret)
{
    CLEANUP(targets_clear) struct targets all = {0};

    all.items = calloc(n + 1, sizeof(*all.items));
    if (!all.items)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        struct target *t = &all.items[all.count];

        if (!machines[i]->beacon || !machine_is_there(machines[i]) || machines[i]->untrusted)
            continue;
        if (target_from_machine(machines[i], t) < 0)
            return -ENOMEM;
        all.count++;
        if (strings_copy(&t->agents, &t->names) < 0)
            return -ENOMEM;
    }
    *ret = all;
    all = (struct targets){0};
    return 0;
}
