/*
 * The signature of an advert, its pair "sig": HMAC-SHA256 with the machine's
 * key, in base64url without padding, over
 *
 *     "dcop-advert-1" and a NUL,
 *     the port of the SRV record, two bytes in network order,
 *     each other pair of the record (txtvers, seq and unknown ones too), the
 *     pairs sorted bytewise, each behind its length, two bytes in network order.
 *
 * Empty strings are no pairs (RFC 6763 §6.1), and Avahi drops them.  The host's
 * name and addresses are not signed: the machine that answers there must still
 * show the host key, which is signed.
 *
 * Pure; any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "advert.h"
#include "discovery/base/key.h"

/* Appends the signature to a record of advert_encode_within(…,
 * ADVERT_SIGNED_MAX).  -ENOSPC: no room; -EBADMSG: it could not be verified
 * (wrong lengths, a key given twice, signed already). */
int advert_sign(uint8_t txt[static ADVERT_TXT_MAX], size_t *size, uint16_t port,
                const struct key *machine);

/* Is the record signed by the machine of that id and host key of the fleet?  The
 * answer is no, too, when the record names no host key (NULL), and when a key is given twice (case
 * does not count): readers differ on which one counts. */
bool advert_verify(const uint8_t *txt, size_t size, uint16_t port, const char *id,
                   const char *hostkey, const struct key *fleet);
