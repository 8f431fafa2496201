/*
 * The user's own known_hosts files (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT").
 *
 * They confirm a key only for the name that a person gave, a host of an inventory or an address
 * on the command line: a name that an advert claims is nobody's word.  A key that they mark as
 * revoked is refused for every machine.  No thread, no network.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "deployer/base/destination.h"
#include "discovery/base/cleanup.h"
#include "discovery/base/error.h"
#include "discovery/base/text.h"

enum {
    KNOWN_HOSTS_MAX = 4 << 20, /* bytes of a file */
    KNOWN_HOSTS_FINGERPRINT_MAX = 64,
    KNOWN_HOSTS_NAME_MAX = DESTINATION_HOST_MAX + sizeof("[]:65535"),
};

/* One line; points into it. */
struct known_hosts_line {
    const char *marker; /* "@revoked", "@cert-authority"; NULL: none */
    const char *hosts;  /* patterns with commas between, or one hashed name */
    const char *type, *base64;
    char fingerprint[KNOWN_HOSTS_FINGERPRINT_MAX]; /* "SHA256:…" */
};

/* Cuts the line.  -ENODATA: a blank line, a comment, or none that this format has. */
int known_hosts_line_parse(char *line, struct known_hosts_line *ret);

/* Whether the line is for the host `name` ("[host]:port" unless the port is 22), in lower case.
 * A pattern with "!" that matches excludes it. */
bool known_hosts_line_matches(const struct known_hosts_line *l, const char *name);

/* What the files say of one host. */
struct known_hosts {
    struct strings keys; /* fingerprints */
    char *listed;        /* "FILE:LINE" of the first ed25519 key, the type that machines are asked
                            for first; NULL: none */
    char *authority;     /* likewise of a certificate authority for it */
};

void known_hosts_clear(struct known_hosts *k);

/* The user's and the system's files, where the user's SSH names no others. */
int known_hosts_usual(struct strings *ret);

/* `port` 0: `host` is an alias (HostKeyAlias), which has no port.  A file that does not exist
 * is no error.  -EFBIG, -ENOMEM, what open(2) and read(2) say.  `ret` is {0}. */
int known_hosts_find(const struct strings *files, const char *host, uint16_t port,
                     struct known_hosts *ret, struct error *err);

/* All revoked keys, whatever the host: "SHA256:… FILE:LINE", for trust_find_revoked.
 * Errors as above. */
int known_hosts_revoked(const struct strings *files, struct strings *ret, struct error *err);
