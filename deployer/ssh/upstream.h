/*
 * An upstream is a cache to which the forward connects: its URL, and the address of its
 * host.  It is looked up once, before there are workers, which then all read it.
 */
#pragma once

#include <stdbool.h>
#include <sys/socket.h>

#include "discovery/base/address.h"
#include "discovery/base/error.h"
#include "discovery/base/text.h"

/* A cache with an https URL is not forwarded, because the filter must read the requests:
 * machines get its URL unchanged, and reach it over the network. */
struct upstream {
    char *https;       /* the URL of an https cache; NULL: http, see the other fields */
    char *host, *path; /* path: "" or "/…" */
    unsigned port;
    struct sockaddr_storage address;
    socklen_t size; /* 0: there is none */
    bool loopback;
};

struct upstreams {
    struct upstream apt, pip;
    char *pip_host;       /* Host for the index's requests if it is on another computer, or NULL */
    struct strings own;   /* this controller's names and addresses */
    struct strings ports; /* "host:port" of repositories that are not on port 80 */
    bool direct;          /* machines may reach the caches over the network */
    bool listed;          /* the proxy is our own cache: it serves a list of checked hosts only */
};

/* How long looking up one of their hosts may take; readable: stop (-1: none). */
struct upstreams_wait {
    unsigned timeout_ms;
    int stop_fd;
};

/* `apt_proxy`, `pip_index`: URLs; NULL: there is none.  `ports`: "host:port" of the proxy's
 * repositories that are not on port 80.  With a message: -EINVAL for an invalid URL; what
 * lookup_end says of its host; -ENOMEM. */
int upstreams_find(const char *apt_proxy, const char *pip_index, const struct strings *ports,
                   bool direct, const struct upstreams_wait *wait, struct upstreams *ret,
                   struct error *err);
void upstreams_clear(struct upstreams *u);

/* Is one of them reached through the SSH connection? */
bool upstreams_forwarded(const struct upstreams *u);

/* Appends the URL at which a machine reaches it: through the forward at `port` of the
 * machine's loopback (`local` NULL), or over the network, where `local` is the controller's
 * address.  `userinfo` (NULL: none) is the credential in the URL. */
void upstream_add_url(const struct upstream *u, const char *userinfo, unsigned port,
                      const struct address *local, struct text *ret);
