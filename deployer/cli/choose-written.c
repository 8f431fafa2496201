/* Targets that a person has written down: the hosts of an inventory, an address. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "choose-ssh.h"
#include "choose.h"
#include "deployer/base/destination.h"
#include "deployer/inventory/hosts.h"
#include "discovery/base/terminal.h"

/* --- an address -------------------------------------------------------------------- */

int choose_address(struct program *p, const char *text, struct error *err)
{
    CLEANUP(target_clear) struct target t = {0};
    CLEANUP(choose_host_clear) struct choose_host h = {0};
    struct target *grown;
    struct destination to;
    int r = destination_parse(text, &to, err);

    if (r < 0)
        return r;
    t.host = strdup(to.host);
    t.user = *to.user ? strdup(to.user) : NULL;
    if (!t.host || (*to.user && !t.user))
        return error_sys(err, -ENOMEM, "cannot add the host");
    h.written = (struct ssh_written){
        .host = to.host, .user = p->options.user ? p->options.user : t.user, .port = to.port};
    r = choose_find_hosts(p, &h, 1, err);
    if (r == 0 && h.found.code < 0) {
        *err = h.found.err;
        r = h.found.code;
    }
    if (r == 0)
        r = choose_take_host(p, &h, p->options.keys.count == 0, &t, err);
    if (r < 0)
        return r;
    grown = reallocarray(p->targets.items, p->targets.count + 1, sizeof(*grown));
    if (!grown)
        return error_sys(err, -ENOMEM, "cannot add the host");
    p->targets.items = grown;
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

/* `found` is taken over.  `key_given`: on the command line. */
static int add_host(struct program *p, const struct host *h, struct choose_host *found,
                    bool key_given, struct error *err)
{
    CLEANUP(target_clear) struct target t = {.named = true};
    struct target *grown;
    int r;

    if (found->found.code == -ENOMEM) {
        *err = found->found.err;
        return found->found.code;
    }
    if (found->found.code < 0) { /* it does not stop the others: without an address it is
                                    unreachable */
        CLEANUP_TEXT struct text words = TEXT_INIT;

        text_add_printable(&words, found->found.err.text);
        fprintf(stderr, "%s: %s\n", h->place, text_str(&words));
        t.unfound = strdup(text_str(&words));
        if (!t.unfound)
            return error_sys(err, -ENOMEM, "cannot add the host");
    }
    r = take_password(p, h->password, p->passwords.login, &t.password, err);
    if (r == 0)
        r = take_password(p, h->become_password, p->passwords.become, &t.become_password, err);
    if (r < 0)
        return error_prefix(err, "%s", h->place);
    t.host = strdup(h->address);
    t.user = h->user ? strdup(h->user) : NULL;
    t.agent_address = h->agent_address ? strdup(h->agent_address) : NULL;
    if (!t.host || (h->user && !t.user) || (h->agent_address && !t.agent_address) ||
        strings_copy(&t.agents, &h->agents) < 0 || strings_copy(&t.names, &h->agents) < 0)
        return error_sys(err, -ENOMEM, "cannot add the host");
    r = choose_take_host(p, found, !key_given && !h->key, &t, err);
    if (r < 0)
        return r;
    grown = reallocarray(p->targets.items, p->targets.count + 1, sizeof(*grown));
    if (!grown)
        return error_sys(err, -ENOMEM, "cannot add the host");
    p->targets.items = grown;
    grown[p->targets.count++] = t;
    t = (struct target){0};
    return 0;
}

static int add_hosts(struct program *p, const struct hosts *hosts, bool key_given,
                     struct error *err)
{
    CLEANUP_FREE struct choose_host *found = calloc(hosts->count + 1, sizeof(*found));
    int r;

    if (!found)
        return error_sys(err, -ENOMEM, "cannot add the host");
    for (size_t i = 0; i < hosts->count; i++) {
        const struct host *h = &hosts->items[i];

        found[i].written = (struct ssh_written){.host = h->address,
                                                .user = p->options.user ? p->options.user : h->user,
                                                .port = h->port};
    }
    r = choose_find_hosts(p, found, hosts->count, err);
    for (size_t i = 0; i < hosts->count && r == 0; i++)
        r = add_host(p, &hosts->items[i], &found[i], key_given, err);
    for (size_t i = 0; i < hosts->count; i++)
        choose_host_clear(&found[i]);
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
    bool key_given = p->options.keys.count > 0;
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
    return r == 0 ? add_hosts(p, &hosts, key_given, err) : r;
}

/* --- which of them ------------------------------------------------------------------ */

/* The hosts as machines that are there, for a match; what they point to is the targets'. */
static struct machine *hosts_as_machines(const struct targets *targets)
{
    struct machine *machines = calloc(targets->count + 1, sizeof(*machines));

    for (size_t i = 0; machines && i < targets->count; i++) {
        machines[i].advert.agents = targets->items[i].names;
        machines[i].host = targets->items[i].host;
        machines[i].beacon = machines[i].online = true;
    }
    return machines;
}

/* What stands in the way, then the names that are left out. */
static void add_words(const struct match *match, struct text *ret)
{
    for (size_t i = 0; i < match->n_missing; i++) {
        text_adds(ret, "missing     ");
        report_add_name(ret, match->missing[i]);
        text_adds(ret, ": no host of the inventory has it\n");
    }
    for (size_t i = 0; i < match->n_duplicates; i++) {
        text_adds(ret, "duplicate   ");
        report_add_name(ret, match->duplicates[i].agent);
        for (size_t k = 0; k < match->duplicates[i].count; k++) {
            text_adds(ret, k == 0 ? " is on " : ", ");
            text_add_printable(ret, match->duplicates[i].machines[k]->host);
        }
        text_adds(ret, ": leave it to one of them in the inventory\n");
    }
    for (size_t i = 0; i < match->n_unexpected; i++) {
        const struct match_unexpected *u = &match->unexpected[i];

        text_adds(ret, "unexpected  ");
        report_add_name(ret, u->agent);
        text_adds(ret, " on ");
        text_add_printable(ret, u->machine->host);
        text_adds(ret, ": it is not in the problem");
        if (u->suggestion) {
            text_adds(ret, "; did you mean ");
            report_add_name(ret, u->suggestion);
            text_addc(ret, '?');
        }
        text_addc(ret, '\n');
    }
}

/* Keeps the hosts that have agents of the problem, and of their agents those. */
static int keep_matched(const struct match *match, const struct machine *machines,
                        struct targets *targets)
{
    size_t kept = 0;

    for (size_t i = 0; i < targets->count; i++) {
        struct target *t = &targets->items[i];

        strings_clear(&t->agents);
        if (target_add_matched(match, &machines[i], t) < 0)
            return -ENOMEM;
        if (t->agents.count == 0) {
            target_clear(t);
            continue;
        }
        targets_keep(targets, i, &kept);
    }
    targets->count = kept;
    return 0;
}

/* Selects from the inventory's hosts by the problem, as from machines that are found on the
 * network: a missing agent, or one on several hosts, makes the answer no, other hosts are
 * left out.  1: no, which is told. */
static int choose_by_agents(struct program *p, struct error *err)
{
    CLEANUP_FREE struct machine *machines = hosts_as_machines(&p->targets);
    CLEANUP_FREE const struct machine **pointers = calloc(p->targets.count + 1, sizeof(*pointers));
    CLEANUP(match_clear) struct match match = MATCH_INIT;
    CLEANUP_TEXT struct text words = TEXT_INIT;
    bool falls_short;
    int r = machines && pointers ? 0 : -ENOMEM;

    for (size_t i = 0; i < p->targets.count && r == 0; i++)
        pointers[i] = &machines[i];
    if (r == 0)
        r = match_make(pointers, p->targets.count, &p->problem, NULL, &match);
    if (r == 0)
        r = match_explain(&match, pointers, p->targets.count);
    if (r < 0)
        return error_sys(err, r, "cannot compare the inventory with the problem");
    add_words(&match, &words);
    /* The hosts' addresses are a person's: without IPv4 ones the machine is asked for its own. */
    falls_short = match.n_missing + match.n_duplicates > 0;
    if (keep_matched(&match, machines, &p->targets) < 0 || text_error(&words) < 0)
        return error_sys(err, -ENOMEM, "cannot compare the inventory with the problem");
    if (p->options.resume)
        return 0;
    if (p->options.limits.count > 0)
        r = choose_limited(&p->options.limits, &p->targets, &match, &falls_short, NULL, err);
    if (r < 0)
        return r;
    if (falls_short || !p->options.quiet)
        terminal_put(stderr, &words);
    if (p->targets.count > 0 && (!falls_short || p->options.partial))
        return 0;
    fprintf(stderr, p->targets.count > 0
                        ? "Nothing was done; --partial continues with those that match.\n"
                        : "Nothing was done.\n");
    return 1;
}

int choose_by_inventory(struct program *p, struct error *err)
{
    bool of_problem = p->options.problems.count > 0;
    int r = of_problem ? problem_read(&p->options.problems, &p->problem, err) : 0;

    if (r == 0)
        r = add_inventory(p, err);
    if (r < 0)
        return r;
    if (of_problem)
        return choose_by_agents(p, err);
    return p->options.limits.count > 0
               ? choose_limited(&p->options.limits, &p->targets, &MATCH_INIT, NULL, NULL, err)
               : 0;
}
