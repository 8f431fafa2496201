/*
 * What was noticed on the way: lines on standard error beside the result.
 */
#pragma once

#include "discover.h"
#include "discovery/network/look.h"

/* Each adds what there is to say; without memory, less.  Names in it come from the network and are
 * not escaped. */
void notices_of_machines(const struct discover_options *o, const struct machine *const *machines,
                         size_t n, struct strings *ret);
void notices_of_look(const struct discover_options *o, struct look *look, struct strings *ret);

/* What the Avahi daemon could not do or does not tell.  -ENOMEM. */
int notices_of_daemon(const struct look *look, struct strings *ret);

/* Prints them, a line each, escaped; nothing with --quiet. */
void notices_print(const struct discover_options *o, const struct strings *notices);
