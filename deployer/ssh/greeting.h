/*
 * A server's greeting: the lines that it may send before its version line (RFC 4253 §4.2).
 *
 * OpenSSH says there why it refuses a connection, and another program on the port says what
 * it is.  libssh drops these lines, so they are looked at in the socket before libssh reads
 * them: nothing is taken from it.
 */
#pragma once

#include <stdint.h>

#include "discovery/base/error.h"
#include "discovery/base/text.h"

enum { GREETING_MAX = 4096 };

/* Call it before libssh sends its version line; it keeps the socket from being readable
 * until greeting_wait. */
void greeting_hold(int fd);

/* Waits until the version line or the end is there, or GREETING_MAX bytes.  `ret_words` gets
 * what is before the version line.  -ETIMEDOUT at the deadline, CLOCK_MONOTONIC in ms;
 * -ECANCELED when `stop_fd` (-1: none) becomes readable. */
int greeting_wait(int fd, int stop_fd, int64_t deadline_ms, struct text *ret_words);
