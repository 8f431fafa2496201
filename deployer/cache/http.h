/*
 * One HTTP request to a service on this controller's loopback: to find out whether a
 * cache answers, and to configure devpi.
 *
 * Uses libcurl.  HTTP/1.0, one connection per request to 127.0.0.1, no proxy, no redirect;
 * everything is bounded by size and time.  Blocks; any thread.
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

/* Adds the body to `ret_body` and returns the HTTP status, such as 200; -ECONNREFUSED and
 * the like when nothing answers, -ECONNRESET for a body that is cut short, -ETIMEDOUT,
 * -EBADMSG when the answer is not HTTP, -EFBIG over CACHE_HTTP_MAX, -ENOMEM. */
int cache_http(const struct cache_request *request, struct text *ret_body);

/* Can a service listen on this port of 127.0.0.1? */
bool cache_port_is_free(uint16_t port);

/* Does a service of the system (root, or another user id below 1000) or a process of our own
 * user listen on this port?  Packages must not come from a service of another person of this
 * controller. */
bool cache_port_is_trusted(uint16_t port);
