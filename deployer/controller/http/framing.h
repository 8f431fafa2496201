/*
 * Where a request ends, whom it is for and from whom it is: said once, in one way.
 * Pure; the loop's thread.
 */
#pragma once

#include <microhttpd.h>
#include <stdbool.h>

/* Could a proxy before us read another request in it (two lengths, a length and a
 * coding, two hosts, two tokens)?  RFC 9112 §6.3, §11.2: what has two readings has
 * none. */
bool framing_is_ambiguous(struct MHD_Connection *connection);
