/*
 * The controller's public SSH key, which machines are to accept.
 */
#pragma once

#include "deployer/options/options.h"

/* One line of authorized_keys; the caller frees it.  The .pub file of the first --key, else of
 * ~/.ssh/id_ed25519, which is made when there is none (with --check it is only said that it
 * would be).  -ENOENT with the command that makes a missing .pub file. */
int public_key_read(const struct deploy_options *o, char **ret, struct error *err);

/* The file of the private key that public_key_read has made for this user, which its comment
 * says; the caller frees it.  -ENOENT, without words: it has made none, or another has taken
 * its place. */
int public_key_find_made(char **ret, struct error *err);
