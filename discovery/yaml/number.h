/*
 * Number texts, for the scalars of YAML 1.1 and their keys.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* The text without its sign and without "_"; the caller frees it, NULL without
 * memory. */
char *yaml_digits(const char *text, size_t size, bool *ret_negative);

/* Reads a decimal number as C and Python do, in any locale; false when the text
 * has anything else. */
bool yaml_double(const char *digits, double *ret);
