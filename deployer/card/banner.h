/*
 * Large letters, five lines high, to be read across a table.
 */
#pragma once

#include "discovery/base/text.h"

/* Appends five lines; nothing for a text that has other characters than letters, digits and
 * " -_.", or does not fit in `width` columns (0: no limit).  Capitals stand for small letters,
 * too. */
void card_banner(const char *text, size_t width, struct text *ret);
