/*
 * The passphrase of a file that is exported or imported.
 */
#pragma once

#include "deployer/base/secret.h"
#include "deployer/options/options.h"

enum { PASSPHRASE_MIN = 8 }; /* bytes, of a new one */

/* From --passphrase-file, else DCOP_PASSPHRASE, else from the terminal, where a new one is
 * asked twice.  -EINVAL with words: it is empty, too short, or not the same twice. */
int passphrase_take(const struct deploy_options *o, bool is_new, struct secret **ret,
                    struct error *err);
