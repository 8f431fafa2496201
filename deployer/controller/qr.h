/*
 * A QR code (ISO/IEC 18004) as a picture, for labels on machines.  Pure; any thread.
 */
#pragma once

#include "discovery/base/text.h"

enum { QR_TEXT_MAX = 300 /* bytes */ };

/* Appends an SVG document of `words`, UTF-8: black on white, with the quiet zone of four modules,
 * and no size of its own.  -EINVAL: they are empty or longer than QR_TEXT_MAX; -ENOMEM. */
int qr_svg(const char *words, struct text *ret);
