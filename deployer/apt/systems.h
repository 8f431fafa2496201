/*
 * A list of systems whose packages are fetched ahead: systems of machines, each read
 * over SSH once (steps/verbs/sources, after the same host key check as for every other
 * verb), and systems that are named by suite and architecture, for which no machine is
 * asked.
 */
#pragma once

#include "system.h"

struct apt_systems {
    struct apt_system *items;
    size_t count;
    struct strings unread; /* machines that could not be asked, "HOST: why" */
};

void apt_systems_clear(struct apt_systems *s);

/* Moves the system into the list. */
int apt_systems_add(struct apt_systems *to, struct apt_system *s, struct error *err);

/* Adds each suite with each architecture; an empty list stands for the controller's own
 * suite or architecture. */
int apt_systems_name(const struct strings *suites, const struct strings *arches,
                     struct apt_systems *ret, struct error *err);
