/*
 * The systems to prepare for: those of machines, read over SSH once (mode
 * `sources` of the machine's side, with the trust of every other action), and
 * those that are named by suite and architecture, read nowhere.
 */
#pragma once

#include "system.h"

struct apt_systems {
    struct apt_system *items;
    size_t count;
    struct strings unread; /* machines that could not be asked, "HOST: why" */
};

void apt_systems_clear(struct apt_systems *s);

/* Takes the system over (it is emptied). */
int apt_systems_add(struct apt_systems *to, struct apt_system *s, struct error *err);

/* Every suite with every architecture; without a suite the controller's own, without an
 * architecture its own. */
int apt_systems_name(const struct strings *suites, const struct strings *arches,
                     struct apt_systems *ret, struct error *err);
