/*
 * A password as a machine keeps it: crypt(5).
 */
#pragma once

#include "discovery/base/error.h"

/* With a new salt, by the method of Debian 11 and later (yescrypt).  The caller wipes and frees
 * it.  -EINVAL: the password cannot be hashed. */
int card_password_hash(const char *password, char **ret, struct error *err);
