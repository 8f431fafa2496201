#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "attempt.h"

enum { ORCHESTRATOR_PORT = 9000 };

const char *job_user(const struct job *job)
{
    if (job->common->user)
        return job->common->user;
    return job->target.user ? job->target.user : ADVERT_USER_DEFAULT;
}

/* An IPv4 address as text, or -EAFNOSUPPORT: pyDCOP splits its argument at ':', so it
 * accepts no other kind (pydcop/commands/agent.py). */
static int ipv4_text(const struct address *a, char ret[static INET_ADDRSTRLEN])
{
    if (!a || a->family != AF_INET || !inet_ntop(AF_INET, a->bytes, ret, INET_ADDRSTRLEN))
        return -EAFNOSUPPORT;
    return 0;
}

static const struct address *find_ipv4(const struct target *t)
{
    for (size_t i = 0; i < t->n_addresses; i++)
        if (t->addresses[i].family == AF_INET)
            return &t->addresses[i];
    return NULL;
}

void job_add_setting(struct text *t, const char *key, const char *value)
{
    text_addf(t, "%s ", key);
    text_add_percent(t, value);
    text_addc(t, '\n');
}

static int add_addresses(const struct job *job, const struct address *peer,
                         const struct address *local, struct text *ret, struct error *err)
{
    const char *orchestrator = job->common->orchestrator;
    char address[INET_ADDRSTRLEN], own[INET_ADDRSTRLEN + 8];

    if (job->target.agent_address)
        (void)snprintf(address, sizeof(address), "%s", job->target.agent_address);
    else if (ipv4_text(peer, address) < 0 && ipv4_text(find_ipv4(&job->target), address) < 0)
        return error_set(err, -EAFNOSUPPORT,
                         "no IPv4 address of it is known, and pyDCOP supports only IPv4; give one "
                         "with agt_address in an inventory");
    if (!orchestrator) {
        size_t n;

        if (ipv4_text(local, own) < 0)
            return error_set(err, -EAFNOSUPPORT,
                             "this controller has no IPv4 address towards it; "
                             "give one with --orchestrator");
        n = strlen(own);
        (void)snprintf(own + n, sizeof(own) - n, ":%d", ORCHESTRATOR_PORT);
        orchestrator = own;
        text_adds(ret, "orchestrator_here yes\n");
    }
    job_add_setting(ret, "address", address);
    job_add_setting(ret, "orchestrator", orchestrator);
    if (job->common->fleet)
        job_add_setting(ret, "fleet", job->common->fleet);
    return 0;
}

static void add_kept(const struct upstream *u, const char *key, const struct address *local,
                     struct text *ret)
{
    CLEANUP_TEXT struct text url = TEXT_INIT;

    if (u->size == 0 && !u->https)
        return;
    upstream_add_url(u, NULL, 0, local, &url);
    job_add_setting(ret, key, text_str(&url));
}

/* The id that the machine says must not be one that is pinned with another key. */
static void add_taken_ids(const struct job *job, struct text *ret)
{
    const struct state_pins *pins = job->common->pins;
    bool any = false;

    if (!pins || (job->target.id && !job->target.guessed))
        return;
    for (size_t i = 0; i < pins->count; i++) {
        const struct state_pin *pin = &pins->items[i];

        if (pin->retired_ms || !known_machine_pin_has_id(pin) ||
            string_equal(pin->fingerprint, job->target.hostkey) ||
            string_equal(pin->fingerprint, known_machine_pin(&job->known)))
            continue;
        text_addf(ret, "%s%s", any ? "," : "taken ", pin->id);
        any = true;
    }
    text_adds(ret, any ? "\n" : "");
}

int job_settings(const struct job *job, const char *nonce, const struct address *peer,
                 const struct address *local, struct text *ret, struct error *err)
{
    const struct job_common *common = job->common;
    int r;

    job_add_setting(ret, "mode", common->mode);
    job_add_setting(ret, "who", common->who);
    if (common->run_id)
        job_add_setting(ret, "run_id", common->run_id);
    if (common->version_digest)
        job_add_setting(ret, "digest", common->version_digest);
    if (job->target.id && !job->target.guessed) /* else its key says which machine it is */
        job_add_setting(ret, "id", job->target.id);
    add_taken_ids(job, ret);
    job_add_setting(ret, "login", job_user(job));
    if (job->target.named)
        text_adds(ret, "named yes\n");
    if (common->upstreams) {
        text_adds(ret, common->upstreams->apt.size || common->upstreams->apt.https ? "caches apt\n"
                                                                                   : "");
        text_adds(ret, common->upstreams->pip.size || common->upstreams->pip.https ? "caches pip\n"
                                                                                   : "");
    }
    if (common->upstreams && common->keep_proxy && local) {
        add_kept(&common->upstreams->apt, "keep_apt_proxy", local, ret);
        add_kept(&common->upstreams->pip, "keep_pip_index", local, ret);
    }
    if (common->looks)
        text_adds(ret, "looks yes\n");
    for (size_t i = 0; i < job->target.agents.count; i++)
        job_add_setting(ret, "agents", job->target.agents.items[i]);
    /* Names that an inventory gives to the machine, and that this problem does not have. */
    for (size_t i = 0; job->target.named && i < job->target.names.count; i++)
        if (!strings_has(&job->target.agents, job->target.names.items[i]))
            job_add_setting(ret, "others", job->target.names.items[i]);
    /* In the form in which dcop-beacon --print writes them on the machine. */
    for (size_t i = 0; i < job->target.names.count; i++) {
        CLEANUP_TEXT struct text printed = TEXT_INIT;

        text_add_printable(&printed, job->target.names.items[i]);
        if (text_error(&printed) < 0)
            return error_sys(err, -ENOMEM, "cannot write the settings");
        job_add_setting(ret, "names", text_str(&printed));
    }
    if (common->places_agents) {
        r = add_addresses(job, peer, local, ret, err);
        if (r < 0)
            return r;
    }
    if (job->target.agent_address)
        job_add_setting(ret, "agent_address", job->target.agent_address);
    text_add(ret, job->target.settings.data, job->target.settings.size);
    if (common->settings)
        text_add(ret, common->settings->data, common->settings->size);
    text_addf(ret, "time %lld\n", (long long)time(NULL));
    text_addf(ret, "end %s\n", nonce);
    r = text_error(ret);
    return r < 0 ? error_sys(err, r, "cannot write the settings") : 0;
}

const struct secret *job_become_password(const struct job *job)
{
    return job->target.become_password ? job->target.become_password : job->common->become_password;
}
