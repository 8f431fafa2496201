/* Targets that a person has written down: the hosts of an inventory, an address. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "choose.h"
#include "deployer/base/destination.h"
#include "deployer/inventory/hosts.h"
#include "deployer/target/resolve.h"
#include "discovery/base/terminal.h"

/* --- an address -------------------------------------------------------------------- */

int choose_address(struct program *p, const char *text, struct error *err)
{
    CLEANUP(target_clear) struct target t = {0};
    struct target *grown;
    struct destination to;
    int r = destination_parse(text, &to, err);

    if (r == 0)
        r = resolve_host(to.host, p->options.timeout_ms, &t.addresses, &t.n_addresses, err);
    if (r < 0)
        return r;
    t.port = to.port ? to.port : SSH_PORT;
    t.host = strdup(to.host);
    t.user = *to.user ? strdup(to.user) : NULL;
    grown = reallocarray(p->targets.items, p->targets.count + 1, sizeof(*grown));
    if (grown)
        p->targets.items = grown;
    if (!grown || !t.host || (*to.user && !t.user))
        return error_sys(err, -ENOMEM, "cannot add the host");
    grown[p->targets.count++] = t;
    t = (struct target){0};
    return 0;
}

/* --- the inventory's hosts ---------------------------------------------------------- */

/* A host's password, stored once for all hosts that share it.  NULL when it has none,
 * or when a person gave a password for the run. */
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
        return error_sys(err, -ENOMEM, "cannot add the host");
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
    if (found->code < 0) { /* it does not stop the others: without an address it is unreachable */
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
    t.host = strdup(h->address);
    t.user = h->user ? strdup(h->user) : NULL;
    if (!grown || !t.host || (h->user && !t.user) || strings_copy(&t.agents, &h->agents) < 0 ||
        strings_copy(&t.names, &h->agents) < 0)
        return error_sys(err, -ENOMEM, "cannot add the host");
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
        return error_sys(err, -ENOMEM, "cannot add the host");
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
            return error_sys(err, -ENOMEM, "cannot add the host");
    }
    return 0;
}

static int add_inventory(struct program *p, struct error *err)
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

/* --- which of them ------------------------------------------------------------------ */

static bool has_agent(const struct targets *targets, const char *agent)
{
    for (size_t i = 0; i < targets->count; i++)
        if (strings_has(&targets->items[i].agents, agent))
            return true;
    return false;
}

/* Compares the inventory's agents with the problem's, in the words of the match. */
static int compare_inventory(struct program *p, bool *ret_short, struct error *err)
{
    CLEANUP_TEXT struct text words = TEXT_INIT;
    const struct strings *wanted = &p->problem.agents;

    for (size_t i = 0; i < wanted->count; i++) {
        if (has_agent(&p->targets, wanted->items[i]))
            continue;
        text_adds(&words, "missing     ");
        report_add_name(&words, wanted->items[i]);
        text_adds(&words, ": no host of the inventory has it\n");
    }
    for (size_t i = 0; i < p->targets.count; i++) {
        const struct target *t = &p->targets.items[i];

        for (size_t k = 0; k < t->agents.count; k++) {
            if (strings_has(wanted, t->agents.items[k]))
                continue;
            text_adds(&words, "unexpected  ");
            report_add_name(&words, t->agents.items[k]);
            text_adds(&words, " on ");
            text_add_printable(&words, t->host);
            text_adds(&words, ": it is not in the problem\n");
        }
    }
    *ret_short = words.size > 0;
    terminal_put(stderr, &words);
    return text_error(&words) < 0
               ? error_sys(err, -ENOMEM, "cannot compare the inventory with the problem")
               : 0;
}

int choose_by_inventory(struct program *p, struct error *err)
{
    bool falls_short = false;
    int r =
        p->options.problems.count > 0 ? problem_read(&p->options.problems, &p->problem, err) : 0;

    if (r == 0)
        r = add_inventory(p, err);
    if (r == 0 && p->options.limits.count > 0)
        r = choose_limited(&p->options.limits, &p->targets, &MATCH_INIT, NULL, NULL, err);
    if (r == 0 && p->options.problems.count > 0 && p->options.limits.count == 0)
        r = compare_inventory(p, &falls_short, err);
    if (r == 0 && falls_short && !p->options.partial) {
        fprintf(stderr, "Nothing was done; --partial continues with all of them anyway.\n");
        return 1;
    }
    return r;
}
