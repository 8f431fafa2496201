/* What root.c and root-run.c share. */
#pragma once

#include "root.h"

/* Removes the lists and the cache of an earlier run, with the stamp. */
void apt_root_remove_lists(const struct apt_root *root);

/* Makes the folders that apt writes into, its user's own. */
int apt_root_make_written(const struct apt_root *root, struct error *err);
