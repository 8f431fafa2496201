/*
 * The bytes of a multicast DNS question for any name, which adverts do not need
 * (mdns-answer.h has those).  Pure.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "discovery/base/address.h"

enum { QUESTION_MAX = 300, QUESTION_A = 1, QUESTION_PTR = 12 }; /* RFC 1035 §3.2.2 */

/* One question.  Labels are separated by dots; of one with more than 63 bytes the rest is
 * ignored, and labels that do not fit are left out.  Returns its size. */
size_t question_write(const char *name, uint16_t type, uint16_t transaction,
                      uint8_t ret[static QUESTION_MAX]);

/* The name under which an IPv4 address has its host's name, "1.0.99.10.in-addr.arpa"
 * (RFC 1035 §3.5). */
enum { QUESTION_REVERSE_MAX = 32 };
void question_reverse(const struct address *a, char ret[static QUESTION_REVERSE_MAX]);
