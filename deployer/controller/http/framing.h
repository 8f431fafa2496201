/*
 * A request must say once, and in one way, where it ends, which host it is for and who
 * sends it.  Pure; the loop's thread.
 */
#pragma once

#include <microhttpd.h>
#include <stdbool.h>

/* Could a proxy in front of us read a different request (two lengths, a length and a
 * transfer coding, two hosts, two tokens)?  Such a request is refused (RFC 9112 §6.3,
 * §11.2). */
bool framing_is_ambiguous(struct MHD_Connection *connection);
