/*
 * Names of projects on a Python index.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Whether two names are the same project to a Python index (PEP 503). */
bool wheel_name_equal(const char *a, const char *b);

/* The length of the name at the beginning of a requirement. */
size_t wheel_requirement_name(const char *requirement);

/* Whether it is a name of an index, with extras, versions and a marker at most (PEP 508), and not
 * longer than WHEEL_PLAIN_MAX: no URL, no path, nothing that pip would get with git or run. */
enum { WHEEL_PLAIN_MAX = 256 };
bool wheel_requirement_is_plain(const char *requirement);
