/*
 * One HTTP request to a service on this controller's loopback: is it there,
 * what does it say, and the few words that devpi wants to be set up.
 *
 * By libcurl.  HTTP/1.0, one connection per request to 127.0.0.1, no proxy, no redirect;
 * everything bounded by size and time.  Blocks; any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "discovery/base/error.h"
#include "discovery/base/text.h"

enum { CACHE_HTTP_MAX = 4 * 1024 * 1024 }; /* bytes of an answer, its headers too */

struct cache_request {
    uint16_t port;
    const char *method; /* NULL: GET */
    const char *path;
    const char *header; /* one more line, "NAME: VALUE"; NULL: none */
    const char *body;   /* JSON; NULL: none */
    unsigned timeout_ms;
};

/* The body, and the status (200) as the result; -ECONNREFUSED and the like when
 * nobody answers, -ECONNRESET for a body that is cut short, -ETIMEDOUT, -EBADMSG for what
 * is not HTTP, -EFBIG. */
int cache_http(const struct cache_request *request, struct text *ret_body);

/* Can something listen on this port of 127.0.0.1? */
bool cache_port_is_free(uint16_t port);

/* Is who listens there a service of the system (root, or another user below
 * 1000) or a process of ours?  What another person of this controller has
 * there is not to be given packages to. */
bool cache_port_is_trusted(uint16_t port);
