/*
 * Admission: which requests are allowed.  Every page that the user's browser shows
 * can reach a service on this computer, by cross-site requests and by names that are
 * made to point here (DNS rebinding).  So the Host must be ours, an Origin must be
 * this Host's, and every change needs the token, which no browser sends by itself.
 *
 * Pure; any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "discovery/base/text.h"

enum { ADMISSION_TOKEN_LENGTH = 64 /* hex digits */ };

struct admission {
    char token[ADMISSION_TOKEN_LENGTH + 1];
    uint16_t port;
    const struct strings *hosts; /* our names and numeric addresses, in the form of a URL:
                                    IPv6 in brackets; and origins of proxies before us,
                                    http[s]://NAME[:PORT] as a browser sends them */
};

/* 0, or the HTTP status of the refusal: 400 without a Host, 421 for a Host that is
 * not ours. */
unsigned admission_host(const struct admission *a, const char *host);

/* 0, or 403.  `origin` NULL: none was sent; admission_host has accepted `host`. */
unsigned admission_origin(const struct admission *a, const char *origin, const char *host);

/* 0, or 401.  `authorization`: the header's value; NULL: none.  It takes the same time
 * for a token that is nearly right as for any other. */
unsigned admission_token(const struct admission *a, const char *authorization);
