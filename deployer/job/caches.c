#include <stdio.h>
#include <string.h>

#include "attempt.h"
#include "deployer/base/local-host.h"

static void add_cache(struct job_run *run, const char *key, const struct upstream *u,
                      const struct address *local)
{
    CLEANUP_TEXT struct text url = TEXT_INIT;
    char userinfo[sizeof(FORWARD_FILTER_USER) + 1 + FORWARD_FILTER_TOKEN_LENGTH];

    if (u->size == 0 && !u->https)
        return;
    (void)snprintf(userinfo, sizeof(userinfo), FORWARD_FILTER_USER ":%s", run->token);
    upstream_add_url(u, local ? NULL : userinfo, run->port, local, &url);
    job_add_setting(&run->caches, key, text_str(&url));
    explicit_bzero(userinfo, sizeof(userinfo));
    text_wipe(&url);
    url = TEXT_INIT;
}

static const char no_forwarding[] =
    "its sshd forwards no port (AllowTcpForwarding or PermitListen in its sshd_config), so the "
    "caches cannot be reached through the SSH connection: set `AllowTcpForwarding remote` there, "
    "or deploy with --cache-direct, so that it uses them over the network";

void job_on_forwarded(unsigned port, void *arg)
{
    struct job_run *run = arg;
    const struct upstreams *all = run->job->common->upstreams;
    struct address local;
    bool direct = port == 0 && all && all->direct && session_local(run->session, &local) == 0;

    run->port = port;
    if (port > 0 || direct || (all && !upstreams_forwarded(all))) {
        add_cache(run, "apt_proxy", &all->apt, direct ? &local : NULL);
        add_cache(run, "pip_index", &all->pip, direct ? &local : NULL);
    } else if (all) {
        struct stepwire_event note = {
            .kind = STEPWIRE_NOTE, .name = "", .detail = no_forwarding, .lines = ""};

        job_tell(run, &(struct job_event){.kind = JOB_STEP, .step = &note});
        job_add_setting(&run->caches, "no_cache", no_forwarding);
    }
    text_addf(&run->caches, "end %s\n", run->nonce);
    (void)session_send(run->session, run->caches.data, run->caches.size);
}

enum { HOSTS_MAX = 16 }; /* names that one machine has looked up here */

/* A proxy that serves any host would reach what only this controller may.  Blocks this machine's
 * session while a name is looked up, and no other's.  A name without an answer is not asked for,
 * but looked up again the next time. */
static bool may_ask_for(const char *host, void *arg)
{
    struct job_run *run = arg;

    if (strings_has(&run->cache_hosts, host))
        return true;
    return run->cache_hosts.count < HOSTS_MAX &&
           local_host_resolved(host, &run->job->common->upstreams->own,
                               run->job->common->timeout_ms, run->stop_fds.cancel) == 0 &&
           strings_add(&run->cache_hosts, host) == 0;
}

void job_on_want(struct job_run *run)
{
    const struct upstreams *all = run->job->common->upstreams;
    struct forward_options options = {
        .rules = &run->filter, .upstreams = all, .left = &run->cache_left};

    if (run->caches.size > 0 || *run->token)
        return; /* it was told, or will be */
    if (!all || !upstreams_forwarded(all) || nonce_make(run->token) < 0) {
        job_on_forwarded(0, run);
        return;
    }
    run->filter = (struct forward_filter_rules){.apt = all->apt.size > 0,
                                                .pip = all->pip.size > 0,
                                                .pip_host = all->pip_host,
                                                .own = &all->own,
                                                .ports = &all->ports,
                                                .may_ask = all->listed ? NULL : may_ask_for,
                                                .arg = run,
                                                .left = &run->cache_left};
    run->cache_left = FORWARD_BYTES_MAX;
    forward_filter_credential(run->token, run->filter.credential);
    if (session_forward(run->session, &options) < 0)
        job_on_forwarded(0, run);
}
