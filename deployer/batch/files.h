/*
 * The files of one set of a batch: by a pattern of the shell (`path`), by a folder and a regular
 * expression (`path`, `file_re`), or by regular expressions of folders (`path_re`).
 *
 * One thread.
 */
#pragma once

#include <stdbool.h>

#include "deployer/inventory/nodes.h"
#include "plan.h"

/* One problem: its file and its companions, and what the regular expressions have named. */
struct batch_match {
    struct strings files;
    struct strings names, texts;
};

struct batch_matches {
    struct batch_match *items;
    size_t count;
};

void batch_matches_clear(struct batch_matches *m);

/* Whether the set names files at all. */
bool batch_set_has_files(const struct hosts_node *set);

/* In the order of their names.  -EBADMSG with the place of what is wrong; to find none is
 * an error.  Files that are left out because a companion is missing are in `notes`. */
int batch_files_find(const struct hosts_node *set, struct batch_matches *ret, struct strings *notes,
                     struct error *err);
