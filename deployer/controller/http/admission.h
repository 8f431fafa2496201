/*
 * Admission: who may ask.  A service on this computer is within reach of every
 * page that its user's browser shows, by requests across sites and by names
 * that are made to point here (rebinding): so the Host must be ours, an Origin
 * must be this Host, and what changes anything wants the token, which no
 * browser sends by itself.
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
    const struct strings *hosts; /* names that we have, and numeric addresses, as a URL has them:
                                    IPv6 in brackets */
};

/* 0, or the HTTP status that it is refused with: 400 without a Host, 421 for
 * another's. */
unsigned admission_host(const struct admission *a, const char *host);

/* 0, or 403.  `origin` NULL: none was sent; `host` has passed admission_host. */
unsigned admission_origin(const char *origin, const char *host);

/* 0, or 401.  `authorization`: the header's value; NULL: none.  Takes as long
 * for a token that is nearly right as for any other. */
unsigned admission_token(const struct admission *a, const char *authorization);
