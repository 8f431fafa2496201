/*
 * What `export` and `import` have in common: they take all that is known, or nothing.
 */
#pragma once

#include "deployer/cli/program.h"

/* The argument.  -EINVAL with words: there is none or there are several, it is standard input
 * or output, or an option selects machines, which is not done here. */
int move_common_file(const struct program *p, const char **ret, struct error *err);
