/*
 * A destination is where to reach a machine, as a person writes it:
 * [USER@]HOST[:PORT], HOST a name, an IPv4 address, or an IPv6 address, in
 * brackets when a port follows, with %INTERFACE when it is link-local.
 *
 * What passes here holds nothing that ssh, a shell or a terminal would read as
 * something else.  Pure, any thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "discovery/base/error.h"

enum {
    DESTINATION_HOST_MAX = 253, /* RFC 1035 §2.3.4, as text */
    DESTINATION_USER_MAX = 32,  /* useradd(8) */
};

/* What destination_user_valid requires, for messages. */
#define DESTINATION_USER_RULE                                                                      \
    "letters, digits, and . _ - @; 32 at most, a letter, digit or _ first, not digits alone"

struct destination {
    char user[DESTINATION_USER_MAX + 1]; /* "": not said */
    char host[DESTINATION_HOST_MAX + 1]; /* without brackets */
    uint16_t port;                       /* 0: not said */
};

/* A numeric address, or a host name of ASCII letters, digits, "-", "_" and
 * ".", that cannot be taken for an address or an option. */
bool destination_host_valid(const char *host);

/* A name that users of a machine have, capitals, dots and a domain ("jo@example.org") too:
 * useradd --badname and directory services give such names.  Not digits alone, which getent(1)
 * and others take for a number of a user.  Narrower: advert_user_valid. */
bool destination_user_valid(const char *user);

/* 1 to 65535 in decimal, no sign, no zero in front; 0 for anything else. */
uint16_t destination_port(const char *text);

/* -EINVAL with the text and what is wrong with it. */
int destination_parse(const char *text, struct destination *ret, struct error *err);
