/*
 * URLs of caches and of repositories: http and https.  One parser for all of
 * them, over libcurl's.
 *
 * Values; any thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "discovery/base/text.h"

enum { URL_MAX = 1024, URL_HOST_MAX = 256 };

struct url {
    bool https;
    bool has_port; /* the URL names its port */
    uint16_t port; /* never 0 */
    /* The host to look up: without brackets, addresses in their normal form, with the zone. */
    char host[URL_HOST_MAX];
    /* The host as the URL spells it, with brackets: other programs compare it. */
    char spelled[URL_HOST_MAX];
    const char *path; /* "" or "/…", in the text that was parsed */
};

/* -EINVAL for what is no such URL, or has a user, a password, a query or a fragment;
 * -ENOMEM.  Does not check the path's characters, see url_valid. */
int url_parse(const char *url, struct url *ret);

/* Appends the words, with "***" for the user and password of each URL in them. */
void url_add_masked(struct text *ret, const char *words);

/* Appends the words, without the password of each URL in them; of http and https also without
 * the user, which may be a token.  What is left still names the same thing. */
void url_add_without_password(struct text *ret, const char *words);

/* May these characters stand in the settings of apt and pip?  http or https, no
 * user or password; no blank, no quote, nothing that ends a setting. */
bool url_valid(const char *url);
