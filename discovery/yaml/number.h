/*
 * What the scalars of YAML 1.1 and their keys share: the texts of numbers.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* The text without its sign and without "_"; the caller frees it, NULL without
 * memory. */
char *yaml_digits(const char *text, size_t size, bool *ret_negative);

/* A decimal number as C and Python know it, whatever the locale; false when
 * that is not all of the text. */
bool yaml_double(const char *digits, double *ret);
