/*
 * An upstream is a cache as the forward reaches it: a URL, and the address that
 * its host has.  Looked up once, before there are workers; read by all of them.
 */
#pragma once

#include <stdbool.h>
#include <sys/socket.h>

#include "discovery/base/address.h"
#include "discovery/base/error.h"
#include "discovery/base/text.h"

/* One by https is not led through the forward, which reads what is asked: machines are
 * told of it as it is, and ask it over the network. */
struct upstream {
    char *https;       /* its URL; NULL: it is one of http, as what follows says */
    char *host, *path; /* path: "" or "/…" */
    unsigned port;
    struct sockaddr_storage address;
    socklen_t size; /* 0: there is none */
    bool loopback;
};

struct upstreams {
    struct upstream apt, pip;
    char *pip_host;       /* for requests, when it is not this computer's; else NULL */
    struct strings own;   /* this controller's names and addresses */
    struct strings ports; /* of repositories: "host:port" where that is not 80 */
    bool direct;          /* machines may ask over the network */
};

/* `apt_proxy`, `pip_index`: URLs; NULL: there is none.  `ports`: "host:port" of the proxy's
 * repositories that are not on port 80.  -EINVAL with words for a URL that is none of
 * http, -EHOSTUNREACH when its host has no address. */
int upstreams_find(const char *apt_proxy, const char *pip_index, const struct strings *ports,
                   bool direct, struct upstreams *ret, struct error *err);
void upstreams_clear(struct upstreams *u);

/* Is one of them led to through the SSH connection? */
bool upstreams_forwarded(const struct upstreams *u);

/* The URL at which a machine finds it: through a forward with that credential
 * (`local` NULL), or over the network, where the controller is `local`. */
void upstream_add_url(const struct upstream *u, const char *userinfo, unsigned port,
                      const struct address *local, struct text *ret);
