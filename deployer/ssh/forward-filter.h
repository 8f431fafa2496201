/*
 * A filter between one forwarded connection of a machine and the caches: it
 * parses HTTP/1.1 requests strictly, and passes on those that fetch packages
 * with this run's credential.  It checks each request of a connection, also
 * pipelined ones; the first refused request ends the connection.
 *
 * Requests in proxy form (GET http://host/path, RFC 9112 §3.2.2,
 * Proxy-Authorization) go to the apt cache, those with a path alone
 * (Authorization) go to the index.  A connection uses one of the two.  The filter
 * rewrites each request head: it removes the credential, and passes on nothing
 * that it does not understand.
 *
 * Pure: bytes in, bytes out.  A value; one thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "discovery/base/text.h"

enum {
    FORWARD_FILTER_HEAD_MAX = 8192,
    FORWARD_FILTER_HEADERS_MAX = 64,
    FORWARD_FILTER_TOKEN_LENGTH = 32,      /* hex digits */
    FORWARD_FILTER_CREDENTIAL_LENGTH = 52, /* base64 of "dcop:" and the token */
};
#define FORWARD_FILTER_USER "dcop"

/* What may pass, for all connections of one run; outlives their filters. */
struct forward_filter_rules {
    bool apt, pip;        /* is there such a cache? */
    const char *pip_host; /* replaces the Host of requests to the index; NULL: it is kept */
    char credential[FORWARD_FILTER_CREDENTIAL_LENGTH +
                    1];          /* as forward_filter_credential makes it */
    const struct strings *own;   /* this controller's names and addresses */
    const struct strings *ports; /* "host:port" of repositories that are not on 80; may be NULL */
    /* May the proxy be asked for that host, by its addresses?  It may block; NULL: any host that
     * is not known as local here may be asked for. */
    bool (*may_ask)(const char *host, void *arg);
    void *arg;
    const uint64_t *left; /* bytes that may still be fetched; NULL: no bound */
};

enum forward_filter_to { FORWARD_FILTER_UNKNOWN, FORWARD_FILTER_APT, FORWARD_FILTER_PIP };

struct forward_filter {
    const struct forward_filter_rules *rules;
    enum forward_filter_to to; /* known once a request was accepted */
    unsigned status;           /* the HTTP status of the refusal; 0: none */
    const char *why;           /* its reason phrase */
    size_t size;
    char head[FORWARD_FILTER_HEAD_MAX + 1];
};

/* Base64 of "user:token", as in a request (RFC 7617). */
void forward_filter_credential(const char token[static FORWARD_FILTER_TOKEN_LENGTH + 1],
                               char ret[static FORWARD_FILTER_CREDENTIAL_LENGTH + 1]);

void forward_filter_init(struct forward_filter *g, const struct forward_filter_rules *rules);

/* Takes bytes in and appends the accepted requests to `ret`, only whole ones.
 * -EACCES once a request is refused: `status` and `why` say why, and nothing more
 * passes; -ENOMEM. */
int forward_filter_feed(struct forward_filter *g, const void *bytes, size_t size, struct text *ret);

/* The answer to a refused request, sent before the connection is closed. */
void forward_filter_answer(unsigned status, const char *why, struct text *ret);
