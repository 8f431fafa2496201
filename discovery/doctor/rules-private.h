/*
 * What the files of the rules share.
 */
#pragma once

#include "finding.h"
#include "view.h"

/* One finding in the making; its texts end with it. */
struct words {
    struct text wrong, proof, advice;
};

/* Adds it, and clears its texts. */
void rules_add(struct findings *to, enum finding_kind kind, const char *about, struct words *w);

/* Did it answer anything? */
bool rules_is_reached(const struct view_probe *p);

/* Has the machine at `at` surely another one's MAC address, or another one this one's? */
bool rules_are_twins(const struct view_machine *machines, size_t n, size_t at);

/* `rights`: ARP could be asked. */
void rules_judge_twins(const struct view_machine *machines, size_t at, bool rights,
                       struct findings *to);
