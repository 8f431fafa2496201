/*
 * The packages that a deploy needs on a machine, from steps/packages.sh, which
 * the steps themselves read: NAME='WORDS', one line each.
 */
#pragma once

#include "discovery/base/error.h"
#include "discovery/base/text.h"

enum { PACKAGES_MAX = 64 }; /* words of one list */

/* Adds the words of one list ("APT": of PACKAGES_APT) to `ret`, each once.
 * `steps_dir` holds packages.sh.  -ENOENT without the file or the list,
 * -EBADMSG when a word is not a valid package name. */
int packages_read(const char *steps_dir, const char *list, struct strings *ret, struct error *err);

/* At least two characters of [a-z0-9+.-], the first a letter or digit (Debian Policy
 * §5.6.1). */
bool package_name_valid(const char *name);
