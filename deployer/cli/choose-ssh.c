#include "choose-ssh.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "deployer/base/destination.h"
#include "deployer/trust/known-hosts.h"

void choose_host_clear(struct choose_host *h)
{
    ssh_host_clear(&h->said);
    free(h->found.addresses);
    h->found = (struct resolved){0};
}

static int no_memory(struct error *err)
{
    return error_sys(err, -ENOMEM, "cannot add the host");
}

/* --- the settings ----------------------------------------------------------------------- */

/* What no settings say. */
static int take_as_written(struct choose_host *h, struct error *err)
{
    h->said.hostname = strdup(h->written.host);
    h->said.port = h->written.port ? h->written.port : SSH_PORT;
    return h->said.hostname ? 0 : no_memory(err);
}

/* Hosts are asked for one after the other: a "Match exec" that always waits is waited for so
 * often, not once for each machine of a class. */
enum { TIMEOUTS_MAX = 3 };

static int read_settings(const struct ssh_config *config, struct choose_host *h,
                         unsigned timeout_ms, unsigned *timeouts, struct error *err)
{
    int r;

    if (!config->there || !destination_host_valid(h->written.host) ||
        (h->written.user && !destination_user_valid(h->written.user)))
        return take_as_written(h, err);
    if (*timeouts < TIMEOUTS_MAX)
        r = ssh_config_read(config, &h->written, timeout_ms, &h->said, err);
    else
        r = error_set(err, -ETIMEDOUT,
                      "its SSH settings were not read, as those of %d others took too long",
                      TIMEOUTS_MAX);
    if (r == -ETIMEDOUT && *timeouts < TIMEOUTS_MAX)
        ++*timeouts;
    if (r < 0)
        (void)error_prefix(err, "%s", h->written.host);
    if (r != -ENOTSUP && r != -ETIMEDOUT)
        return r;
    ssh_host_clear(&h->said);
    h->found.code = r;
    h->found.err = *err;
    *err = (struct error){0};
    return take_as_written(h, err);
}

/* "KEYWORD (for HOST and N more), …": not a line for each of thirty machines. */
static void tell_unused(const struct choose_host *hosts, size_t n)
{
    CLEANUP_TEXT struct text words = TEXT_INIT;
    CLEANUP_STRINGS struct strings told = {0};

    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < hosts[i].said.unused.count; k++) {
            const char *keyword = hosts[i].said.unused.items[k];
            size_t others = 0;

            if (strings_has(&told, keyword) || strings_add(&told, keyword) < 0)
                continue;
            for (size_t j = i + 1; j < n; j++)
                others += strings_has(&hosts[j].said.unused, keyword);
            text_adds(&words, words.size > 0 ? ", " : "");
            text_add_printable(&words, keyword);
            text_adds(&words, " (for ");
            text_add_printable(&words, hosts[i].written.host);
            if (others > 0)
                text_addf(&words, " and %zu more", others);
            text_addc(&words, ')');
        }
    if (words.size > 0)
        fprintf(stderr,
                "Your SSH settings have what dcop-deploy does not support, and it goes on "
                "without: %s.\n",
                text_str(&words));
}

static int read_all_settings(struct program *p, struct choose_host *hosts, size_t n,
                             struct error *err)
{
    CLEANUP(ssh_config_close) struct ssh_config config = {0};
    unsigned timeouts = 0;
    bool no_ssh;
    int r = ssh_config_open(p->paths.state, &config, &no_ssh, err);

    if (r == 0 && no_ssh && !p->options.quiet)
        fprintf(stderr, "~/.ssh/config is not read, as there is no ssh on this computer: install "
                        "OpenSSH's client (openssh-client).\n");
    for (size_t i = 0; i < n && r == 0; i++)
        r = read_settings(&config, &hosts[i], p->options.timeout_ms, &timeouts, err);
    if (r == 0 && !p->options.quiet)
        tell_unused(hosts, n);
    return r;
}

/* --- where they are ------------------------------------------------------------------------ */

static bool is_relayed(const struct choose_host *h)
{
    return h->said.relay.count > 0;
}

/* An address behind a jump host is an address there; a name is for the jump host to look up. */
static int take_numeric(struct choose_host *h, struct error *err)
{
    struct address a;

    if (address_parse(h->said.hostname, &a) < 0)
        return 0;
    h->found.addresses = malloc(sizeof(a));
    if (!h->found.addresses)
        return no_memory(err);
    h->found.addresses[0] = a;
    h->found.count = 1;
    return 0;
}

int choose_find_hosts(struct program *p, struct choose_host *hosts, size_t n, struct error *err)
{
    CLEANUP_FREE struct resolved *found = calloc(n + 1, sizeof(*found));
    CLEANUP_FREE const char **names = calloc(n + 1, sizeof(*names));
    size_t count = 0;
    int r = found && names ? read_all_settings(p, hosts, n, err) : no_memory(err);

    if (r < 0)
        return r;
    for (size_t i = 0; i < n; i++)
        if (hosts[i].found.code == 0 && !is_relayed(&hosts[i]))
            names[count++] = hosts[i].said.hostname;
    resolve_hosts(names, count, p->options.timeout_ms, found);
    count = 0;
    for (size_t i = 0; i < n; i++) {
        if (hosts[i].found.code < 0)
            continue;
        if (!is_relayed(&hosts[i]))
            hosts[i].found = found[count++];
        else if (r == 0)
            r = take_numeric(&hosts[i], err);
    }
    return r;
}

/* --- known_hosts ---------------------------------------------------------------------------- */

/* One of the usual files, which nobody has named here: if it cannot be read, it is told, and the
 * run goes on without. */
static int read_usual(struct program *p, const char *file, struct error *err)
{
    char *items[] = {(char *)(uintptr_t)file};
    const struct strings one = {.items = items, .count = 1};
    struct error why = {0};
    int r = known_hosts_revoked(&one, &p->revoked, &why);

    if (r == -ENOMEM || (r == 0 && strings_add(&p->usual_known_hosts, file) < 0))
        return error_sys(err, -ENOMEM, "cannot read known_hosts");
    if (r < 0)
        fprintf(stderr, "%s; going on without its host keys and revocations.\n", why.text);
    return 0;
}

int choose_read_revoked(struct program *p, struct error *err)
{
    CLEANUP_STRINGS struct strings usual = {0};
    int r = 0;

    if (p->has_revoked)
        return 0;
    if (known_hosts_usual(&usual) < 0)
        return error_sys(err, -ENOMEM, "cannot read known_hosts");
    for (size_t i = 0; i < usual.count && r == 0; i++)
        r = read_usual(p, usual.items[i], err);
    p->has_revoked = r == 0;
    return r;
}

/* --- into the target ------------------------------------------------------------------------ */

static int take_known_hosts(struct program *p, struct choose_host *h, struct target *t,
                            struct error *err)
{
    CLEANUP(known_hosts_clear) struct known_hosts known = {0};
    const struct ssh_host *said = &h->said;
    bool named = said->known_hosts.count > 0;
    int r = named ? known_hosts_revoked(&said->known_hosts, &p->revoked, err)
                  : choose_read_revoked(p, err);

    if (r == 0)
        r = known_hosts_find(named ? &said->known_hosts : &p->usual_known_hosts,
                             said->alias ? said->alias : said->hostname,
                             said->alias ? 0 : said->port, &known, err);
    if (r < 0)
        return r == -ENOMEM ? no_memory(err) : r;
    if (known.authority && !p->options.quiet)
        fprintf(stderr,
                "%s: %s has a certificate authority for its host key; host certificates are not "
                "supported, the key itself is compared.\n",
                t->host, known.authority);
    t->confirmed = known.keys;
    known.keys = (struct strings){0};
    t->listed = TAKE_PTR(known.listed);
    return 0;
}

int choose_take_host(struct program *p, struct choose_host *h, bool keys, struct target *t,
                     struct error *err)
{
    t->port = h->said.port;
    t->addresses = TAKE_PTR(h->found.addresses);
    t->n_addresses = h->found.count;
    if (!t->user)
        t->user = TAKE_PTR(h->said.user);
    t->relay = h->said.relay;
    h->said.relay = (struct strings){0};
    if (keys) {
        t->keys = h->said.keys;
        h->said.keys = (struct strings){0};
        t->only_keys = h->said.only_keys;
    }
    return take_known_hosts(p, h, t, err);
}
