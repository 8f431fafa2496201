/*
 * What PyYAML's scanner refuses and libyaml's takes: tabs between tokens, a tag
 * that touches a comma, a "#" that touches the header of a block scalar, and an
 * explicit key without text inside [ ].
 *
 * Not for concurrent use.
 */
#pragma once

#include <yaml.h>

#include "discovery/base/error.h"
#include "input.h"

/* Checks an event, directly after yaml_parser_parse has stored it.  -EBADMSG
 * and a message with its place. */
int yaml_strict_check(struct yaml_input *in, const yaml_parser_t *p, const yaml_event_t *e,
                      struct error *err);
