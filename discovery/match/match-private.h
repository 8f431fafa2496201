/* What the files of match/ share. */
#pragma once

#include "discovery/base/text.h"
#include "match.h"

/* Fills in `shared` and `n_without_ipv4`.  -ENOMEM. */
int match_check_addresses(struct match *m);

/* Adds warnings; `words` is scratch, empty before and after.  -ENOMEM. */
int match_warn_addresses(struct match *m, struct text *words);
int match_add_warning(struct match *m, struct text *words);
